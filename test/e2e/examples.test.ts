/** The examples, run as their README says. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { ROOT } from '../support/build.ts'
import { freePort } from '../support/postgres-process.ts'
import { plainEnvironment, processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { until } from '../support/until.ts'

const all = processes()
const CHECKOUT = `${DEVELOPMENT}/flags/checkout`
const PRO = { attribute: 'plan', op: 'in', values: ['pro'] }
let server: Server
let api: Rest

beforeAll(async () => {
  server = await all.startServer()
  api = rest(server.url, server.adminKey)
  await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean', visibility: 'client' })
  await api.must('POST', `${CHECKOUT}/rules`, { when: PRO, serve: { variant: 'on' } })
  await api.must('POST', `${CHECKOUT}/enable`)
})

/** Starts an example on a free port. @returns its address, once it answers */
async function started(script: string, settings: Readonly<Record<string, string>>): Promise<string> {
  const port = String(await freePort())
  const running = all.startScript(join(ROOT, 'examples', script), {
    HALYARD_URL: server.url,
    PORT: port,
    ...settings,
  })
  await until(`${script} says where it is`, () => {
    if (running.child.exitCode !== null) throw new Error(running.stderr())
    return running.stdout().includes(port)
  })
  return `http://127.0.0.1:${port}`
}

it('fastify: each request is answered for who asks, and edits arrive', async () => {
  const shop = await started('fastify/main.js', { HALYARD_SDK_KEY: await sdkKey(api, 'server') })
  const checkout = async (plan: string): Promise<string> => {
    const answer = await fetch(`${shop}/checkout`, { headers: { 'x-user': 'ada', 'x-plan': plan } })
    return ((await answer.json()) as { page: string }).page
  }
  expect(await checkout('pro')).toBe('new checkout')
  expect(await checkout('free')).toBe('old checkout')
  await api.must('PUT', `${CHECKOUT}/kill`, undefined, ANY)
  await until('the kill is there', async () => (await checkout('pro')) === 'old checkout')
  await api.must('DELETE', `${CHECKOUT}/kill`)
  await until('its end is there', async () => (await checkout('pro')) === 'new checkout')
})

it('fastify: its own test passes, without a server', () => {
  const file = join(ROOT, 'examples/fastify/app.test.js')
  execFileSync(process.execPath, ['--test', file], { cwd: ROOT, env: plainEnvironment(), stdio: 'pipe' })
})

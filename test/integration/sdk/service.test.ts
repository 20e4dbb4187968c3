/** The Node SDK against the whole service: what a person does over REST is what an app sees. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@halyard/sdk/node'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'
import { fast, recorder } from '../../unit/node/clients.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

const folder = temporaryFolder()
let service: TestService
let url: string
let port: number
let key: string
let flag: string
let flags = 0

async function start(): Promise<void> {
  service = await startService({ dataDir: folder.dir })
  await service.http.listen({ host: '127.0.0.1', port: port ?? 0 })
  const address = service.http.server.address()
  port = typeof address === 'object' && address !== null ? address.port : 0
  url = `http://127.0.0.1:${port}`
}

beforeAll(async () => {
  cpSync(await preparedEmbedded(), join(folder.dir, 'postgres'), { recursive: true })
  await start()
  key = await service.sdkKey('server')
})
afterAll(async () => {
  await service.close()
  folder.remove()
})

async function must(method: string, path: string, body?: unknown): Promise<void> {
  const asked = await service.ask(method, path, { body, headers: { 'if-match': '*' } })
  if (asked.status > 299) throw new Error(`${method} ${path} was answered ${asked.status}: ${asked.text}`)
}
const change = (method: string, path: string, body?: unknown) =>
  must(method, `${ENVIRONMENT}/flags/${flag}${path}`, body)

beforeEach(async () => {
  flag = `flag-${flags++}`
  await must('POST', `${PROJECT}/flags`, { key: flag, type: 'boolean', fallthrough: { variant: 'on' } })
})

async function client(options: Parameters<typeof connect>[0] = {}) {
  const { logger } = recorder()
  const made = await connect({ url, key, logger, app: { name: 'shop', version: '1.0.0' }, ...options })
  onTestFinished(() => made.close())
  return made
}

test('what an app evaluated, and what happened to whom, is known by variant and by app', async () => {
  await change('POST', '/rules', {
    ...{ id: 'pro', when: { attribute: 'plan', op: 'in', values: ['pro'] }, serve: { variant: 'off' } },
  })
  await change('POST', '/enable')
  const usageOf = async (name: string) => {
    await service.live.usage.save()
    return (await service.ask('GET', `${ENVIRONMENT}/flags/${name}/usage`)).body
  }
  const app = await client({ app: { name: 'shop', version: '2.4.0' } })
  for (let time = 0; time < 5; time++) app.boolean(flag, false, { targetingKey: 'ada' })
  app.for({ plan: 'pro' }).details(flag, false)
  app.track('purchase', { plan: 'pro' }, { value: 19.5 })
  app.track('purchase', { plan: 'pro' }, { value: 20.5 })
  app.track('purchase', {})
  const silent = await client({ telemetry: false })
  silent.boolean(flag, false)
  await Promise.all([app.close(), silent.close()])
  app.boolean(flag, false)
  const usage = await usageOf(flag)
  expect(usage.evaluations.variants).toEqual([
    { variant: 'off', count: 1 },
    { variant: 'on', count: 5 },
  ])
  expect(usage.apps).toEqual([
    { app: 'shop', version: '2.4.0', evaluations: 6, lastEvaluatedAt: usage.lastEvaluatedAt },
  ])
  expect(usage.events).toEqual([
    {
      event: 'purchase',
      variants: [
        { variant: 'off', count: 2, sum: 40, mean: 20 },
        { variant: 'on', count: 1, sum: 0, mean: 0 },
      ],
    },
  ])
})

test('edits, a kill and its end arrive on a stream', async () => {
  const app = await client()
  await until('the stream works', () => app.status().connected)
  const isOn = () => app.boolean(flag, false, { targetingKey: 'ada', plan: 'pro' })
  expect(isOn()).toBe(false)
  await change('POST', '/enable')
  await until('it is on', isOn)
  await change('PUT', '/fallthrough', { variant: 'off' })
  await until('it is off', () => !isOn())
  const when = { attribute: 'plan', op: 'in', values: ['pro'] }
  await change('POST', '/rules', { id: 'pro', when, serve: { variant: 'on' } })
  await until('it is on for pro', isOn)
  expect(app.details(flag, false, { plan: 'pro' })).toMatchObject({
    value: true,
    reason: 'TARGETING_MATCH',
    metadata: { rule: 'pro' },
    source: 'stream',
  })
  expect(app.boolean(flag, true, { plan: 'free' })).toBe(false)
  await change('PUT', '/kill', { comment: 'on fire' })
  await until('it is killed', () => !isOn())
  expect(app.details(flag, true, { plan: 'pro' })).toMatchObject({
    reason: 'DISABLED',
    metadata: { killed: true },
  })
  await change('DELETE', '/kill')
  await until('it lives again', isOn)
  expect(app.status()).toMatchObject({ state: 'ready', connected: true, source: 'stream' })
})

test('a poll that has nothing new is answered 304', async () => {
  await fast({ url, key, mode: 'poll' })
  await until('it was answered 304', async () => {
    const { text } = await service.ask('GET', '/metrics', { key: null })
    return /^\w*rulesets_total\{.*notModified.*\} [1-9]/m.test(text)
  })
})

test('an app catches up by itself after the service was away', async () => {
  const app = await fast({ url, key, timing: { heartbeatMs: 15_000 } })
  await until('the stream works', () => app.status().connected)
  await service.close()
  await until('the loss is noticed', () => !app.status().connected)
  expect(app.details(flag, true)).toMatchObject({ value: false, reason: 'DISABLED' })
  await start()
  await change('POST', '/enable')
  await until('it is on', () => app.boolean(flag, false) && app.status().connected)
})

test('an app starts from its cache file while the service is away', async () => {
  const cacheFile = join(folder.dir, 'sdk-cache.json')
  await change('POST', '/enable')
  const before = await client({ cacheFile })
  expect(before.boolean(flag, false)).toBe(true)
  await before.close()
  await service.close()
  const app = await fast({ url, key, cacheFile, timing: { heartbeatMs: 15_000 } })
  expect(app.status()).toMatchObject({ state: 'stale', source: 'cache' })
  expect(app.boolean(flag, false)).toBe(true)
  await start()
  await change('POST', '/disable')
  await until('it is off', () => !app.boolean(flag, true))
})

test('a revoked key is refused, and the last state serves on', async () => {
  const made = await service.ask('POST', `${ENVIRONMENT}/keys`, { body: { kind: 'server', name: 'short' } })
  await change('POST', '/enable')
  const app = await fast({ url, key: made.body.secret, timing: { heartbeatMs: 15_000 } })
  await until('the stream works', () => app.status().connected)
  await must('DELETE', `${ENVIRONMENT}/keys/${made.body.id}`)
  await until('it is refused', () => app.status().state === 'refused')
  expect(app.boolean(flag, false)).toBe(true)
})

test('two hundred apps hear one edit', async () => {
  const apps = await Promise.all(Array.from({ length: 200 }, () => client({ startTimeoutMs: 15_000 })))
  await until('all streams work', () => apps.every((app) => app.status().connected))
  await change('POST', '/enable')
  await until('all heard', () => apps.every((app) => app.boolean(flag, false)))
})

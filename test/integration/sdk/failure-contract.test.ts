/**
 * The failure contract of the Node SDK, on a real service behind a TCP proxy: down the ladder from the stream to the
 * caller's default, and up again by itself. (The same under load, with real waits: `npm run test:faults -- sdk`.)
 */
import { join } from 'node:path'
import { connect } from '@halyard/sdk/node'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../../support/postgres-embedded.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.ts'
import { answeringWith, holdingBack } from '../../support/treatments.ts'
import { until } from '../../support/until.ts'
import { type FastOptions, fast, recorder } from '../../unit/node/clients.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

const folder = temporaryFolder()
let service: TestService
let address: string
let key: string
let proxy: TcpProxy
let url: string
let flag: string
let flags = 0

beforeAll(async () => {
  service = await startService()
  await service.http.listen({ host: '127.0.0.1', port: 0 })
  const bound = service.http.server.address()
  address = `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`
  key = await service.sdkKey('server')
})
afterAll(async () => {
  await service.close()
  folder.remove()
})

beforeEach(async () => {
  flag = `flag-${flags++}`
  await change('POST', `${PROJECT}/flags`, { key: flag, type: 'boolean', fallthrough: { variant: 'on' } })
  proxy = await tcpProxy(address)
  onTestFinished(() => proxy.close())
  url = proxy.via(address)
})

async function change(method: string, path: string, body?: unknown): Promise<void> {
  const asked = await service.ask(method, path, { body, headers: { 'if-match': '*' } })
  if (asked.status > 299) throw new Error(`${method} ${path} was answered ${asked.status}: ${asked.text}`)
}
const turn = (to: 'enable' | 'disable') => change('POST', `${ENVIRONMENT}/flags/${flag}/${to}`)

/** Real heartbeats come every 15 s, so the fast clock must not take their absence for silence. */
const client = ({ timing, ...options }: FastOptions = {}) =>
  fast({ url, key, ...options, timing: { heartbeatMs: 15_000, ...timing } })

test('down the ladder, rung by rung, and up again', async () => {
  const cacheFile = join(folder.dir, 'last-known.json')
  const bootstrap = await ruleset()
  const app = await client({ cacheFile, maxStalenessMs: 500, timing: { firstEventMs: 300 } })
  await until('the stream serves', () => app.details(flag, true).source === 'stream')
  await turn('enable')
  await until('an edit arrives', () => app.boolean(flag, false))

  proxy.treat(holdingBack(/text\/event-stream/i, 65_536))
  proxy.cut()
  await until('polls serve', () => app.details(flag, true).source === 'poll')
  await turn('disable')
  await until('an edit arrives by poll', () => !app.boolean(flag, true))
  expect(app.status()).toMatchObject({ state: 'ready', connected: false })

  await proxy.takeAway()
  await until('the state is stale', () => app.status().state === 'stale')
  expect(app.details(flag, true)).toMatchObject({ value: false, reason: 'DISABLED' })
  await app.close()

  const [cached, booted, bare] = await Promise.all([
    client({ cacheFile, bootstrap }),
    client({ bootstrap }),
    client({ startTimeoutMs: 200 }),
  ])
  expect(cached.details(flag, true)).toMatchObject({ value: false, source: 'cache' })
  expect(booted.details(flag, true)).toMatchObject({ value: false, source: 'bootstrap' })
  expect(bare.details(flag, true)).toMatchObject({
    value: true,
    source: 'default',
    errorCode: 'PROVIDER_NOT_READY',
  })

  await turn('enable')
  proxy.heal()
  await proxy.giveBack()
  for (const each of [cached, booted, bare]) {
    await until('the stream serves again', () => each.details(flag, false).source === 'stream')
    expect(each.boolean(flag, false)).toBe(true)
    expect(each.status()).toMatchObject({ state: 'ready', connected: true })
  }
})

test('onStale: a state that nobody confirms is held, or given up for defaults, as the app chose', async () => {
  await turn('enable')
  const hold = await client({ maxStalenessMs: 400 })
  const strict = await client({ maxStalenessMs: 400, onStale: 'default' })
  await until('both stream', () => hold.status().connected && strict.status().connected)
  expect(strict.boolean(flag, false)).toBe(true)
  const heard: string[] = []
  strict.on('stale', () => heard.push('stale'))
  strict.on('ready', () => heard.push('ready'))

  proxy.treat(answeringWith('<!doctype html><title>Log in</title>'))
  proxy.cut()
  await until('both are stale', () => [hold, strict].every((app) => app.status().state === 'stale'))
  expect(hold.boolean(flag, false)).toBe(true)
  expect(strict.boolean(flag, false)).toBe(false)
  expect(strict.details(flag, false)).toMatchObject({ source: 'default', errorCode: 'PROVIDER_NOT_READY' })

  proxy.heal()
  proxy.cut()
  await until('the state is used again', () => strict.boolean(flag, false))
  expect(heard).toEqual(['stale', 'ready'])
})

test('a half-open connection is noticed, and what was missed is there after it', async () => {
  const app = await client({ timing: { heartbeatMs: 200 } })
  const failures: Error[] = []
  app.on('error', (error) => failures.push(error))
  await until('the stream works', () => app.status().connected)
  proxy.vanish()
  await turn('enable')
  await until('the silence is noticed', () => failures.some(({ message }) => /half-open/.test(message)))
  await until('the edit is there, and the stream', () => app.boolean(flag, false) && app.status().connected)
})

test('an app whose wall clock jumps about during an outage is stale for as long as the outage lasts', async () => {
  let offset = 0
  const app = await client({ maxStalenessMs: 400, surroundings: { clock: () => Date.now() + offset } })
  await until('the stream works', () => app.status().connected)
  for (offset of [10 * 365 * 86_400_000, -50 * 365 * 86_400_000])
    expect(app.status()).toMatchObject({ state: 'ready' })
  await proxy.takeAway()
  await until('it is stale', () => app.status().state === 'stale')
  const { ageMs = 0 } = app.status()
  offset = 0
  expect(app.status().ageMs).toBeLessThan(ageMs + 60_000)
  await proxy.giveBack()
  await until('it is ready', () => app.status().state === 'ready')
})

test('no server at all: connect resolves at its time, nothing throws, and the app catches up', async () => {
  await turn('enable')
  await proxy.takeAway()
  const { logger, logged } = recorder()
  const app = await connect({ url, key, logger, startTimeoutMs: 100 })
  onTestFinished(() => app.close())
  expect(app.status()).toMatchObject({ state: 'starting', source: 'default' })
  expect(app.boolean(flag, false)).toBe(false)
  expect(logged.map(({ message }) => message).join('\n')).toMatch(url)
  await proxy.giveBack()
  await until('it catches up', () => app.boolean(flag, false))
})

async function ruleset(): Promise<string> {
  const answer = await fetch(`${address}/sdk/v1/ruleset`, { headers: { authorization: `Bearer ${key}` } })
  return answer.text()
}

import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../support/until.ts'
import { fast, recorder } from './clients.ts'
import { booleanFlag, environment } from './rulesets.ts'
import { KEY, problem, startWireServer } from './wire-server.ts'

const OTHER = 'hly_srv_two_othersecretothersecret'

async function served() {
  const server = await startWireServer(environment({ a: booleanFlag(true) }))
  onTestFinished(() => server.stop())
  return server
}

test('a refused key is said once, with its id and the address, and never its secret', async () => {
  const server = await served()
  const { logger, logged, text } = recorder()
  const flags = await fast({ url: server.url, key: OTHER, startTimeoutMs: 3_600_000, logger })
  expect(flags.status()).toMatchObject({ state: 'refused', error: { code: 'refused', status: 401 } })
  expect(flags.boolean('a', false)).toBe(false)
  await until('it was refused again', () => server.rulesets() >= 3)
  expect(logged.map(({ level }) => level)).toEqual(['error'])
  expect(text()).toContain('hly_srv_two')
  expect(text()).toContain(server.url)
  expect(text()).toContain('A valid key is needed')
  expect(text()).not.toContain('othersecret')
  expect(JSON.stringify(flags.status()) + String(flags.status().error)).not.toContain('othersecret')
})

test('attempts with a refused key are minutes apart, and never end', async () => {
  const server = await served()
  const flags = await fast({ url: server.url, key: OTHER, timing: { refusedMs: 3_600_000 } })
  expect(flags.status().state).toBe('refused')
  expect(server.rulesets()).toBe(1)
})

test('a key that the server comes to know is found, without a restart', async () => {
  const server = await served()
  const flags = await fast({ url: server.url, key: OTHER })
  expect(flags.status().state).toBe('refused')
  server.keys.add(OTHER)
  await until('it is accepted', () => flags.status().state === 'ready')
  expect(flags.boolean('a', false)).toBe(true)
  expect(flags.status()).not.toHaveProperty('error')
})

test('a key function is asked again after a refusal, and its new key is used at once', async () => {
  const server = await served()
  const given: string[] = []
  const key = () => {
    const next = given.length === 0 ? OTHER : KEY
    given.push(next)
    return next
  }
  const flags = await fast({ url: server.url, key, timing: { refusedMs: 3_600_000 } })
  await until('it is ready', () => flags.status().state === 'ready' && flags.status().connected)
  expect(given).toEqual([OTHER, KEY])
})

test('a key that is revoked while the stream runs: the last state serves on, and a new key brings it back', async () => {
  const server = await served()
  let next = KEY
  const { logger, logged, text } = recorder()
  const flags = await fast({ url: server.url, key: async () => next, logger })
  await until('the stream works', () => flags.status().connected)
  server.keys.delete(KEY)
  for (const stream of server.streams) stream.end()
  await until('it is refused', () => flags.status().state === 'refused')
  expect(flags.boolean('a', false)).toBe(true)
  expect(logged.filter(({ level }) => level === 'error')).toHaveLength(1)
  expect(text()).not.toContain('secretsecret')
  next = OTHER
  server.keys.add(OTHER)
  await until('it is back', () => flags.status().state === 'ready' && flags.status().connected)
})

test('a key function that fails is reported and asked again', async () => {
  const server = await served()
  let asked = 0
  const key = () => {
    asked += 1
    if (asked < 3) throw new Error('the vault is sealed')
    return KEY
  }
  const { logger, text } = recorder()
  const flags = await fast({ url: server.url, key, logger })
  expect(flags.status().state).toBe('ready')
  expect(text()).toMatch(/The key function failed.*the vault is sealed/)
})

test.each([403, 404])('%i is a refusal too', async (status) => {
  const server = await served()
  server.instead.ruleset = (_, response) => problem(response, status, 'No')
  const flags = await fast({ url: server.url })
  expect(flags.status()).toMatchObject({ state: 'refused', error: { status } })
  server.instead.ruleset = undefined
  await until('it is ready', () => flags.status().state === 'ready')
})

test('a stream that alone is refused leaves the polls alone, and is no refused key', async () => {
  const server = await served()
  server.instead.stream = (_, response) => problem(response, 404, 'An old proxy')
  const { logger, text } = recorder()
  const flags = await fast({ url: server.url, logger })
  await until('it is said', () => text().includes('/sdk/v1/stream refused'))
  expect(flags.status().state).toBe('ready')
  server.edit([{ key: 'a', definition: booleanFlag(false) }])
  await until('a poll brings the change', () => !flags.boolean('a', true))
  server.instead.stream = undefined
  await until('the stream is found', () => flags.status().connected)
})

test('one address that refuses does not hide another that accepts', async () => {
  const [first, second] = [await served(), await served()]
  first.keys.clear()
  const flags = await fast({ url: [first.url, second.url], timing: { refusedMs: 3_600_000 } })
  expect(flags.status().state).toBe('ready')
})

test('one address that refuses streams does not hide another that has them', async () => {
  const [first, second] = [await served(), await served()]
  first.instead.stream = (_, response) => problem(response, 404, 'An old proxy')
  const flags = await fast({ url: [first.url, second.url], timing: { refusedMs: 3_600_000 } })
  await until('the stream works', () => flags.status().connected)
  expect(second.streams.size).toBe(1)
})

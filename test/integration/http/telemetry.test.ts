import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

/** What apps tell of their evaluations, as they send it. */
const PATH = '/sdk/v1/telemetry'
const PAGE = 'http://localhost:5173'
const MINUTE = () => Math.floor(Date.now() / 60_000)

let service: TestService
const keys: Record<string, string> = {}

beforeAll(async () => {
  service = await startService()
  keys.server = await service.sdkKey('server')
  keys.client = await service.sdkKey('client')
  for (const key of ['seen', 'hidden']) {
    await service.ask('POST', '/api/v1/projects/default/flags', {
      body: { key, type: 'boolean', ...(key === 'seen' && { visibility: 'client' }) },
    })
  }
})
afterAll(() => service.close())

const count = (over: object = {}) => ({
  ...{ flag: 'seen', variant: 'off', version: 1, minute: MINUTE(), count: 1 },
  ...over,
})
const batchOf = (counts: readonly object[], over: object = {}) => ({
  ...{ batch: crypto.randomUUID(), counts, events: [] },
  ...over,
})
const send = (body: unknown, key: string | undefined, headers: Record<string, string> = {}) =>
  service.ask('POST', PATH, { body, key: key ?? null, headers })
const dropped = async (reason: string): Promise<number> => {
  const { text } = await service.ask('GET', '/metrics', { key: null })
  return Number(new RegExp(`usage_dropped_total{reason="${reason}"} (\\d+)`).exec(text)?.[1])
}

describe('telemetry', () => {
  it('is taken from server and client keys', async () => {
    for (const key of [keys.server, keys.client]) {
      const { status, body } = await send(batchOf([count()]), key)
      expect([status, body]).toEqual([202, {}])
    }
  })

  it('is taken from a beacon: text, without headers, with a client key in it', async () => {
    const headers = { 'content-type': 'text/plain;charset=UTF-8', origin: PAGE }
    const body = batchOf([count()], { key: keys.client, app: 'page/1.0', sdk: 'browser/0.1.0' })
    const { status, headers: answered } = await send(JSON.stringify(body), undefined, headers)
    expect([status, answered['access-control-allow-origin']]).toEqual([202, PAGE])
    const [listed] = (
      await service.ask('GET', '/api/v1/projects/default/environments/development/keys')
    ).body.items.filter((one: { kind: string }) => one.kind === 'client')
    expect(listed.lastUses).toContainEqual(
      expect.objectContaining({ app: 'page', version: '1.0', sdk: 'browser/0.1.0' }),
    )
  })

  it('refuses a secret key in a body, from a page and from elsewhere', async () => {
    const management = await service.managementKey([{ role: 'admin' }])
    for (const key of [keys.server, management]) {
      const body = batchOf([count()], { key })
      expect((await send(body, undefined)).body.type).toContain('forbidden')
      expect((await send(body, undefined, { origin: PAGE })).body.type).toContain('secret-key-in-browser')
    }
    const unknown = await send(batchOf([], { key: 'hly_pub_nobody' }), undefined, { origin: PAGE })
    expect([unknown.status, unknown.headers['access-control-allow-origin']]).toEqual([401, PAGE])
  })

  it('lets pages ask before they send', async () => {
    const { status, headers } = await service.ask('OPTIONS', PATH, { key: null, headers: { origin: PAGE } })
    expect(status).toBe(204)
    expect(headers['access-control-allow-origin']).toBe(PAGE)
    expect(headers['access-control-allow-headers']).toContain('Halyard-App')
  })

  it.each([
    ['a batch without an id', { batch: undefined }, '/batch'],
    ['a field that there is not', { contexts: [] }, '/contexts'],
    ['more counts than it may have', { counts: Array.from({ length: 1_001 }, () => count()) }, '/counts'],
    ['no number of times', { counts: [count({ count: 0 })] }, '/counts/0/count'],
    ['half a minute', { counts: [count({ minute: 1.5 })] }, '/counts/0/minute'],
    ['an event without a name', { events: [{ ...count(), event: '', sum: 1 }] }, '/events/0/event'],
    ['a sum beyond numbers', { events: [{ ...count(), event: 'a', sum: 1e16 }] }, '/events/0/sum'],
  ])('refuses %s, and says where it is', async (_, over, pointer) => {
    const { status, body } = await send(batchOf([count()], over), keys.client)
    expect([status, body.errors?.[0].pointer]).toEqual([400, pointer])
  })

  it('takes a batch as large as one may be, and none that is larger', async () => {
    const counts = Array.from({ length: 1_000 }, () => count())
    expect((await send(batchOf(counts), keys.server)).status).toBe(202)
    const large = batchOf([count()], { app: 'x'.repeat(129 * 1024) })
    expect((await send(large, keys.server)).status).toBe(413)
  })

  it('drops what the key does not see, other variants, and names beyond what an environment may have', async () => {
    const before = await dropped('unknown')
    const counts = [
      count({ flag: 'hidden' }),
      count({ flag: 'nowhere' }),
      count({ variant: 'maybe' }),
      count({ variant: '__proto__' }),
    ]
    const events = Array.from({ length: 210 }, (_, index) => ({
      ...count(),
      event: `event-${index}`,
      sum: 0,
    }))
    const { status } = await send(batchOf(counts, { events }), keys.client)
    expect([status, (await dropped('unknown')) - before]).toEqual([202, 4 + 10])
  })

  it('is the first to be refused under pressure, with Retry-After', async () => {
    const pressed = await startService({}, { delayMs: () => 100, memory: () => 0 })
    try {
      const key = await pressed.sdkKey('server')
      const shed = async () => pressed.ask('POST', PATH, { body: batchOf([]), key })
      await until('telemetry is refused', async () => (await shed()).status === 503)
      expect((await shed()).headers['retry-after']).toMatch(/^[1-9]\d*$/)
      const bulk = await pressed.ask('POST', '/ofrep/v1/evaluate/flags', { body: { context: {} }, key })
      expect(bulk.status).toBe(200)
    } finally {
      await pressed.close()
    }
  })
})

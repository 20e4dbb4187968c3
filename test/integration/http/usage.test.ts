import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'

/** What can be known of a flag by what apps told, and by what was evaluated here. */
const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const MINUTE = Math.floor(Date.now() / 60_000)

let service: TestService
const keys: Record<string, string> = {}

beforeAll(async () => {
  service = await startService()
  keys.server = await service.sdkKey('server')
  keys.client = await service.sdkKey('client')
  for (const key of ['seen', 'hidden', 'unread', 'expired']) {
    const more = key === 'expired' ? { temporary: true, expiresAt: '2026-01-02T03:04:05Z' } : {}
    await service.ask('POST', `${PROJECT}/flags`, {
      body: { key, type: 'boolean', visibility: key === 'seen' ? 'client' : 'server', ...more },
    })
  }
})
afterAll(() => service.close())

const usageOf = async (flag: string, query = '') => {
  await service.live.usage.save()
  return (await service.ask('GET', `${ENVIRONMENT}/flags/${flag}/usage${query}`)).body
}
const tell = (body: object, app: string) =>
  service.ask('POST', '/sdk/v1/telemetry', {
    ...{ body, key: keys.server ?? null, headers: { 'halyard-app': app } },
  })
const evaluate = (path: string, key: string | undefined, headers: Record<string, string> = {}) =>
  service.ask('POST', `/ofrep/v1/evaluate/flags${path}`, {
    ...{ body: { context: { targetingKey: 'a' } }, key: key ?? null, headers },
  })

describe('usage of a flag', () => {
  it('is empty before anybody told', async () => {
    expect(await usageOf('unread')).toMatchObject({
      ...{ flag: 'unread', step: '15m', lastEvaluatedAt: null, apps: [], events: [] },
      ...{ evaluations: { total: 0, variants: [], series: [] }, fetched: { total: 0, series: [] } },
    })
  })

  it('is evaluations by variant over time, who made them, and events by variant', async () => {
    const count = { flag: 'hidden', version: 1 }
    const off = { ...count, variant: 'off' }
    const batch = {
      batch: crypto.randomUUID(),
      counts: [
        { ...off, minute: MINUTE - 30, count: 40 },
        { ...off, minute: MINUTE - 29, count: 2 },
        { ...count, variant: null, minute: MINUTE - 29, count: 1 },
        // A clock that is hours behind, and one that is ahead, are believed an hour and five minutes.
        { ...off, minute: 5, count: 1_000 },
        { ...off, minute: MINUTE + 100_000, count: 1_000 },
      ],
      events: [
        { ...off, event: 'purchase', minute: MINUTE - 30, count: 3, sum: 60 },
        { ...count, flag: null, variant: null, event: 'purchase', minute: MINUTE, count: 9, sum: 9 },
      ],
    }
    await tell(batch, 'shop/2.4.0')
    await tell(batch, 'shop/2.4.0')
    await tell(
      { ...batch, batch: crypto.randomUUID(), counts: [{ ...off, minute: MINUTE - 30, count: 7 }] },
      'cart/1',
    )
    await service.live.usage.save()
    await tell(batch, 'shop/2.4.0')
    const from = new Date((MINUTE - 31) * 60_000).toISOString()
    const to = new Date((MINUTE - 28) * 60_000).toISOString()
    const usage = await usageOf('hidden', `?from=${from}&to=${to}&step=1m`)
    const at = (minute: number) => new Date(minute * 60_000).toISOString()
    expect(usage.evaluations).toEqual({
      total: 50,
      variants: [
        { variant: null, count: 1 },
        { variant: 'off', count: 49 },
      ],
      series: [
        { at: at(MINUTE - 30), variants: [{ variant: 'off', count: 47 }] },
        {
          at: at(MINUTE - 29),
          variants: [
            { variant: null, count: 1 },
            { variant: 'off', count: 2 },
          ],
        },
      ],
    })
    expect(usage.apps).toEqual([
      { ...{ app: 'shop', version: '2.4.0', evaluations: 43 }, lastEvaluatedAt: usage.lastEvaluatedAt },
      { ...{ app: 'cart', version: '1', evaluations: 7 }, lastEvaluatedAt: at(MINUTE - 30) },
    ])
    expect(Date.parse(usage.lastEvaluatedAt)).toBeGreaterThanOrEqual((MINUTE + 5) * 60_000)
    expect(usage.events).toEqual([
      { event: 'purchase', variants: [{ variant: 'off', count: 6, sum: 120, mean: 20 }] },
    ])
    const day = await usageOf('hidden', `?step=1d&from=${at(MINUTE - 70)}&to=${at(MINUTE + 10)}`)
    expect(day.evaluations.total).toBe(2_050)
  })

  it('counts an answer of all flags as fetched, and a single one by who does not count itself as evaluated', async () => {
    await evaluate('', keys.client, { 'halyard-app': 'page/1' })
    await evaluate('', keys.server)
    const { headers } = await evaluate('', keys.client, { 'halyard-sdk': 'browser/0.1.0' })
    await evaluate('', keys.client, { 'halyard-sdk': 'browser/0.1.0', 'if-none-match': String(headers.etag) })
    await evaluate('/seen', keys.client, { 'halyard-app': 'page/1' })
    await evaluate('/seen', keys.client, { 'halyard-app': 'page/1' })
    await evaluate('/seen', keys.client, { 'halyard-sdk': 'browser/0.1.0' })
    await evaluate('/hidden', keys.client)
    await evaluate('/nowhere', keys.client)
    const seen = await usageOf('seen')
    expect([seen.evaluations.total, seen.evaluations.variants]).toEqual([2, [{ variant: 'off', count: 2 }]])
    expect(
      seen.apps.map(({ app, version, evaluations }: Record<string, unknown>) => [app, version, evaluations]),
    ).toEqual([['page', '1', 2]])
    expect(seen.fetched.total).toBe(4)
    const unread = await usageOf('unread')
    expect([unread.evaluations.total, unread.fetched.total, unread.lastEvaluatedAt]).toEqual([0, 1, null])
  })

  it.each([
    ['times that are none', '?from=yesterday', 'from'],
    ['an end before its beginning', '?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'from'],
    ['more steps than there may be', '?from=2020-01-01T00:00:00Z&step=1m', 'longer step'],
    ['a step that there is not', '?step=2m', 'step'],
  ])('refuses %s', async (_, query, told) => {
    const { status, body } = await service.ask('GET', `${ENVIRONMENT}/flags/seen/usage${query}`)
    expect([status, body.detail]).toEqual([400, expect.stringContaining(told)])
  })

  it('is there for a flag in the archive, and not for none', async () => {
    await service.ask('POST', `${PROJECT}/flags`, { body: { key: 'gone', type: 'boolean' } })
    await service.ask('POST', `${PROJECT}/flags/gone/archive`)
    expect((await usageOf('gone')).flag).toBe('gone')
    const { status, body } = await service.ask('GET', `${ENVIRONMENT}/flags/hiden/usage`)
    expect([status, body.didYouMean]).toEqual([404, 'hidden'])
  })
})

describe('lists', () => {
  const listed = async (url: string) =>
    (await service.ask('GET', url)).body.items.map(
      ({ key, stale }: { key: string; stale: object | null }) => [key, stale],
    )
  const since = '2026-01-02T03:04:05.000Z'

  it('say of each flag whether it is stale, and why', async () => {
    const expired = ['expired', { why: 'expired', since, evidence: { expiresAt: since } }]
    for (const list of [`${PROJECT}/flags`, `${ENVIRONMENT}/flags`]) {
      expect(await listed(list)).toEqual([expired, ['hidden', null], ['seen', null], ['unread', null]])
      expect(await listed(`${list}?stale=true`)).toEqual([expired])
      expect(await listed(`${list}?stale=expired`)).toEqual([expired])
      expect(await listed(`${list}?stale=unread`)).toEqual([])
      expect((await listed(`${list}?stale=false`)).length).toBe(3)
    }
  })

  it('take an item back as it was listed', async () => {
    const { items } = (await service.ask('GET', `${ENVIRONMENT}/flags?stale=expired`)).body
    const { status } = await service.ask('PUT', `${ENVIRONMENT}/flags/expired`, {
      ...{ body: items[0], headers: { 'if-match': '*' } },
    })
    expect(status).toBe(200)
  })
})

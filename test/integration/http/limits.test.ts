/** Who asks too much is told to come again, and nobody else is. */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Config } from '../../../server/config.ts'
import { mintKey } from '../../../server/domain/keys.ts'
import { type AskOptions, startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

const ENVIRONMENT = '/api/v1/projects/default/environments/development'

let service: TestService
const start = async (config: Partial<Config>) => {
  service = await startService(config)
  await service.ask('POST', '/api/v1/projects/default/flags', { body: { key: 'open', type: 'boolean' } })
}
afterEach(() => service.close())

const statusOf = async (method: string, url: string, options: AskOptions) =>
  (await service.ask(method, url, options)).status
const times = async (count: number, ask: () => Promise<number>) => {
  const statuses: number[] = []
  for (let asked = 0; asked < count; asked++) statuses.push(await ask())
  return statuses
}
const evaluate = (key: string, headers: Record<string, string> = {}) =>
  statusOf('POST', '/ofrep/v1/evaluate/flags/open', { key, headers, body: { context: {} } })
const limited = async (limit: string) => {
  const { text } = await service.ask('GET', '/metrics', { key: null })
  return Number(new RegExp(`^halyard_limited_total\\{limit="${limit}"\\} (\\d+)$`, 'm').exec(text)?.[1])
}
/** Of an id that nobody made. */
const forged = () => mintKey('server', randomBytes(32), `x${randomBytes(6).toString('hex')}`)

describe('the limit of management requests', () => {
  it('is a key’s own, holds back no kill, and is counted', async () => {
    await start({ managementRequestsPerSecond: 2 })
    const key = await service.managementKey([{ role: 'admin' }])
    const other = await service.managementKey([{ role: 'admin' }])
    const read = (by: string) => () => statusOf('GET', `${ENVIRONMENT}/flags/open`, { key: by })
    expect(await times(12, read(key))).toContain(429)
    expect(await read(other)()).toBe(200)
    const kills = await times(12, () => statusOf('PUT', `${ENVIRONMENT}/flags/open/kill`, { key }))
    expect(new Set(kills)).toEqual(new Set([200]))
    expect(await limited('management')).toBeGreaterThan(0)
    const lines = service.logged.filter((line) => line.includes('management request'))
    expect(lines.filter((line) => line.includes('"status":200'))).not.toEqual([])
    expect(lines.filter((line) => line.includes('"status":429'))).toEqual([])
  })
})

describe('the limit of kills', () => {
  const kills = (key: string, count: number) =>
    Promise.all(
      Array.from({ length: count }, () =>
        service.ask('POST', `/kill/default/development/open?dryRun=true`, { key }),
      ),
    )
  const refusedOf = (answers: Awaited<ReturnType<typeof kills>>) =>
    answers.filter(({ status }) => status === 429)

  it('is a key’s own, which nothing else uses up, and does not hold up the kills of others', async () => {
    await start({ managementRequestsPerSecond: 1 })
    const [key, other] = [
      await service.managementKey([{ role: 'killer' }]),
      await service.managementKey([{ role: 'killer' }]),
    ]
    const read = () => statusOf('GET', `${ENVIRONMENT}/flags/open`, { key })
    expect(await times(5, read)).toContain(429)
    expect(refusedOf(await kills(key, 100))).toEqual([])
    const refused = refusedOf(await kills(key, 200))
    expect(refused.length).toBeGreaterThan(0)
    for (const { headers } of refused) expect(headers['retry-after']).toBe('1')
    expect(refusedOf(await kills(other, 50))).toEqual([])
    expect(await limited('kills')).toBe(refused.length)
  })

  it('is asked by the links that a key made, too', async () => {
    await start({})
    const key = await service.managementKey([{ role: 'killer' }])
    const { body } = await service.ask('POST', `${ENVIRONMENT}/kill-links`, { key, body: { flag: 'open' } })
    const link = new URL(body.url).pathname
    expect(refusedOf(await kills(key, 200)).length).toBeGreaterThan(0)
    const posts = await Promise.all(
      Array.from({ length: 120 }, () => service.ask('POST', link, { key: null })),
    )
    expect(refusedOf(posts).length).toBeGreaterThan(0)
    expect((await service.ask('GET', link, { key: null })).status).toBe(200)
  })
})

describe('the limit of evaluations', () => {
  it('is a key’s at an address; whoever no proxy vouches for cannot say that he is somebody else', async () => {
    await start({ evaluationsPerSecond: 1, trustProxy: false })
    const key = await service.sdkKey('server')
    const spoofing = await times(6, () => evaluate(key, { 'x-forwarded-for': `203.0.113.${Math.random()}` }))
    expect(spoofing).toContain(429)
    expect(await evaluate(await service.sdkKey('server'))).toBe(200)
    expect(await limited('evaluations')).toBeGreaterThan(0)
  })

  it('behind one proxy is of the address that the proxy saw, whatever was sent before it', async () => {
    await start({ evaluationsPerSecond: 1, trustProxy: 1 })
    const key = await service.sdkKey('server')
    let forgery = 0
    const from = (address: string) => () =>
      evaluate(key, { 'x-forwarded-for': `198.51.100.${forgery++}, ${address}` })
    expect(await times(6, from('203.0.113.7'))).toContain(429)
    expect(await from('203.0.113.8')()).toBe(200)
    // One customer has a whole /64 of these.
    const customers = await times(6, () => from(`2001:db8:0:1::${forgery}`)())
    expect(customers).toContain(429)
    expect(await from('2001:db8:0:2::1')()).toBe(200)
  })
})

describe('a flood of refusals', () => {
  it('is answered as any refusal is, though most are kept for a moment', async () => {
    await start({ managementRequestsPerSecond: 1, evaluationsPerSecond: 1 })
    const [manager, sdk] = [await service.managementKey([{ role: 'admin' }]), await service.sdkKey('server')]
    const flood = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        index % 2 === 0
          ? service.ask('GET', `${ENVIRONMENT}/flags/open`, { key: manager })
          : service.ask('POST', '/ofrep/v1/evaluate/flags/open', { key: sdk, body: { context: {} } }),
      ),
    )
    const refused = flood.filter(({ status }) => status !== 200)
    expect(refused.length).toBeGreaterThan(290)
    for (const { status, headers, body } of refused) {
      expect([status, headers['retry-after']]).toEqual([429, '1'])
      expect(body.type).toMatch(/too-many-requests$/)
    }
    const ofrep = refused.filter(({ body }) => body.errorDetails !== undefined)
    expect(ofrep.length).toBeGreaterThan(140)
  })

  it('holds up no close', async () => {
    await start({ streamsPerSecond: 1 })
    const key = await service.sdkKey('server')
    const url = await service.listen()
    const headers = { authorization: `Bearer ${key}` }
    const asked = Array.from({ length: 120 }, () => fetch(`${url}/sdk/v1/stream`, { headers }))
    await Promise.race(asked)
    // A connection that was not taken up yet is cut by the close.
    await until('each is let in or refused', () => {
      const { streamsOpened, streamsRefused } = service.live.metrics
      return streamsOpened + streamsRefused.rate === asked.length
    })
    await service.close()
    const answers = await Promise.all(asked)
    expect(answers.filter(({ status }) => status === 503).length).toBeGreaterThan(110)
    for (const { status, headers } of answers) {
      if (status === 503) expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    }
    await start({})
  })
})

describe('requests that are more than a turn of the event loop takes up', () => {
  it('are all answered, on as many connections', async () => {
    await start({})
    const url = await service.listen()
    const statuses = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const body = JSON.stringify({ context: { targetingKey: `user-${index}` } })
        const headers = { authorization: `Bearer ${service.adminKey}`, 'content-type': 'application/json' }
        const read = await fetch(`${url}${ENVIRONMENT}/flags/open`, { headers })
        const written = await fetch(`${url}${ENVIRONMENT}/explain`, { method: 'POST', headers, body })
        return [read.status, written.status < 500]
      }),
    )
    expect(statuses).toEqual(statuses.map(() => [200, true]))
  })
})

describe('keys that nobody knows', () => {
  it('are refused by address without a look for them, while those that are known go on', async () => {
    await start({ unknownKeysPerSecond: 1 })
    const [server, admin] = [await service.sdkKey('server'), service.adminKey]
    const polls = () => service.live.metrics.polls
    const before = polls()
    const ruleset = (key: string) => statusOf('GET', '/sdk/v1/ruleset', { key })
    const flood = await Promise.all(Array.from({ length: 200 }, () => ruleset(forged())))
    expect(flood.filter((status) => status === 429).length).toBeGreaterThan(190)
    expect(new Set(flood)).toEqual(new Set([401, 429]))
    expect(polls() - before).toBeLessThan(10)
    expect(await times(5, () => evaluate(forged()))).toContain(429)
    expect(await ruleset(server)).toBe(200)
    expect(await evaluate(server)).toBe(200)
    expect(await statusOf('GET', `${ENVIRONMENT}/flags/open`, { key: admin })).toBe(200)
    expect(await limited('unknown-keys')).toBeGreaterThan(190)
  })

  it('are looked for where they ask for a kill, however many there were', async () => {
    await start({ unknownKeysPerSecond: 1 })
    await times(5, () => evaluate(forged()))
    const kills = await times(3, () => statusOf('PUT', `${ENVIRONMENT}/flags/open/kill`, { key: forged() }))
    expect(kills).toEqual([401, 401, 401])
  })

  it('are counted by address: another’s are not refused for them', async () => {
    await start({ unknownKeysPerSecond: 1, trustProxy: 1 })
    const from = (address: string) => evaluate(forged(), { 'x-forwarded-for': address })
    expect(await times(5, () => from('203.0.113.7'))).toContain(429)
    expect(await from('203.0.113.8')).toBe(401)
  })
})

/** What an instance that has more to do than it can refuses, and what it never does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

const ENVIRONMENT = '/api/v1/projects/default/environments/development'

const signs = { delay: 0, memory: 0 }
let service: TestService
let key: string
const held: Record<string, string> = {}

const bulk = (etag?: string) =>
  service.ask('POST', '/ofrep/v1/evaluate/flags', {
    key,
    body: { context: {} },
    headers: etag === undefined ? {} : { 'if-none-match': etag },
  })
const ruleset = (etag?: string) =>
  service.ask('GET', '/sdk/v1/ruleset', { key, headers: etag === undefined ? {} : { 'if-none-match': etag } })
const metric = async (name: string) => {
  const { text } = await service.ask('GET', '/metrics', { key: null })
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  )
}
const level = (wanted: number) =>
  until(`the level is ${wanted}`, () => service.live.pressure.level === wanted || undefined)

beforeAll(async () => {
  service = await startService({}, { delayMs: () => signs.delay, memory: () => signs.memory })
  key = await service.sdkKey('server')
  await service.ask('POST', '/api/v1/projects/default/flags', { body: { key: 'open', type: 'boolean' } })
  held.bulk = (await bulk()).etag
  held.ruleset = (await ruleset()).etag
  await service.ask('POST', `${ENVIRONMENT}/flags/open/enable`)
})
afterAll(() => service.close())

describe('an instance that is hard pressed', () => {
  it('lets no new stream in, and says when to come again', async () => {
    signs.delay = 200
    await level(2)
    const stream = await service.ask('GET', '/sdk/v1/stream', { key })
    expect(stream.status).toBe(503)
    expect(Number(stream.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(await metric('halyard_streams_refused_total{reason="pressure"}')).toBe(1)
    expect(await metric('halyard_shed_total{class="streams"}')).toBe(1)
    expect((await bulk(held.bulk)).status).toBe(200)
  })

  it('refuses whole answers to those who hold one, and tells SDKs still that theirs is the newest', async () => {
    signs.delay = 0
    signs.memory = 0.95
    await level(3)
    for (const answer of [await bulk(held.bulk), await ruleset(held.ruleset)]) {
      expect(answer.status).toBe(503)
      expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    }
    const newest = await ruleset()
    expect((await ruleset(newest.etag)).status).toBe(304)
    expect(await metric('halyard_shed_total{class="bulk"}')).toBe(1)
    expect(await metric('halyard_shed_total{class="rulesets"}')).toBe(1)
    expect(await metric('halyard_pressure')).toBe(3)
  })

  it('answers kills, edits, health, single evaluations, and those who hold nothing yet', async () => {
    await level(3)
    const flag = `${ENVIRONMENT}/flags/open`
    const one = { key, body: { context: {} } }
    expect((await service.ask('POST', '/ofrep/v1/evaluate/flags/open', one)).status).toBe(200)
    expect((await bulk()).status).toBe(200)
    expect((await ruleset()).status).toBe(200)
    expect((await service.ask('PUT', `${flag}/kill`)).status).toBe(200)
    expect((await service.ask('DELETE', `${flag}/kill`)).status).toBe(200)
    expect((await service.ask('POST', `${flag}/disable`)).status).toBe(200)
    expect((await service.ask('GET', '/health/ready', { key: null })).status).toBe(200)
  })

  it('takes everything again when the pressure is over', async () => {
    Object.assign(signs, { delay: 0, memory: 0 })
    await level(0)
    expect((await bulk(held.bulk)).status).toBe(200)
    expect((await ruleset(held.ruleset)).status).toBe(200)
  })
})

/** Two instances on one Postgres and one Redis: changes by pub/sub, and without it by the poll. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Live } from '../../../server/live/live.ts'
import { redisSignal } from '../../../server/live/redis/signal.ts'
import { openPostgres } from '../../../server/store/postgres.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { canStartRedis, redisSettings } from '../../support/redis.ts'
import type { RedisProcess } from '../../support/redis-process.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'
import { boolean } from '../../unit/live/support.ts'
import { openLive, openProject, put } from '../live/support.ts'
import { type Linked, redisRoom } from './support.ts'

/** So long that nothing is found by a poll. */
const SELDOM = 60 * 60 * 1000

const room = redisRoom()
let database: FreshDatabase
let server: RedisProcess
const opened: { close(): Promise<unknown> }[] = []
beforeAll(async () => {
  if (!canStartRedis()) return
  database = await freshDatabase()
  server = await room.server()
})
afterAll(async () => {
  for (const one of opened.reverse()) await one.close()
  await database?.drop()
})

/** An instance as compose puts it together with Redis. */
async function instance(pollMs: number): Promise<{ live: Live; link: Linked }> {
  const store = await openPostgres({ url: database.url, connections: 4, notify: false })
  const link = room.link(server.url)
  const live = openLive(store, { pollMs, redis: link, signal: redisSignal(link, `i${opened.length}`) })
  opened.push(store, live)
  await live.start()
  await until('Redis works', () => link.status().ok)
  return { live, link }
}

const revisionOf = ({ live }: { live: Live }, environment: string) => live.held(environment)?.state.revision

describe.runIf(canStartRedis())('with Redis', () => {
  it('an edit is held elsewhere without a poll, and Postgres notifies nobody', async () => {
    const [one, other] = [await instance(SELDOM), await instance(SELDOM)]
    const postgres = new pg.Client({ connectionString: database.url })
    await postgres.connect()
    await postgres.query('LISTEN halyard')
    const notified: string[] = []
    postgres.on('notification', ({ payload }) => notified.push(payload ?? ''))
    const { environment } = await openProject(one.live)
    await until('the opened log is held elsewhere', () => other.live.live(environment))
    for (let edit = 0; edit < 20; edit++) {
      await put(one.live, environment, { 'flag/a': boolean({ enabled: edit % 2 === 0 }) })
      await until('the edit is, too', () => revisionOf(other, environment) === edit + 2)
    }
    await postgres.query('SELECT 1')
    expect(notified).toEqual([])
    await postgres.end()
  })

  it('an edit is found by the poll where Redis is killed, frozen or emptied, and by notices when it is back', async () => {
    const [one, other] = [await instance(500), await instance(500)]
    const { environment } = await openProject(one.live)
    await until('the opened log is held elsewhere', () => other.live.live(environment))
    let edits = 1
    const edited = async () => {
      await put(one.live, environment, { 'flag/a': boolean({ enabled: edits++ % 2 === 0 }) })
      const from = performance.now()
      await until('the edit is held elsewhere', () => revisionOf(other, environment) === edits)
      return performance.now() - from
    }
    const works = () => until('Redis works', () => one.link.status().ok && other.link.status().ok)

    await server.kill()
    for (let n = 0; n < 3; n++) expect(await edited()).toBeLessThan(2_000)
    await server.start()
    await works()
    server.freeze()
    for (let n = 0; n < 3; n++) expect(await edited()).toBeLessThan(2_000)
    server.thaw()
    await works()
    await server.cli('flushall')
    expect(await edited()).toBeLessThan(2_000)

    const by = { polls: other.live.metrics.polls, edits: 0 }
    for (; by.edits < 20; by.edits++) await edited()
    expect(other.live.metrics.polls - by.polls).toBeLessThan(by.edits)
  })
})

describe.runIf(canStartRedis())('a service', () => {
  let service: TestService
  beforeAll(async () => {
    service = await startService({ redis: redisSettings({ url: server.url, prefix: 'service:' }) })
  })
  afterAll(() => service.close())

  it('shows Redis in its readiness and metrics: without it, it is degraded and serves', async () => {
    const ready = async () => (await service.ask('GET', '/health/ready', { key: null })).body
    await until('it is ready', async () => (await ready()).status === 'ready')
    expect((await ready()).redis).toEqual({ ok: true })
    await server.kill()
    await until('it is noticed', async () => !(await ready()).redis.ok)
    const without = await service.ask('GET', '/health/ready', { key: null })
    expect([without.status, without.body.status]).toEqual([200, 'degraded'])
    const { text } = await service.ask('GET', '/metrics', { key: null })
    expect(text).toContain('halyard_redis_up 0')
    expect(text).toMatch(/halyard_redis_failures_total\{how="refused"\} \d/)
    await server.start()
    await until('it is ready again', async () => (await ready()).status === 'ready')
  })
})

/**
 * Who is connected, asked of real instances and real SDKs: over what instances share through Redis, through Postgres
 * where there is none, and alone on the embedded database.
 */
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { installationOf } from '../../../server/data-folder.ts'
import { redisNoticeboard } from '../../../server/live/redis/noticeboard.ts'
import { behindOneAddress } from '../../support/balancer.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { processes } from '../../support/process.ts'
import { canStartRedis, redisSettings } from '../../support/redis.ts'
import { type SdkProcess, startSdk } from '../../support/sdk-process.ts'
import { startService, TEST_SECRET, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'
import { redisRoom } from '../redis/support.ts'

const DELIVERY = '/api/v1/projects/default/environments/development/delivery'
const PROBES = { it: { flag: 'nothing', otherwise: false, context: {} } }

describe.each(['Redis', 'Postgres', 'nothing'] as const)('who is connected, told through %s', (through) => {
  const room = redisRoom()
  const all = processes()
  const services: TestService[] = []
  const urls: string[] = []
  let database: FreshDatabase | undefined
  let redisUrl: string | undefined
  let key: string

  const skip = through === 'Redis' && !canStartRedis()
  const alone = through === 'nothing'

  beforeAll(async () => {
    if (skip) return
    if (!alone) database = await freshDatabase()
    if (through === 'Redis') redisUrl = (await room.server()).url
    const redis = redisUrl === undefined ? undefined : redisSettings({ url: redisUrl, prefix: 'there:' })
    const shared = { database: database?.url ?? 'embedded', redis }
    for (let at = 0; at < (alone ? 1 : 2); at++) services.push(await startService(shared))
    for (const service of services) urls.push(await service.listen())
    key = await first().sdkKey('server')
    await until('all know all', async () =>
      (await Promise.all(services.map(({ live }) => live.instances()))).every(
        ({ length }) => length === services.length,
      ),
    )
  })
  afterAll(async () => {
    for (const service of services) await service.close()
    await database?.drop()
  })
  beforeEach(({ skip: leave }) => leave(skip, 'there is no redis-server here'))

  const first = () => services[0]!
  const last = () => services.at(-1)!
  async function apps(
    count: number,
    app: { name: string; version: string },
    sdkKey = key,
    url = (at: number) => urls[at % urls.length]!,
  ) {
    const started = await Promise.all(
      Array.from({ length: count }, (_, at) => startSdk(all, { url: url(at), key: sdkKey }, PROBES, { app })),
    )
    for (const one of started) await until('its stream works', async () => (await one.ask()).connected)
    return started
  }
  const closeAll = (started: readonly SdkProcess<'it'>[]) => Promise.all(started.map((one) => one.close()))
  const edit = (flag: string) =>
    first().ask('POST', '/api/v1/projects/default/flags', { body: { key: flag, type: 'boolean' } })
  /** A result stands for a second. */
  const told = async (by = last(), query = '') => {
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    return (await by.ask('GET', DELIVERY + query)).body
  }

  it('is each instance, and each process with what it holds: also after an edit that nobody acknowledges', async () => {
    const shops = await apps(3, { name: 'shop', version: '2.4.0' })
    const [admin] = await apps(1, { name: 'admin', version: '1' })
    await edit(`edited-${through.toLowerCase()}`)
    const revision = first().live.live(first().live.environment('default', 'development')!.id)!.state.revision
    const body = await told()
    expect(body).toMatchObject({
      complete: true,
      newest: { revision },
      missing: [],
      total: { processes: 4, current: 4, polling: 0, away: 0 },
      apps: [
        { app: 'shop', version: '2.4.0', processes: 3, current: 3, oldest: { revision, behind: 0 } },
        { app: 'admin', version: '1', processes: 1, current: 1 },
      ],
      moreApps: 0,
      moreProcesses: 0,
    })
    expect(body.servers).toHaveLength(services.length)
    for (const server of body.servers) expect(server).toMatchObject({ revision, behind: 0 })
    for (const one of body.processes) {
      expect(one).toMatchObject({ how: 'stream', revision, sdk: expect.stringMatching(/^node\//) })
      expect(one.silentMs).toBeLessThan(5_000)
    }
    expect(new Set(body.processes.map((one: { server: string }) => one.server)).size).toBe(services.length)
    await closeAll([...shops, admin!])
    expect((await told()).total.processes).toBe(0)
  })

  it('is each process once, and as of now, where every request may reach another instance', async ({
    skip: leave,
  }) => {
    leave(through !== 'Postgres', 'what instances share makes no difference to it')
    const url = await behindOneAddress(urls)
    const started = await apps(4, { name: 'shop', version: '3' }, key, () => url)
    await edit(`balanced-${through.toLowerCase()}`)
    for (let times = 0; times < 3; times++) {
      expect((await told()).total).toEqual({ processes: 4, current: 4, polling: 0, away: 0 })
    }
    await closeAll(started)
    // A goodbye may reach another instance than the stream's end.
    await until('all have gone', async () => (await told()).total.processes === 0)
  })

  it('shows who is frozen as behind and silent, first of all', async ({ skip: leave }) => {
    leave(through !== 'Postgres', 'what instances share makes no difference to it')
    const started = await apps(3, { name: 'shop', version: '2.4.0' })
    const frozen = started[1]!
    const wake = () => void frozen.child.kill('SIGCONT')
    onTestFinished(wake)
    frozen.child.kill('SIGSTOP')
    await edit(`frozen-${through.toLowerCase()}`)
    const body = await told()
    expect(body.total).toMatchObject({ processes: 3, current: 2 })
    expect(body.apps[0].oldest.behind).toBeGreaterThan(0)
    const [worst, ...others] = body.processes
    expect(worst.behind).toBeGreaterThan(0)
    for (const one of others) {
      expect(one.behind).toBe(0)
      expect(worst.silentMs).toBeGreaterThan(one.silentMs)
    }
    wake()
    await until('it has caught up', async () => (await told()).total.current === 3)
    await closeAll(started)
  })

  it('is of one environment alone, and bounded', async ({ skip: leave }) => {
    leave(through !== 'Postgres', 'what instances share makes no difference to it')
    const started = await apps(3, { name: 'shop', version: '2' })
    const elsewhere = await apps(
      1,
      { name: 'elsewhere', version: '1' },
      await first().sdkKey('server', 'staging'),
    )
    const body = await told(first(), '?limit=1')
    expect(body.processes).toHaveLength(1)
    expect(body.moreProcesses).toBe(2)
    expect(JSON.stringify(body)).not.toContain('elsewhere')
    await closeAll([...started, ...elsewhere])
  })

  it('names an instance that does not answer, and does not wait for one that said that it ends', async ({
    skip: leave,
  }) => {
    leave(alone, 'one instance has no other to miss')
    const leaving = await startService({
      database: database!.url,
      redis: redisUrl === undefined ? undefined : redisSettings({ url: redisUrl, prefix: 'there:' }),
    })
    await leaving.close()
    expect(await told()).toMatchObject({ complete: true, missing: [] })
    // One that was there a moment ago, and is not heard any more.
    const ghost = JSON.stringify({ id: 'ghost', version: '0.1', since: 1, environments: {} })
    if (redisUrl !== undefined) {
      const link = room.link(redisUrl, { prefix: 'there:' })
      await redisNoticeboard(link, installationOf(TEST_SECRET), 'instance').put('ghost', ghost, 15_000)
    } else {
      const client = new pg.Client(database!.url)
      await client.connect()
      onTestFinished(() => client.end())
      const put = `INSERT INTO halyard.notices VALUES ('instances', 'ghost', $1, now() + interval '15 seconds')`
      await client.query(put, [ghost])
    }
    const body = await told()
    expect(body.complete).toBe(false)
    expect(body.missing).toMatchObject([{ server: 'ghost', version: '0.1' }])
    expect(body.servers).toHaveLength(2)
  })
})

/** Instances that tell of themselves, and what becomes of those that end, hang or lie. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Config } from '../../../server/config.ts'
import { installationOf } from '../../../server/data-folder.ts'
import { PEER_PATH } from '../../../server/live/peers.ts'
import type { Instance } from '../../../server/live/presence.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { canStartRedis, redisSettings } from '../../support/redis.ts'
import type { RedisProcess } from '../../support/redis-process.ts'
import { startService, TEST_SECRET, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'
import { redisRoom, timeOf } from './support.ts'

/** What they put into Redis for each other begins so. */
const OURS = `shop:${installationOf(TEST_SECRET)}`
const DEVELOPMENT = '/api/v1/projects/default/environments/development'

describe.runIf(canStartRedis())('instances', () => {
  const room = redisRoom()
  const opened: TestService[] = []
  let database: FreshDatabase
  let server: RedisProcess
  let one: TestService
  let other: TestService
  const instance = async (changes: Partial<Config> = {}) => {
    const redis = redisSettings({ url: server.url, prefix: 'shop:' })
    const service = await startService({ database: database.url, redis, ...changes })
    opened.push(service)
    return service
  }
  beforeAll(async () => {
    database = await freshDatabase()
    server = await room.server()
    one = await instance({ advertisedUrl: 'http://10.0.0.1:4000' })
    other = await instance()
  })
  afterAll(async () => {
    for (const service of opened) await service.close()
    await database?.drop()
  })

  const seenBy = (service: TestService) => service.live.instances()
  const ids = (instances: readonly Instance[]) => instances.map(({ id }) => id).sort()
  const idOf = async (service: TestService) => (await seenBy(service))[0]!.id

  it('see each other, with what each serves', async () => {
    await until('both see both', async () =>
      (await Promise.all([seenBy(one), seenBy(other)])).every(({ length }) => length === 2),
    )
    expect(ids(await seenBy(one))).toEqual(ids(await seenBy(other)))
    const [, first] = await seenBy(other)
    expect(first).toMatchObject({ address: 'http://10.0.0.1:4000', version: expect.stringMatching(/^\d/) })
    expect(Math.abs(Date.now() - first!.since)).toBeLessThan(60_000)
    const { id } = one.live.environment('default', 'development')!
    await one.ask('POST', '/api/v1/projects/default/flags', { body: { key: 'a', type: 'boolean' } })
    const { body } = await one.ask('POST', `${DEVELOPMENT}/flags/a/enable`)
    await until('the state that it serves is seen, too', async () => {
      const [, told] = await seenBy(other)
      return told?.environments[id]?.revision === body.revision
    })
  })

  it('take none of another installation for theirs that shares the Redis and its prefix: no kill waits for it', async () => {
    const foreign = await freshDatabase()
    const staging = await instance({ database: foreign.url, secret: 'the-secret-of-another-installation' })
    await staging.ask('POST', '/api/v1/projects/default/flags', { body: { key: 'theirs', type: 'boolean' } })
    await staging.ask('PUT', `${DEVELOPMENT}/flags/theirs/kill?wait=none`)
    expect(await seenBy(staging)).toHaveLength(1)
    await one.ask('POST', '/api/v1/projects/default/flags', { body: { key: 'ours', type: 'boolean' } })
    const { status, body } = await one.ask('PUT', `${DEVELOPMENT}/flags/ours/kill?wait=servers`)
    expect([status, body.servers]).toMatchObject([200, { live: 2, applied: 2, missing: [] }])
    expect(ids(await seenBy(one))).toEqual([await idOf(one), await idOf(other)].sort())
    await staging.close()
    await foreign.drop()
  })

  it('forget one that was closed at once, and one that is heard of no more in a while', async () => {
    const third = await instance()
    const id = await idOf(third)
    await until('it is seen', async () => ids(await seenBy(one)).includes(id))
    await third.close()
    expect(ids(await seenBy(one))).not.toContain(id)
    expect(Number(await server.cli('pttl', `${OURS}:instance:${await idOf(one)}`))).toBeLessThanOrEqual(
      15_000,
    )
    // It said that it ends: who is not there and did not say so is missed.
    expect(JSON.parse(await server.cli('get', `${OURS}:instance:${id}`))).toEqual({ ended: id })
    expect(Number(await server.cli('pttl', `${OURS}:instance:${id}`))).toBeGreaterThan(0)
  })

  it('end in the time that they have, though Redis has frozen a moment before', async () => {
    const third = await instance()
    const id = await idOf(third)
    await until('it is seen', async () => ids(await seenBy(one)).includes(id))
    server.freeze()
    expect(await timeOf(third.close())).toBeLessThan(10_000)
    server.thaw()
    await until('the others go on', async () => (await seenBy(one).catch(() => [])).length >= 2)
  })

  it('take nothing for an instance that is none', async () => {
    const lies = ['', 'null', '[]', '{"id":"x"}', '{"id":"x","version":"1","since":1,"environments":{"e":1}}']
    for (const [number, lie] of lies.entries()) {
      await server.cli('set', `${OURS}:instance:lie-${number}`, lie)
      await server.cli('sadd', `${OURS}:instances`, `lie-${number}`)
    }
    await server.cli('sadd', `${OURS}:instances`, 'gone')
    expect(ids(await seenBy(one))).toEqual([await idOf(one), await idOf(other)].sort())
    await until(
      'what leads to nothing is let go of',
      async () => (await server.cli('sismember', `${OURS}:instances`, 'gone')) === '0',
    )
  })

  it('see each other through the database where Redis is gone, also one that started or ended meanwhile', async () => {
    const leaver = await instance()
    await until('it is seen', async () => (await seenBy(one)).length === 3)
    await server.kill()
    await until('it is noticed', () => !one.live.status().redis?.ok)
    const starter = await instance()
    await leaver.close()
    const three = [one, other, starter]
    const those = (await Promise.all(three.map(idOf))).sort()
    const seeEachOther = async () =>
      (await Promise.all(three.map((each) => seenBy(each).catch(() => [])))).every(
        (seen) => ids(seen).join() === those.join(),
      )
    await until('all see all', seeEachOther)
    await server.start()
    await until('Redis is back', () => three.every(({ live }) => live.status().redis?.ok))
    expect(await seeEachOther()).toBe(true)
    await starter.close()
    // They read that it has ended while Redis is there to say so.
    for (const each of [one, other]) expect(await seenBy(each)).toHaveLength(2)
  })

  it('have a kill, and say so, while Redis is gone: they are told directly', async () => {
    const told: (string | undefined)[] = []
    other.http.server.on('request', ({ url }) => told.push(url))
    const address = await other.listen()
    await server.kill()
    await until('it is noticed', () => !one.live.status().redis?.ok)
    const knowsWhere = async () => (await seenBy(one)).some((seen) => seen.address === address)
    await until('one knows where the other is', knowsWhere)
    for (const flag of ['b', 'c', 'd']) {
      await one.ask('POST', '/api/v1/projects/default/flags', { body: { key: flag, type: 'boolean' } })
      const { status, body } = await one.ask('PUT', `${DEVELOPMENT}/flags/${flag}/kill?timeout=2s`)
      expect([status, body.servers]).toEqual([200, { live: 2, applied: 2, refused: [], missing: [] }])
    }
    // Sooner than it would have found it itself.
    await until('the other was told', () => told.includes(PEER_PATH))
    await server.start()
    await until('Redis is back', () => [one, other].every(({ live }) => live.status().redis?.ok))
  })

  it('are not said to be gone where all that they share is', async () => {
    const alone = await instance({ database: 'embedded' })
    await until('it is seen', async () => ids(await seenBy(one)).includes(await idOf(alone)))
    await server.kill()
    await until('it is noticed', () => !alone.live.status().redis?.ok)
    await expect(seenBy(alone)).rejects.toMatchObject({ type: 'unavailable' })
  })
})

describe('an instance without Redis', () => {
  it('knows of itself alone', async () => {
    const alone = await startService()
    const { id } = alone.live.environment('default', 'production')!
    expect(await alone.live.instances()).toEqual([
      {
        id: expect.stringMatching(/^[\w-]{12}$/),
        version: expect.stringMatching(/^\d/),
        since: expect.any(Number),
        environments: expect.objectContaining({ [id]: { epoch: expect.any(Number), revision: 1 } }),
      },
    ])
    await alone.close()
  })
})

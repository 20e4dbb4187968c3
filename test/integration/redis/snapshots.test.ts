/** Snapshots in a real Redis: a service without its database and without a disk of its own starts from them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { subkey } from '../../../server/data-folder.ts'
import { SYSTEM } from '../../../server/domain/change.ts'
import { redisShelf } from '../../../server/live/redis/shelf.ts'
import { markOf, nameOf } from '../../../server/live/snapshots/shelf.ts'
import { openPostgres } from '../../../server/store/postgres.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { canStartRedis, redisSettings } from '../../support/redis.ts'
import type { RedisProcess } from '../../support/redis-process.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'
import { openLive } from '../live/support.ts'
import { redisRoom } from './support.ts'

const FLAG = '/api/v1/projects/default/environments/development/flags/checkout'
const SECRET = 'a-secret-of-this-test-that-is-long-enough'
const NOWHERE = 'postgres://halyard@127.0.0.1:1/nowhere'

describe.runIf(canStartRedis())('with snapshots in Redis', () => {
  const room = redisRoom()
  let database: FreshDatabase
  let server: RedisProcess
  let service: TestService
  let key: string
  beforeAll(async () => {
    database = await freshDatabase()
    server = await room.server()
    const redis = redisSettings({ url: server.url, prefix: 'shop:' })
    service = await startService({ database: database.url, redis, secret: SECRET })
    await service.ask('POST', '/api/v1/projects/default/flags', {
      body: { key: 'checkout', type: 'boolean' },
    })
    key = await service.sdkKey('server')
  })
  afterAll(async () => {
    await service?.close()
    await database?.drop()
  })

  const names = async () => (await server.cli('--scan', '--pattern', 'shop:snapshot:*')).split('\n')

  it('a service starts while the database is away, and answers what was committed last', async () => {
    await service.ask('PUT', `${FLAG}/fallthrough`, { body: { variant: 'on' }, headers: { 'if-match': '*' } })
    const { body } = await service.ask('POST', `${FLAG}/enable`)
    const { id } = service.live.environment('default', 'development')!
    const logs = [SYSTEM, service.live.projects()[0]!.id, id]
    // Whoever starts from the system's log of before the project would find its keys nowhere.
    await until('the newest snapshots are kept', async () => {
      const marks = logs.map((log) => markOf(service.live.held(log)!.state).trim())
      const kept = logs.map((log) => server.cli('getrange', `shop:snapshot:${nameOf(log)}`, '0', '80'))
      return (await Promise.all(kept)).every((text, index) => text.startsWith(marks[index]!))
    })
    const store = await openPostgres({ url: NOWHERE })
    const shelves = [redisShelf(room.link(server.url, { prefix: 'shop:' }))]
    const without = openLive(store, { snapshots: { shelves, key: subkey(SECRET, 'snapshots') } })
    const starting = without.start()
    await until('it serves', () => without.live(id))
    await until('it has given the database up', async () => (await without.authenticate(key)) !== 'unloaded')
    expect(without.status()).toMatchObject({ store: { ok: false } })
    expect(without.evaluate(id, 'checkout', {})).toMatchObject({ value: true })
    expect(without.held(id)?.state.revision).toBe(body.revision)
    expect(await without.authenticate(key)).toMatchObject({ kind: 'server', environment: { id } })
    await without.close()
    await starting
    await store.close()
  })

  it('they come back by themselves after Redis was emptied, and when it restarts', async () => {
    const before = (await names()).sort()
    await server.cli('flushall')
    await until('they are back', async () => String((await names()).sort()) === String(before))
    await server.kill()
    await server.start()
    await until('they are back again', async () => String((await names()).sort()) === String(before))
  })

  it('one that a full Redis dropped is back soon, and so is the newest where garbage or an older one took its place', async () => {
    const log = service.live.environment('default', 'development')!.id
    const name = `shop:snapshot:${nameOf(log)}`
    const isThere = async () => {
      const mark = markOf(service.live.held(log)!.state).trim()
      return (await server.cli('getrange', name, '0', '80')).startsWith(mark)
    }
    await until('the newest is kept', isThere)
    // As an eviction does: the name stays in the set of names.
    await server.cli('del', name)
    await until('it is back', isThere)
    // As somebody does who may write to this Redis: that is no loss, and is said.
    const { snapshotsRefused } = service.live.metrics
    const said = { ...snapshotsRefused }
    await server.cli('set', name, 'garbage')
    await until('it is back', isThere)
    expect(snapshotsRefused).toEqual({ ...said, garbage: said.garbage + 1 })
    // As a replica does that was behind when it took over.
    await server.cli('copy', name, 'older')
    await service.ask('POST', `${FLAG}/enable`)
    await service.ask('POST', `${FLAG}/disable`)
    await until('the newest is kept', isThere)
    await server.cli('copy', 'older', name, 'replace')
    await until('the newest is back', isThere)
  })
})

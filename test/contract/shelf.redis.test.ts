import { describe, expect, it } from 'vitest'
import { openRedis } from '../../server/live/redis/connect.ts'
import { redisShelf } from '../../server/live/redis/shelf.ts'
import { markOf, type Shelf } from '../../server/live/snapshots/shelf.ts'
import { silent } from '../integration/live/support.ts'
import { freshRedis, redisSettings } from '../support/redis.ts'
import { shelfContract } from './shelf.suite.ts'

const snapshot = (revision: number) => Buffer.from(markOf({ epoch: 1, revision }))

/** A shelf on a prefix of its own, and plain commands beside it. */
function open() {
  const { url, prefix } = freshRedis()
  const link = openRedis(redisSettings({ url, prefix }), { log: silent, random: Math.random })
  const shelf: Shelf = redisShelf(link)
  const close = async () => {
    for (const name of await shelf.names()) await shelf.remove(name)
    await link.close()
  }
  return { shelf, link, prefix, close }
}

describe('the shelf in Redis', () => {
  shelfContract(open)

  it('is shared by all instances, and the newest of those that write at once wins', async () => {
    const { shelf, link, close } = open()
    const others = [redisShelf(link), redisShelf(link), shelf]
    const writes = Array.from({ length: 30 }, (_, index) => (index * 7) % 30)
    const outcomes = await Promise.all(
      writes.map((revision, index) => others[index % 3]!.put('env_1.v1', snapshot(revision))),
    )
    expect(outcomes).toContain('kept')
    expect(await shelf.get('env_1.v1')).toEqual(snapshot(29))
    await close()
  })

  it('keeps without an end', async () => {
    const { shelf, link, prefix, close } = open()
    await shelf.put('env_1.v1', snapshot(1))
    expect(await link.ask((client) => client.ttl(`${prefix}snapshot:env_1.v1`))).toBe(-1)
    expect(await link.ask((client) => client.ttl(`${prefix}snapshots`))).toBe(-1)
    await close()
  })

  it('says what stands under names now, whatever names it has', async () => {
    const { shelf, link, prefix, close } = open()
    for (const name of ['env_1.v1', 'env_2.v1', 'env_3.v1']) await shelf.put(name, snapshot(7))
    await link.carry((client) => client.del(`${prefix}snapshot:env_2.v1`))
    await link.carry((client) => client.set(`${prefix}snapshot:env_3.v1`, 'garbage'))
    await link.carry((client) => client.rpush(`${prefix}snapshot:env_4.v1`, 'a list'))
    expect(await shelf.names()).toContain('env_2.v1')
    const names = ['env_1.v1', 'env_2.v1', 'env_3.v1', 'env_4.v1', 'env_5.v1']
    expect(await shelf.marks?.(names)).toEqual([
      markOf({ epoch: 1, revision: 7 }),
      undefined,
      '',
      '',
      undefined,
    ])
    await link.carry((client) => client.del(`${prefix}snapshot:env_4.v1`))
    await close()
  })

  it('takes the place of whatever else stands under its names', async () => {
    const { shelf, link, prefix, close } = open()
    await link.carry((client) => client.set(`${prefix}snapshots`, 'no set'))
    await link.carry((client) => client.rpush(`${prefix}snapshot:env_1.v1`, 'a list'))
    expect(await shelf.names()).toEqual([])
    expect(await shelf.get('env_1.v1')).toBeUndefined()
    await shelf.remove('env_2.v1')
    expect(await shelf.put('env_1.v1', snapshot(1))).toBe('kept')
    expect(await shelf.names()).toEqual(['env_1.v1'])
    expect(await shelf.get('env_1.v1')).toEqual(snapshot(1))
    await close()
  })

  it('holds 32 megabytes', async () => {
    const { shelf, close } = open()
    const bytes = Buffer.concat([snapshot(1), Buffer.alloc(32 * 2 ** 20, 'megabytes')])
    expect(await shelf.put('env_1.v1', bytes)).toBe('kept')
    expect((await shelf.get('env_1.v1'))?.equals(bytes)).toBe(true)
    await close()
  })

  it('fails where Redis does', async () => {
    const { shelf, link } = open()
    await link.close()
    await expect(shelf.names()).rejects.toThrow('closed')
    const away = { url: 'redis://127.0.0.1:1', prefix: 'away:' }
    const lost = openRedis(redisSettings(away), { log: silent, random: Math.random })
    const shelves = redisShelf(lost)
    await expect(shelves.put('env_1.v1', snapshot(1))).rejects.toThrow('Redis does not work')
    await expect(shelves.get('env_1.v1')).rejects.toThrow('Redis does not work')
    await lost.close()
  })
})

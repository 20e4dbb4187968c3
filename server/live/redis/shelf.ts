/**
 * Snapshots in Redis, without an end: each under a key of its own, and their names in a set. On the connection for
 * large values, so that megabytes do not keep anybody waiting. Whoever writes to this Redis may have put anything there.
 */
import { MARK_BYTES, markIn, type Shelf } from '../snapshots/shelf.ts'
import type { Client, RedisLink } from './connect.ts'

/** Sets the value unless another has taken the place of the one that was seen, whose beginning is given. */
const REPLACE = `
local there = redis.pcall('GETRANGE', KEYS[1], 0, ${MARK_BYTES - 1})
if type(there) == 'table' then there = '' end
if there ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
`
/** Bytes without a mark, for what has none to read. */
const OF_ANOTHER_TYPE = Buffer.from('?')
/** Writers of one snapshot at the same moment; each time one of them is done. */
const MOST_TRIES = 20

export function redisShelf({ prefix, carry }: Pick<RedisLink, 'prefix' | 'carry'>): Shelf {
  const index = `${prefix}snapshots`
  const keyOf = (name: string): string => `${prefix}snapshot:${name}`
  const startOf = (client: Client, name: string, ofAnotherType = Buffer.alloc(0)): Promise<Buffer> =>
    elseOnWrongType(client.getrangeBuffer(keyOf(name), 0, MARK_BYTES - 1), ofAnotherType)

  return {
    name: 'redis',
    names: () => carry((client) => elseOnWrongType(client.smembers(index), [])),
    get: (name) =>
      carry(async (client) => (await elseOnWrongType(client.getBuffer(keyOf(name)), null)) ?? undefined),
    put: (name, bytes) =>
      carry(async (client) => {
        for (let tries = 0; tries < MOST_TRIES; tries++) {
          const there = await startOf(client, name)
          if (markIn(there) > markIn(bytes)) return 'newer-there'
          if ((await client.eval(REPLACE, 1, keyOf(name), there, bytes)) === 1) {
            await note(client, name)
            return 'kept'
          }
        }
        throw new Error('others keep writing the same snapshot')
      }),
    remove: (name) =>
      carry(async (client) => {
        await client.del(keyOf(name))
        await elseOnWrongType(client.srem(index, name), 0)
      }),
    /** A Redis that is full drops values and not their names, and a replica that takes over may have older ones. */
    marks: (names) =>
      carry(async (client) => {
        const starts = await Promise.all(names.map((name) => startOf(client, name, OF_ANOTHER_TYPE)))
        return starts.map((start) => (start.length === 0 ? undefined : markIn(start)))
      }),
  }

  async function note(client: Client, name: string): Promise<void> {
    const noted = await elseOnWrongType(client.sadd(index, name), undefined)
    if (noted !== undefined) return
    await client.del(index)
    await client.sadd(index, name)
  }
}

/** Something of another kind stands in the place: for us that is nothing. */
async function elseOnWrongType<T, E>(answer: Promise<T>, otherwise: E): Promise<T | E> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return otherwise
    throw error
  }
}

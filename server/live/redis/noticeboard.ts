/** What instances tell of themselves, in Redis: a key each, which expires, and their names in a set, which does, too. */
import type { Noticeboard } from '../presence.ts'
import type { RedisLink } from './connect.ts'

/** The set outlives what it names; names that lead to nothing are taken out by whoever finds it so. */
const NAMES_MS = 60 * 60 * 1000

/** Beside the hot path: nobody waits for it but who looks, and at a start it waits for the connection. */
export function redisNoticeboard(redis: Pick<RedisLink, 'prefix' | 'ask' | 'carry'>): Noticeboard {
  const { prefix, ask, carry } = redis
  const names = `${prefix}instances`
  const keyOf = (name: string): string => `${prefix}instance:${name}`
  return {
    put: (name, text, forMs) =>
      carry(async (client) => {
        await Promise.all([
          client.set(keyOf(name), text, 'PX', forMs),
          client.sadd(names, name),
          client.pexpire(names, NAMES_MS),
        ])
      }),
    all: () =>
      carry(async (client) => {
        const listed = await client.smembers(names)
        const texts = await Promise.all(listed.map((name) => client.get(keyOf(name))))
        const gone = listed.filter((_, index) => texts[index] === null)
        if (gone.length > 0) client.srem(names, ...gone).catch(() => undefined)
        return texts.filter((text) => text !== null)
      }),
    remove: (name) =>
      ask(async (client) => {
        await Promise.all([client.del(keyOf(name)), client.srem(names, name)])
      }),
  }
}

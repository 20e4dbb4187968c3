/**
 * What instances tell of themselves, in Redis: a key each, which expires, and their names in a set, which does, too. Each
 * installation has its own, whoever else has the prefix: another's instances would be waited for with every kill.
 */
import type { Noticeboard } from '../noticeboard.ts'
import type { RedisLink } from './connect.ts'

/** The set outlives what it names; names that lead to nothing are taken out by whoever finds it so. */
const NAMES_MS = 60 * 60 * 1000
/** A process that ends waits for its last note, and a kill's account for another board where this one fails. */
const NOTE_MS = 2_000

/**
 * Beside the hot path: nobody waits for it but who looks, and at a start it waits for the connection.
 * @param installation what it is called, of all whose notes these are
 * @param note what one note is, such as `instance`: boards of other notes stand beside it
 */
export function redisNoticeboard(
  redis: Pick<RedisLink, 'prefix' | 'ask' | 'carry'>,
  installation: string,
  note: string,
): Noticeboard {
  const { prefix, ask, carry } = redis
  const names = `${prefix}${installation}:${note}s`
  const keyOf = (name: string): string => `${prefix}${installation}:${note}:${name}`
  return {
    put: (name, text, forMs) =>
      carry(async (client) => {
        await Promise.all([
          client.set(keyOf(name), text, 'PX', forMs),
          client.sadd(names, name),
          client.pexpire(names, Math.max(NAMES_MS, forMs)),
        ])
      }, NOTE_MS),
    all: () =>
      carry(async (client) => {
        const listed = await client.smembers(names)
        const texts = await Promise.all(listed.map((name) => client.get(keyOf(name))))
        const gone = listed.filter((_, index) => texts[index] === null)
        if (gone.length > 0) client.srem(names, ...gone).catch(() => undefined)
        return texts.filter((text) => text !== null)
      }, NOTE_MS),
    remove: (name) =>
      ask(async (client) => {
        await Promise.all([client.del(keyOf(name)), client.srem(names, name)])
      }),
  }
}

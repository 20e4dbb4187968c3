/** Accepted kills in Redis: kept for those that start later, and said at once to those that listen. One installation's. */
import type { Spread } from '../kills/spread.ts'
import type { RedisLink } from './connect.ts'
import { redisNoticeboard } from './noticeboard.ts'

/** The journals keep them for as long as it takes. */
const KEPT_MS = 24 * 60 * 60 * 1000

export function redisKillSpread(
  redis: Pick<RedisLink, 'prefix' | 'ask' | 'carry' | 'publish' | 'listen'>,
  installation: string,
): Spread {
  const channel = `${installation}:accepted-kills`
  const board = redisNoticeboard(redis, installation, 'accepted-kill')
  return {
    async send(id, sealed) {
      redis.publish(channel, sealed)
      await board.put(id, sealed, KEPT_MS)
      return 'kept'
    },
    listen: (onKills) => redis.listen(channel, onKills),
    all: board.all,
    forget: board.remove,
  }
}

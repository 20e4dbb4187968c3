/** Signals by Redis's pub/sub, on one channel. The way that a cluster spreads them, too: to every node. */
import { type Notice, noticeText, readNotice } from '../../domain/notice.ts'
import type { Signal } from '../signal.ts'
import type { RedisLink } from './connect.ts'

const CHANNEL = 'changes'

/** @param instance this instance's name, unlike all others' */
export function redisSignal(redis: Pick<RedisLink, 'publish' | 'listen'>, instance: string): Signal {
  return {
    publish: (notice) => redis.publish(CHANNEL, noticeText(notice, instance)),
    listen: (onNotice) =>
      redis.listen(CHANNEL, (message) => {
        const notice: Notice | undefined = readNotice(message, instance)
        if (notice !== undefined) onNotice(notice)
      }),
  }
}

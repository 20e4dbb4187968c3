/**
 * Bulk answers in Redis. Names are HMACs of what an answer depends on, so that nobody who reads Redis learns of a
 * context; each value carries an HMAC over its name and itself, so that nobody who writes to Redis changes an answer.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { AnswerCache } from '../answer-cache.ts'
import type { RedisLink } from './connect.ts'

/** Rises when values get another form. */
const FORM = 1
/** Larger answers are left out: they would keep the connection from the others. */
const MOST_BYTES = 2 ** 20
const MAC_BYTES = 32

/** @param secret for this alone, the same on all instances; another one's answers are misses */
export function redisAnswers(
  redis: Pick<RedisLink, 'prefix' | 'usable' | 'ask'>,
  secret: Buffer,
): AnswerCache {
  const nameOf = (key: string): string =>
    `${redis.prefix}answer:${FORM}:${createHmac('sha256', secret).update(`name\n${key}`).digest('base64url')}`
  const macOf = (name: string, body: Buffer): Buffer =>
    createHmac('sha256', secret).update(`value\n${name}\n`).update(body).digest()

  function opened(name: string, value: Buffer | null): Buffer | undefined {
    if (value === null || value.length <= MAC_BYTES) return undefined
    const body = value.subarray(MAC_BYTES)
    return timingSafeEqual(value.subarray(0, MAC_BYTES), macOf(name, body)) ? body : undefined
  }

  return {
    usable: redis.usable,
    mostBytes: MOST_BYTES,
    async get(key) {
      const name = nameOf(key)
      try {
        return opened(name, await redis.ask((client) => client.getBuffer(name)))
      } catch {
        // The link has noted it.
        return undefined
      }
    },
    set(key, body, ttlMs) {
      if (body.length > MOST_BYTES || ttlMs < 1 || !redis.usable()) return
      const name = nameOf(key)
      const value = Buffer.concat([macOf(name, body), body])
      redis.ask((client) => client.set(name, value, 'PX', Math.floor(ttlMs))).catch(() => undefined)
    },
  }
}

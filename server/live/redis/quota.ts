/**
 * Quotas that all instances count together, in Redis: one atomic round trip a request, by the generic cell rate
 * algorithm. Without Redis each instance counts for itself. A caller's name, which may hold an address, never leaves
 * this process: its keys are digests that only holders of the secret can make.
 */
import { createHash, createHmac } from 'node:crypto'
import { createLocalQuota, type MakeQuota } from '../quota.ts'
import type { Client, RedisLink } from './connect.ts'

/**
 * Keeps one number a caller: the microsecond at which all that it has taken is paid for. A caller may be ahead by a
 * second's worth. Redis's own clock is asked, so that instances need not agree on the time. Where that went back, as
 * when a server takes over whose clock is behind, callers go on as if they had just taken their second's worth.
 */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = 1000000 / tonumber(ARGV[1])
local most = math.max(each, 1000000)
local paid = tonumber(redis.call('GET', KEYS[1]) or now)
if paid < now then paid = now end
if paid > now + most then paid = now + most - each end
local early = paid + each - most - now
if early > 0 then return math.ceil(early) end
redis.call('SET', KEYS[1], string.format('%.0f', paid + each), 'PX', math.ceil((paid + each - now) / 1000))
return 0
`
const TAKE_DIGEST = createHash('sha1').update(TAKE).digest('hex')

/**
 * @param clock epoch milliseconds, for what this process counts by itself
 * @param secret the same on all instances
 */
export function redisQuotas(
  redis: Pick<RedisLink, 'prefix' | 'usable' | 'ask'>,
  { clock, secret }: { readonly clock: { now(): number }; readonly secret: Buffer },
): MakeQuota {
  return (name, perSecond) => {
    // Counted here as well: whoever is over the limit with us alone need not be asked about, and when Redis goes away
    // nobody begins anew.
    const local = createLocalQuota(perSecond, clock)
    const keyOf = (caller: string) =>
      `${redis.prefix}quota:${createHmac('sha256', secret).update(`${name} ${caller}`).digest('base64url')}`
    return {
      take(caller) {
        const retryAfter = local.take(caller)
        if (retryAfter > 0 || !redis.usable()) return retryAfter
        const key = keyOf(caller)
        return redis.ask((client) => take(client, key, perSecond)).catch(() => 0)
      },
    }
  }
}

/** @returns seconds to wait; 0 where one was taken */
async function take(client: Client, key: string, perSecond: number): Promise<number> {
  const microseconds = await client.evalsha(TAKE_DIGEST, 1, key, perSecond).catch((error: unknown) => {
    // The first time, and after Redis was restarted.
    if (error instanceof Error && error.message.startsWith('NOSCRIPT'))
      return client.eval(TAKE, 1, key, perSecond)
    throw error
  })
  return Number(microseconds) / 1e6
}

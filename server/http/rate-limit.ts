/** Token buckets, one a caller, in memory and bounded: the caller that was quiet longest is forgotten first. */

type Bucket = { tokens: number; at: number }

export type RateLimit = {
  /** Takes a token. @returns 0, or in how many seconds to try again */
  take(caller: string): number
}

const MOST_CALLERS = 50_000

/**
 * @param perSecond tokens that a caller gets each second; it can save up one second's worth
 * @param clock epoch milliseconds
 */
export function createRateLimit(perSecond: number, clock: { now(): number }): RateLimit {
  const buckets = new Map<string, Bucket>()
  return {
    take(caller) {
      const now = clock.now()
      const bucket = buckets.get(caller) ?? { tokens: perSecond, at: now }
      buckets.delete(caller)
      if (buckets.size >= MOST_CALLERS) {
        const [quietest] = buckets.keys()
        if (quietest !== undefined) buckets.delete(quietest)
      }
      buckets.set(caller, bucket)
      // A clock that was set back gives nothing, and takes nothing away.
      bucket.tokens = Math.min(perSecond, bucket.tokens + (Math.max(0, now - bucket.at) * perSecond) / 1_000)
      bucket.at = now
      if (bucket.tokens >= 1) {
        bucket.tokens -= 1
        return 0
      }
      return (1 - bucket.tokens) / perSecond
    },
  }
}

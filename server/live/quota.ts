/**
 * How many requests a caller may make. Quotas are counted by whoever is chosen: each process for itself, in token
 * buckets, or all together. Memory is bounded: the caller that was quiet longest is forgotten first.
 */

export type Quota = {
  /**
   * Takes one of the caller's requests.
   * @returns 0, or in how many seconds to try again; a promise where somebody else has to be asked
   */
  take(caller: string): number | Promise<number>
}

/** A quota that this process counts by itself. */
export type LocalQuota = { take(caller: string): number }

/** @param name of the quota, beside others of the same kind */
export type MakeQuota = (name: 'management' | 'evaluations', perSecond: number) => Quota

type Bucket = { tokens: number; at: number }

const MOST_CALLERS = 50_000

/**
 * @param perSecond tokens that a caller gets each second; it can save up one second's worth
 * @param clock epoch milliseconds
 */
export function createLocalQuota(perSecond: number, clock: { now(): number }): LocalQuota {
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

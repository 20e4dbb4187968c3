/**
 * When to try again: exponential with full jitter, as a pure policy. It holds no timer; time and chance are given.
 * Full jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
 */

export type BackoffOptions = {
  /** The first ceiling, in milliseconds. */
  readonly firstMs: number
  /** The highest ceiling, in milliseconds. */
  readonly mostMs: number
  /** How long a success must have lasted before the ceiling falls back to the first, in milliseconds. */
  readonly healthyMs: number
  /** Uniform over [0, 1). */
  readonly random: () => number
}

export type Backoff = {
  /** Things work since `now`; a second call changes nothing until the next failure. */
  succeeded(now: number): void
  /** Something failed at `now`: how long to wait, in milliseconds, uniform over [0, ceiling). */
  failed(now: number): number
}

/**
 * A ceiling that doubles with each failure, from `firstMs` to `mostMs`. A success alone does not reset it, or a
 * server that accepts and drops would be hammered: it must have held for `healthyMs`.
 */
export function createBackoff(options: BackoffOptions): Backoff {
  let failures = 0
  let healthySince: number | undefined
  return {
    succeeded(now) {
      healthySince ??= now
    },
    failed(now) {
      if (healthySince !== undefined && now - healthySince >= options.healthyMs) failures = 0
      healthySince = undefined
      const ceiling = Math.min(options.mostMs, options.firstMs * 2 ** Math.min(failures, 30))
      failures += 1
      return options.random() * ceiling
    },
  }
}

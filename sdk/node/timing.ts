/**
 * Every duration and bound of the wire, in one place, so that tests can run on a faster clock. Not an option: these
 * are promises between SDK and server.
 */
import type { BackoffOptions } from '../transport/backoff.ts'

export type Timing = Omit<BackoffOptions, 'random'> & {
  /** Between heartbeats of a stream. After two and a half of them without an event it counts as half-open. */
  readonly heartbeatMs: number
  /** How long a stream may take to its first event; longer means that something between buffers it. */
  readonly firstEventMs: number
  /** Between polls where no stream works. */
  readonly pollMs: number
  /** Between polls beside a stream that works. */
  readonly pollBesideStreamMs: number
  /** Between attempts while the key is refused. */
  readonly refusedMs: number
  /** The least time between two GETs of the ruleset. */
  readonly reloadGapMs: number
  readonly headersMs: number
  readonly bodyMs: number
  /** Between a change and its write to the cache file. */
  readonly cacheDelayMs: number
  /** How often, at most, the cache file is marked as still current. */
  readonly cacheTouchMs: number
  /** Between two times that what was counted is told. */
  readonly telemetryMs: number
  /** How long `close` waits for that. */
  readonly closeMs: number
}

export const TIMING: Timing = {
  firstMs: 1_000,
  mostMs: 30_000,
  healthyMs: 60_000,
  heartbeatMs: 15_000,
  firstEventMs: 10_000,
  pollMs: 10_000,
  pollBesideStreamMs: 60_000,
  refusedMs: 180_000,
  reloadGapMs: 1_000,
  headersMs: 10_000,
  bodyMs: 60_000,
  cacheDelayMs: 1_000,
  cacheTouchMs: 60_000,
  telemetryMs: 10_000,
  closeMs: 2_000,
}

/** Bytes or characters. A ruleset is at most 32 MiB; its JSON may escape. */
export const BOUNDS = {
  ruleset: 64 * 1024 * 1024,
  event: 1024 * 1024,
  problem: 16 * 1024,
} as const

/** What the client takes from its surroundings. */
export type Surroundings = {
  /** Epoch milliseconds: for dated rules, and the age of a cache file. */
  readonly clock: () => number
  /** A monotonic clock in milliseconds, for ages and waits: jumps of the wall clock change nothing. */
  readonly monotonic: () => number
  /** Uniform over [0, 1). */
  readonly random: () => number
  readonly timing: Timing
}

export const SURROUNDINGS: Surroundings = {
  clock: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
  timing: TIMING,
}

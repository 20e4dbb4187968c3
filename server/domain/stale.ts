/**
 * Which flags nobody needs any more, as far as can be told: they have expired, nobody reads them, or everyone has got
 * one and the same variant for long. Says nothing where nobody tells what is read.
 */
import type { FlagKey } from '@halyard/sdk/core'

/** What is known of one environment's evaluations. Times are epoch milliseconds. */
export type Reads = {
  /** Since when apps have told of any flag, and when they did so last. */
  readonly since: number
  readonly until: number
  readonly flags: ReadonlyMap<FlagKey, readonly VariantRead[]>
}
/** `variant` is empty for the code default. */
export type VariantRead = { readonly variant: string; readonly firstAt: number; readonly lastAt: number }

export type Stale =
  | { readonly why: 'expired'; readonly since: number }
  /** `watchedSince`: for how long somebody would have told. */
  | {
      readonly why: 'unread'
      readonly since: number
      readonly lastAt: number | undefined
      readonly watchedSince: number
    }
  | { readonly why: 'one-variant'; readonly since: number; readonly variant: string; readonly lastAt: number }

export type Considered = {
  readonly key: FlagKey
  readonly temporary: boolean
  readonly archived: unknown
  readonly expiresAt?: string
}

const DAY_MS = 86_400_000
/** For how long a flag must have been unread, or of one variant, to be called stale. */
export const QUIET_MS = 30 * DAY_MS
/** An environment of which nobody told for so long is not watched. */
const WATCHED_MS = DAY_MS

/**
 * @param changedAt when the flag itself was made, or described anew: before that nobody could read it
 * @param environments those in which the flag could be read
 */
export function staleOf(
  { key, temporary, archived, expiresAt }: Considered,
  changedAt: number,
  environments: readonly Reads[],
  now: number,
): Stale | null {
  if (archived !== null) return null
  const expiry = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt)
  if (expiry <= now) return { why: 'expired', since: expiry }
  const watched = environments.filter(({ until }) => until >= now - WATCHED_MS)
  if (watched.length === 0) return null
  const reads = environments.flatMap(({ flags }) => flags.get(key) ?? [])
  return unread(reads, watched, changedAt, now) ?? (temporary ? oneVariant(reads, now) : null)
}

function unread(
  reads: readonly VariantRead[],
  watched: readonly Reads[],
  changedAt: number,
  now: number,
): Stale | null {
  const watchedSince = Math.min(...watched.map(({ since }) => since))
  const lastAt = reads.length === 0 ? undefined : Math.max(...reads.map((read) => read.lastAt))
  const since = lastAt ?? Math.max(watchedSince, changedAt)
  return now - since < QUIET_MS ? null : { why: 'unread', since, lastAt, watchedSince }
}

/** A flag that is not temporary is there to be switched one day. */
function oneVariant(reads: readonly VariantRead[], now: number): Stale | null {
  const recent = reads.filter(({ lastAt }) => lastAt > now - QUIET_MS)
  const variants = new Set(recent.map(({ variant }) => variant))
  const [variant] = variants
  if (variant === undefined || variants.size > 1) return null
  const others = reads.filter((read) => read.variant !== variant).map(({ lastAt }) => lastAt)
  const since = Math.max(Math.min(...recent.map(({ firstAt }) => firstAt)), ...others)
  if (now - since < QUIET_MS) return null
  return { why: 'one-variant', since, variant, lastAt: Math.max(...recent.map(({ lastAt }) => lastAt)) }
}

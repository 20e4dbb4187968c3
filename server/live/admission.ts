/**
 * Which new streams are let in: so many open at once, so many a second, and never all of them one caller's. Whoever is
 * refused is told when to come again, spread over the time that it takes to let everyone in. Decides, and counts.
 */
import { Problem } from '../domain/problem.ts'
import type { LiveMetrics } from './metrics.ts'

export type StreamLimits = {
  /** Open at once; browsers' together at most half of them. */
  readonly maxStreams: number
  /** Open at once with one key. No bound where absent. */
  readonly maxStreamsPerKey?: number | undefined
  /** Let in each second; browsers' at most half of them. No bound where absent. */
  readonly streamsPerSecond?: number | undefined
}

/**
 * Why a stream is not let in: the instance goes away; the key has as many as it may; the instance is hard pressed; it,
 * or all browsers, have as many as they may; more come at once than are let in each second.
 */
export type StreamRefusal = 'draining' | 'key' | 'pressure' | 'instance' | 'browsers' | 'rate'

export type StreamKind = 'server' | 'refetch'

export type Admission = {
  /** Lets a stream in, and counts it as open. @throws Problem with when to come again */
  enter(kind: StreamKind, keyId: string): void
  /** It has ended. */
  left(kind: StreamKind, keyId: string): void
  /** No more are let in. */
  close(): void
  open(): { readonly server: number; readonly refetch: number }
}

export type AdmissionDeps = {
  readonly limits: StreamLimits
  readonly clock: { now(): number }
  /** From 0 up to 1. */
  readonly random: () => number
  readonly metrics: LiveMetrics
  /** Whether this process has too much to do for another one. */
  readonly pressed?: () => boolean
}

const REFUSALS: Readonly<Record<StreamRefusal, readonly ['unavailable' | 'too-many-requests', string]>> = {
  draining: ['unavailable', 'This instance is going away. Connect again.'],
  key: ['too-many-requests', 'This key has as many streams here as a key may have. Connect later, or poll.'],
  pressure: ['unavailable', 'This instance has more to do than it can. Connect later, or poll.'],
  instance: ['unavailable', 'This instance has no room for more streams. Connect later, or poll.'],
  browsers: ['unavailable', 'There are too many event streams of browsers here. Connect later, or poll.'],
  rate: ['unavailable', 'More streams come at once than are let in each second. Connect later, or poll.'],
}
/** Where it is not known when there will be room, seconds: from the first up to both. */
const SOMETIME = { least: 1, more: 10 }
/** Nobody is sent away for longer, seconds. */
const LONGEST = 60

export function createAdmission(deps: AdmissionDeps): Admission {
  const { limits, clock, random, metrics, pressed = () => false } = deps
  const { maxStreams, maxStreamsPerKey = Number.POSITIVE_INFINITY, streamsPerSecond } = limits
  const open = { server: 0, refetch: 0 }
  const byKey = new Map<string, number>()
  const all = turnstile(streamsPerSecond)
  const browsers = turnstile(streamsPerSecond === undefined ? undefined : Math.max(1, streamsPerSecond / 2))
  let closed = false

  /** So many pass each second; a second's worth can be saved up. */
  function turnstile(perSecond: number | undefined) {
    let tokens = perSecond ?? 0
    /** Those who were sent away and whose turn has not come. */
    let waiting = 0
    let at = clock.now()
    return (): number => {
      if (perSecond === undefined) return 0
      const now = clock.now()
      // A clock that was set back gives nothing, and takes nothing away.
      const given = (Math.max(0, now - at) * perSecond) / 1_000
      at = now
      tokens = Math.min(perSecond, tokens + given)
      waiting = Math.max(0, waiting - given)
      if (tokens >= 1) {
        tokens -= 1
        return 0
      }
      waiting += 1
      return waiting / perSecond
    }
  }

  function refusalOf(kind: StreamKind, keyId: string): StreamRefusal | undefined {
    if (closed) return 'draining'
    if ((byKey.get(keyId) ?? 0) >= maxStreamsPerKey) return 'key'
    if (pressed()) return 'pressure'
    if (open.server + open.refetch >= maxStreams) return 'instance'
    if (kind === 'refetch' && open.refetch >= Math.floor(maxStreams / 2)) return 'browsers'
    return undefined
  }

  function refuse(reason: StreamRefusal, retryAfter = SOMETIME.least + random() * SOMETIME.more): never {
    metrics.streamsRefused[reason]++
    const [type, detail] = REFUSALS[reason]
    throw new Problem(type, detail, { retryAfter, routine: true })
  }

  return {
    enter(kind, keyId) {
      const reason = refusalOf(kind, keyId)
      if (reason !== undefined) refuse(reason)
      const turn = (kind === 'refetch' && browsers()) || all()
      // Those who were refused together are not to come back together.
      if (turn > 0) refuse('rate', Math.min(LONGEST, 1 + turn * (0.9 + 0.2 * random())))
      open[kind]++
      byKey.set(keyId, (byKey.get(keyId) ?? 0) + 1)
      metrics.streamsOpened++
    },
    left(kind, keyId) {
      open[kind]--
      const others = (byKey.get(keyId) ?? 0) - 1
      if (others > 0) byKey.set(keyId, others)
      else byKey.delete(keyId)
    },
    close() {
      closed = true
    },
    open: () => ({ ...open }),
  }
}

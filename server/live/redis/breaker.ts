/**
 * A breaker: open after the first failure, and closed again by a probe alone, so that nobody waits twice for what
 * does not answer. What fails again soon after a probe succeeded stays open ever longer, until it held for a minute.
 */
import { retryDelay } from '../poll.ts'

export type Breaker = {
  readonly closed: boolean
  /** Something failed. */
  trip(cause: unknown): void
  /** Probes now, if it is open: there is reason to hope. */
  tryNow(): void
  stop(): void
}

export type BreakerDeps = {
  /** Resolves where everything works that callers need. */
  readonly probe: () => Promise<unknown>
  /** From 0 up to 1. */
  readonly random: () => number
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** It opened, or stays open for this reason. */
  readonly onFailure: (cause: unknown) => void
  readonly onClosed: () => void
}

/** Milliseconds from a failure to the first probe, and from one probe to the next; jitter comes on top. */
const OPEN = { first: 200, most: 5_000 }
const PROBES_APART_MS = 750
/** No sooner than this: full jitter may come to nothing. */
const LEAST_MS = 50
const HEALTHY_MS = 60_000

/** Open at first: the first probe, asked for by `tryNow`, closes it. */
export function createBreaker({ probe, random, now, onFailure, onClosed }: BreakerDeps): Breaker {
  let closed = false
  let closedAt = 0
  /** Times that it opened, none of them a minute after the one before. */
  let openings = 0
  let probing = false
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  function later(ms: number): void {
    clearTimeout(timer)
    if (stopped) return
    timer = setTimeout(tryNow, LEAST_MS + ms)
    timer.unref()
  }

  function tryNow(): void {
    if (closed || probing || stopped) return
    clearTimeout(timer)
    probing = true
    probe()
      .then(close, (cause: unknown) => {
        if (!stopped) onFailure(cause)
      })
      .finally(() => {
        probing = false
        if (!closed) later(random() * PROBES_APART_MS)
      })
  }

  function close(): void {
    if (stopped) return
    closed = true
    closedAt = now()
    onClosed()
  }

  return {
    get closed() {
      return closed
    },
    trip(cause) {
      if (stopped) return
      onFailure(cause)
      if (!closed) return
      closed = false
      if (now() - closedAt > HEALTHY_MS) openings = 0
      later(retryDelay(openings++, random, OPEN))
    },
    tryNow,
    stop() {
      stopped = true
      closed = false
      clearTimeout(timer)
    },
  }
}

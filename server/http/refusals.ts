/**
 * When refusals are sent. A client that asks again as soon as it is answered asks as often as it is refused, so while
 * there are many, each is kept for a moment: such clients wait instead of asking, and the process is there for others.
 */
import type { Problem } from '../domain/problem.ts'

/** Sends a refusal: now, or in a moment. */
export type Refuse = (problem: Problem, send: () => unknown) => void

export type Refusals = {
  readonly refuse: Refuse
  /** All that are kept are sent, and none is kept any more. */
  end(): void
}

/** Refusals within a second that are sent at once: of a caller that asks a little too much, all. */
const AT_ONCE = 100
/**
 * How long others are kept, milliseconds. Of requests: less than any client's patience. Of streams: nobody waits for
 * one to be refused, and each that comes again is a new connection, of which Node takes one a turn of its event loop.
 */
const KEPT_MS = { 'too-many-requests': 250, unavailable: 2_000 }
/** Kept at once, some 20 KB each: beyond, they are sent at once. */
const MOST_KEPT = 2_048

/** @param clock milliseconds */
export function createRefusals(clock: { now(): number }): Refusals {
  const kept = new Map<() => unknown, NodeJS.Timeout>()
  let second = 0
  let sent = 0
  let ended = false

  /** Whether it is one more than are sent at once this second. */
  function isMany(): boolean {
    const now = Math.floor(clock.now() / 1_000)
    if (now !== second) sent = 0
    second = now
    sent += 1
    return sent > AT_ONCE
  }

  return {
    refuse({ type, details }, send) {
      const isRefusal = type === 'too-many-requests' || (type === 'unavailable' && details.routine === true)
      if (!isRefusal || !isMany() || ended || kept.size >= MOST_KEPT) {
        send()
        return
      }
      const timer = setTimeout(() => {
        kept.delete(send)
        send()
      }, KEPT_MS[type])
      kept.set(send, timer)
    },
    end() {
      ended = true
      for (const [send, timer] of kept) {
        clearTimeout(timer)
        send()
      }
      kept.clear()
    },
  }
}

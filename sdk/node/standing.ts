/**
 * How the client stands, and what it therefore serves: the held state, or nothing where it is stale and may not be
 * used. Hides the timer that notices staleness, so that no evaluation reads a clock for it.
 */
import type { Evaluation } from './evaluation.ts'
import type { Emitter } from './events.ts'
import { type Held, type Holder, isRemote } from './holder.ts'
import type { Settings } from './options.ts'

/**
 * - `starting`: no state is held yet, and defaults are answered; or one is, and the server is being asked for a newer.
 * - `ready`: the state that is served is known to be current.
 * - `stale`: the server has not confirmed it for too long, or not yet.
 * - `refused`: the server refuses the key; what is held is served on.
 * - `closed`: `close` was called; what was held is served on.
 */
export type ClientState = 'starting' | 'ready' | 'stale' | 'refused' | 'closed'

export type StandingOptions = Pick<Settings, 'server' | 'staleAfterMs' | 'onStale'> & {
  readonly holder: Holder
  readonly evaluation: Evaluation
  readonly emitter: Emitter
  /** Milliseconds. */
  readonly monotonic: () => number
}

export type Standing = {
  state(): ClientState
  /** What evaluations are answered from. */
  served(): Held | undefined
  /** Since when the server has said nothing of it, in milliseconds. */
  ageOf(held: Held): number
  /** Something has changed: brings what is served in line with what is held, and says so. */
  settle(): void
  /** The time to start is over. */
  started(): void
  /** Whether the server refuses the key. */
  refused(is: boolean): void
  close(): void
}

/** The longest delay that a timer takes, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1

export function createStanding(options: StandingOptions): Standing {
  const { server, staleAfterMs, onStale, holder, evaluation, emitter, monotonic } = options
  let announced: ClientState = 'starting'
  let begun = false
  let refused = false
  let closed = false
  /** As of the last `settle`, so that what is said and what is served always agree. */
  let expired = false
  let served: Held['compiled'] | undefined
  let timer: NodeJS.Timeout | undefined

  function ageOf(held: Held): number {
    return Math.max(0, Math.round(monotonic() - held.confirmedAt))
  }

  function state(): ClientState {
    if (closed) return 'closed'
    if (refused) return 'refused'
    const held = holder.held()
    if (held === undefined) return 'starting'
    if (expired) return 'stale'
    if (isRemote(held.source) || server === undefined) return 'ready'
    return begun ? 'stale' : 'starting'
  }

  function serve(held: Held | undefined): void {
    const next = expired && onStale === 'default' ? undefined : held?.compiled
    if (next === served) return
    served = next
    evaluation.serve(
      next,
      `The server has not confirmed the state for more than ${staleAfterMs} ms (maxStalenessMs, onStale: "default").`,
    )
  }

  function watch(held: Held): void {
    if (timer !== undefined || staleAfterMs === Number.POSITIVE_INFINITY) return
    const left = held.confirmedAt + staleAfterMs - monotonic() + 1
    // After a suspension the timer is due before the sockets were read: they go first.
    const due = (): unknown => setImmediate(expire)
    timer = setTimeout(due, Math.min(LONGEST_MS, Math.max(1, left))).unref()
  }

  function expire(): void {
    timer = undefined
    if (!closed) settle()
  }

  function settle(): void {
    const held = holder.held()
    expired = held !== undefined && ageOf(held) > staleAfterMs
    serve(held)
    if (held !== undefined && !expired && !closed) watch(held)
    const now = state()
    if (now === announced) return
    announced = now
    const { epoch, revision } = held?.state ?? { epoch: 0, revision: 0 }
    if (now === 'ready' || now === 'stale') emitter.emit(now, { epoch, revision })
  }

  return {
    state,
    served: () => (served === undefined ? undefined : holder.held()),
    ageOf,
    settle,
    started() {
      begun = true
      settle()
    },
    refused(is) {
      refused = is
      settle()
    },
    close() {
      closed = true
      clearTimeout(timer)
      settle()
    },
  }
}

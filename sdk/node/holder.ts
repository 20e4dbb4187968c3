/**
 * The state that is served, compiled. It only moves forward, and is swapped whole: what does not fit is refused and
 * the held state serves on. Hides the order of states, and pending kills.
 */
import {
  advance,
  apply,
  type Compiled,
  compareStates,
  compile,
  type Delta,
  type Ruleset,
  type State,
  withPending,
} from '../core/index.ts'

/** Where the served state comes from, or was last confirmed by. `default`: there is none. */
export type Source = 'stream' | 'poll' | 'cache' | 'bootstrap' | 'default'

export type Held = {
  readonly compiled: Compiled
  readonly state: State
  readonly source: Exclude<Source, 'default'>
  /** When the server last said that this is its state: on the monotonic clock, in milliseconds. */
  readonly confirmedAt: number
}

/**
 * - `taken`: it is served now.
 * - `current`: it was held already.
 * - `older`: what is held is newer, and stays.
 * - `foreign`: it is another environment's.
 */
export type Offered = 'taken' | 'current' | 'older' | 'foreign'

export type Holder = {
  held(): Held | undefined
  /** @param confirmedAt for a state that the server did not just send */
  offer(state: State, source: Held['source'], confirmedAt?: number): Offered
  /** `behind`: it does not lead on from what is held. `damaged`: it cannot be applied. */
  step(delta: Delta): Offered | 'behind' | 'damaged'
  /** What the server says of kills that have no revision. */
  pend(pending: Ruleset['pending'], endedKills: readonly string[]): void
  /** The server says that the held state is the current one. */
  confirm(source: 'stream' | 'poll'): void
}

/**
 * @param now a monotonic clock, in milliseconds
 * @param swapped called with each newly held state and the one before it, and with the delta that led there
 */
export function createHolder(
  now: () => number,
  swapped: (after: Held, before: Held | undefined, delta: Delta | undefined) => void,
): Holder {
  let held: Held | undefined

  function swap(compiled: Compiled, source: Held['source'], confirmedAt: number, delta?: Delta): void {
    const before = held
    held = { compiled, state: compiled.state, source, confirmedAt }
    swapped(held, before, delta)
  }

  function verdictOn(next: State, source: Held['source'], before: Held): Offered {
    const { state } = before
    if (state.project !== next.project || state.environment !== next.environment) {
      return RANK[source] > RANK[before.source] ? 'taken' : 'foreign'
    }
    // A bootstrap came from the app: only within one history can it hold back what a server says.
    if (before.source === 'bootstrap' && isRemote(source) && next.epoch !== state.epoch) return 'taken'
    const order = compareStates(next, state)
    return order > 0 ? 'taken' : order === 0 ? 'current' : 'older'
  }

  return {
    held: () => held,

    offer(state, source, confirmedAt = now()) {
      if (held === undefined) {
        swap(compile(state), source, confirmedAt)
        return 'taken'
      }
      const verdict = verdictOn(state, source, held)
      if (verdict === 'older' || verdict === 'foreign') return verdict
      const before = held.state
      if (state.project !== before.project || state.environment !== before.environment) {
        swap(compile(state), source, confirmedAt)
        return 'taken'
      }
      // A server that has not heard of a pending kill takes nothing away from one that has been seen.
      const next = withPending(state, Object.fromEntries(before.pending), [...before.endedKills])
      if (verdict === 'current') {
        const better = isRemote(source) ? { source, confirmedAt } : held
        if (samePending(before, next))
          held = { ...held, source: better.source, confirmedAt: better.confirmedAt }
        else swap(advance(held.compiled, next), better.source, better.confirmedAt)
        return 'current'
      }
      swap(advance(held.compiled, next), source, confirmedAt)
      return 'taken'
    },

    step(delta) {
      if (held === undefined || delta.epoch > held.state.epoch) return 'behind'
      const order = compareStates(delta, held.state)
      if (order <= 0) return order === 0 ? 'current' : 'older'
      const next = apply(held.state, delta)
      if ('refused' in next) return next.refused === 'base' || next.refused === 'epoch' ? 'behind' : 'damaged'
      swap(advance(held.compiled, next, delta), 'stream', now(), delta)
      return 'taken'
    },

    pend(pending, endedKills) {
      if (held === undefined) return
      const next = withPending(held.state, pending, endedKills)
      if (samePending(held.state, next)) return
      swap(advance(held.compiled, next), held.source, held.confirmedAt)
    },

    confirm(source) {
      if (held !== undefined) held = { ...held, source, confirmedAt: now() }
    },
  }
}

/** Whose word counts for more, where two name different environments. */
const RANK = { bootstrap: 0, cache: 1, poll: 2, stream: 2 } as const

export function isRemote(source: Source): boolean {
  return source === 'poll' || source === 'stream'
}

function samePending(a: State, b: State): boolean {
  if (a.pending.size !== b.pending.size || a.endedKills.size !== b.endedKills.size) return false
  for (const [flag, kills] of a.pending) {
    const others = b.pending.get(flag)
    if (others?.length !== kills.length) return false
    if (!kills.every((kill, index) => kill.id === others[index]?.id)) return false
  }
  for (const id of a.endedKills) if (!b.endedKills.has(id)) return false
  return true
}

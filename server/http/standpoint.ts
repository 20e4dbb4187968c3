/**
 * From where a question is asked: the state of an environment, and the time that evaluations take as now. The present
 * is answered from memory, so that it needs no database; anything older is the store's to say.
 */
import type { State } from '@halyard/sdk/core'
import { collectFaults } from '../domain/faults.ts'
import { Problem } from '../domain/problem.ts'
import { readInstant } from '../domain/reading.ts'
import type { Environment, Live, Past } from '../live/live.ts'
import type { At } from '../store/store.ts'
import type { World } from './call.ts'

export type Standpoint = {
  readonly state: State
  readonly compiled: Past['compiled']
  /** Epoch milliseconds. */
  readonly now: number
  readonly redacted: Past['redacted']
}

/**
 * @param at as `readAt` gives it; undefined: the present
 * @throws Problem `revision-not-found`, `history-compacted` or `unavailable`
 */
export async function standpointAt(
  { live, clock }: Pick<World, 'live' | 'clock'>,
  environment: Environment,
  at: At | undefined,
): Promise<Standpoint> {
  const present = presentOf(live, environment)
  const now = clock.now()
  if (at === undefined) return standingIn(present, now)
  if ('time' in at) {
    // What will be is not known; what there is can be asked what it will answer.
    return standingIn(at.time >= now ? present : await live.past(environment.id, at), at.time)
  }
  const newest = present.state.revision
  if (at.revision === newest) return standingIn(present, now)
  const past = await live.past(environment.id, at)
  return standingIn(past, at.revision > newest ? now : past.at)
}

const standingIn = ({ state, compiled, redacted }: Omit<Standpoint, 'now'>, now: number): Standpoint => ({
  state,
  compiled,
  redacted,
  now,
})

/** The environment as held. It may be missing for a moment after another instance made it. */
function presentOf(live: Live, { id }: Environment): Omit<Standpoint, 'now'> {
  const held = live.live(id)
  if (held !== undefined) return { state: held.state, compiled: () => held.compiled, redacted: [] }
  throw new Problem('unavailable', 'The state of this environment is not loaded yet. Try again in a moment.')
}

/** Which state and time a question was asked from, as its answer says it. */
export function showStandpoint({ key }: Environment, { state, now, redacted }: Standpoint) {
  const { epoch, revision } = state
  return { environment: key, epoch, revision, at: new Date(now).toISOString(), ...showRedacted(redacted) }
}

const MOST_REDACTED = 100

/** The documents that are not as they were, where there are any. */
export function showRedacted(redacted: Past['redacted']): {
  readonly redacted?: readonly { readonly kind: string; readonly key: string }[]
} {
  if (redacted.length === 0) return {}
  return { redacted: redacted.slice(0, MOST_REDACTED).map(({ kind, key }) => ({ kind, key })) }
}

/**
 * A revision or a time, as a body or an address names it.
 * @param where what it is called in messages
 * @param pointer of the body; '' for an address
 * @throws Problem `invalid-document`, for an address `invalid-request`
 */
export function readAt(given: number | string, where: string, pointer: string): At {
  if (typeof given === 'string') return { time: readTime(given, where, pointer) }
  return { revision: given }
}

/** How far the clock of whoever asks may be ahead, milliseconds. */
const MAY_BE_AHEAD = 10_000

/**
 * As `readAt`, for what can only have been: nobody who names a time to come means the present by it.
 * @param now epoch milliseconds
 */
export function readPastAt(given: number | string, where: string, pointer: string, now: number): At {
  const at = readAt(given, where, pointer)
  if ('time' in at && at.time > now + MAY_BE_AHEAD) {
    const faults = collectFaults()
    const here = new Date(now).toISOString()
    faults.add(
      pointer,
      `${given} is still to come: it is ${here} here. Name a time that has been, or a revision.`,
    )
    faults.refuse(pointer === '' ? 'invalid-request' : 'invalid-document')
  }
  return at
}

/** A time in epoch milliseconds. @throws Problem as `readAt` */
export function readTime(given: string, where: string, pointer: string): number {
  const faults = collectFaults()
  const instant = readInstant(given, { faults, pointer }, where)
  faults.refuse(pointer === '' ? 'invalid-request' : 'invalid-document')
  return Date.parse(instant)
}

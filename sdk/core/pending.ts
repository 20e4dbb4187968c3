/**
 * Kills that have no revision yet. A pending kill is dropped only when the log has settled it: applied as an entry,
 * or ended. Whoever says less (a server that has not heard of it) takes nothing away.
 */
import { isObject } from './json.ts'
import { LIMITS } from './limits.ts'
import type { Entry, FlagKey, Kill, Ruleset, State } from './ruleset.ts'

/**
 * The state with what a server says about kills that have no revision: its pending kills are added to those known,
 * then every kill is dropped that is applied in the entries or has ended.
 *
 * @param pending by flag, as on the wire
 * @param endedKills identifiers of kills that are over; added to those known
 */
export function withPending(state: State, pending: Ruleset['pending'], endedKills: readonly string[]): State {
  const merged = new Map<FlagKey, readonly Kill[]>(state.pending)
  for (const [flag, kills] of Object.entries(pending)) {
    const known = merged.get(flag) ?? []
    const ids = new Set(known.map((kill) => kill.id))
    merged.set(flag, [...known, ...kills.filter((kill) => !ids.has(kill.id))])
  }
  const ended = bounded(state.endedKills, endedKills)
  return { ...state, pending: unsettled(merged, state.entries.get('kill'), ended), endedKills: ended }
}

/** `next` with its pending kills settled, where `previous` is the state that it came from. */
export function settled(next: State, previous: State): State {
  const kills = next.entries.get('kill')
  const over: string[] = []
  for (const [flag, entry] of previous.entries.get('kill') ?? []) {
    const now = killIds(kills?.get(flag))
    over.push(...killIds(entry).filter((id) => !now.includes(id)))
  }
  const ended = bounded(next.endedKills, over)
  return { ...next, pending: unsettled(next.pending, kills, ended), endedKills: ended }
}

function unsettled(
  pending: State['pending'],
  kills: ReadonlyMap<string, Entry> | undefined,
  ended: ReadonlySet<string>,
): State['pending'] {
  const left = new Map<FlagKey, readonly Kill[]>()
  for (const [flag, list] of pending) {
    const applied = killIds(kills?.get(flag))
    const open = list.filter((kill) => !applied.includes(kill.id) && !ended.has(kill.id))
    if (open.length > 0) left.set(flag, open)
  }
  return left
}

/** Of an entry's kill, and of those that it took up. */
function killIds(entry: Entry | undefined): readonly string[] {
  const { id, also } = isObject(entry?.definition) ? entry.definition : {}
  const others: readonly unknown[] = Array.isArray(also) ? also.map((kill) => isObject(kill) && kill.id) : []
  return [id, ...others].filter((one) => typeof one === 'string')
}

/** The union, the oldest identifiers left out where there are too many. */
function bounded(known: ReadonlySet<string>, more: readonly string[]): ReadonlySet<string> {
  if (more.every((id) => known.has(id))) return known
  const all = [...new Set([...known, ...more])]
  return new Set(all.slice(-LIMITS.endedKills))
}

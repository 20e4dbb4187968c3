/**
 * A log's state as a value, and its form on the wire. What comes in is checked whole, its digest included, so that
 * nothing half-received is ever evaluated.
 */
import { murmur3 } from './bucket.ts'
import { digestOf } from './delta.ts'
import { isCount, isObject } from './json.ts'
import { withPending } from './pending.ts'
import { BUCKETING, type Entry, type Kill, type Ruleset, SCHEMA, type State } from './ruleset.ts'

/** Why something is no ruleset that this version can evaluate. */
export class RulesetError extends Error {
  override readonly name = 'RulesetError'
}

/**
 * Reads a ruleset.
 *
 * @param ruleset as parsed from JSON
 * @throws RulesetError on what is no ruleset, is of another schema or bucketing, or whose digest does not hold
 */
export function stateOf(ruleset: unknown): State {
  if (!isObject(ruleset)) throw new RulesetError('a ruleset is a JSON object')
  const { schema, bucketing, project, environment, epoch, revision, digest, endedKills } = ruleset
  if (schema !== SCHEMA) {
    throw new RulesetError(`the ruleset's schema is not ${SCHEMA}, which this version reads: upgrade the SDK`)
  }
  if (bucketing !== BUCKETING) {
    throw new RulesetError(`the ruleset's bucketing is not "${BUCKETING}": upgrade the SDK`)
  }
  if (typeof project !== 'string') throw new RulesetError('project: a string is expected')
  if (typeof environment !== 'string') throw new RulesetError('environment: a string is expected')
  if (!isCount(epoch)) throw new RulesetError('epoch: an integer of 0 or more is expected')
  if (!isCount(revision)) throw new RulesetError('revision: an integer of 0 or more is expected')
  if (!Array.isArray(endedKills) || !endedKills.every((id) => typeof id === 'string')) {
    throw new RulesetError('endedKills: a list of strings is expected')
  }
  const entries = entriesOf(ruleset.entries, revision)
  if (digestOf(entries) !== digest)
    throw new RulesetError('the digest does not hold: the ruleset is damaged, fetch it again')
  const state = {
    project,
    environment,
    epoch,
    revision,
    digest,
    entries,
    pending: new Map(),
    endedKills: new Set<string>(),
  }
  return withPending(state, pendingOf(ruleset.pending), endedKills)
}

function entriesOf(kinds: unknown, revision: number): State['entries'] {
  if (!isObject(kinds)) throw new RulesetError('entries: an object is expected')
  const entries = new Map<string, ReadonlyMap<string, Entry>>()
  for (const [kind, documents] of Object.entries(kinds)) {
    if (!isObject(documents)) throw new RulesetError(`entries of kind "${kind}": an object is expected`)
    const ofKind = new Map<string, Entry>()
    for (const [key, entry] of Object.entries(documents)) {
      if (!isEntry(entry, revision))
        throw new RulesetError(`entry "${kind}/${key}": a revision and a definition are expected`)
      ofKind.set(key, entry)
    }
    if (ofKind.size > 0) entries.set(kind, ofKind)
  }
  return entries
}

function isEntry(entry: unknown, newest: number): entry is Entry {
  if (!isObject(entry)) return false
  const { revision, definition } = entry
  return isCount(revision) && revision <= newest && definition !== undefined && definition !== null
}

function pendingOf(pending: unknown): Ruleset['pending'] {
  if (!isObject(pending)) throw new RulesetError('pending: an object is expected')
  for (const [flag, kills] of Object.entries(pending)) {
    if (!Array.isArray(kills) || !kills.every(isKill)) {
      throw new RulesetError(`pending kills of "${flag}": a list of kills with an id is expected`)
    }
  }
  return pending as Ruleset['pending']
}

function isKill(kill: unknown): kill is Kill {
  return isObject(kill) && typeof kill.id === 'string'
}

/** The wire form of a state. Maps become null-prototype objects, so that any key survives. */
export function rulesetOf(state: State): Ruleset {
  const { project, environment, epoch, revision, digest, endedKills } = state
  return {
    schema: SCHEMA,
    bucketing: BUCKETING,
    project,
    environment,
    epoch,
    revision,
    digest,
    entries: plain(state.entries, plain),
    pending: plain(state.pending, (kills) => kills),
    endedKills: [...endedKills],
  }
}

function plain<V, W = V>(
  map: ReadonlyMap<string, V>,
  convert: (value: V) => W = (v) => v as unknown as W,
): { [key: string]: W } {
  const object: { [key: string]: W } = Object.create(null)
  for (const [key, value] of map) object[key] = convert(value)
  return object
}

/** A log at revision 0, before anything was written. */
export function emptyState(project: string, environment: string, epoch: number): State {
  return {
    project,
    environment,
    epoch,
    revision: 0,
    digest: 0,
    entries: new Map(),
    pending: new Map(),
    endedKills: new Set(),
  }
}

/**
 * The state tag: `<epoch>-<revision>`, and where kills are pending `+` and the murmur3, in 8 hexadecimal digits, of
 * their identifiers, sorted by code unit and joined by commas.
 */
export function tagOf(state: State): string {
  const tag = `${state.epoch}-${state.revision}`
  if (state.pending.size === 0) return tag
  const ids = [...state.pending.values()].flatMap((kills) => kills.map((kill) => kill.id)).sort()
  return `${tag}+${murmur3(ids.join(','), 0).toString(16).padStart(8, '0')}`
}

export function entryOf(state: State, kind: string, key: string): Entry | undefined {
  return state.entries.get(kind)?.get(key)
}

/** Orders states: negative where `a` is older than `b`, 0 where they are the same, positive where it is newer. */
export function compareStates(
  a: { readonly epoch: number; readonly revision: number },
  b: { readonly epoch: number; readonly revision: number },
): number {
  return a.epoch - b.epoch || a.revision - b.revision
}

/**
 * Ruleset to compiled closures, all at once or by what changed. Total: a flag that fails to compile is kept as in
 * error, and every other one works.
 */
import { chunkName } from './bucket.ts'
import type { Compiled, LinkedFlag } from './compiled.ts'
import { newPool, type Pool } from './conditions.ts'
import type { CompiledRule } from './flags.ts'
import { finishFlags, linkFlag } from './link.ts'
import type { AttributePath, Delta, Entry, FlagKey, Ruleset, SegmentKey, State } from './ruleset.ts'
import {
  type CompiledSegment,
  type LooseSegment,
  linkSegments,
  looseSegment,
  membersKey,
  NO_MEMBERS,
  outlineOf,
  withChunks,
} from './segments.ts'
import { emptyState, stateOf } from './state.ts'

const NOTHING: Compiled = {
  state: emptyState('', '', 0),
  flags: new Map(),
  reads: [],
  instants: [],
  segments: new Map(),
}

/**
 * Compiles a ruleset or a state. Values of object variants are frozen in place, as they are handed out.
 *
 * @param source a wire ruleset (checked by `stateOf`), or a state
 * @throws RulesetError on what is no ruleset
 */
export function compile(source: Ruleset | State): Compiled {
  return advance(NOTHING, isState(source) ? source : stateOf(source))
}

function isState(source: Ruleset | State): source is State {
  return source.entries instanceof Map
}

/**
 * Compiles what changed since `compiled`, and what depends on it. What is compiled already stays as it is.
 *
 * @param next any later (or earlier) state of the same environment
 * @param delta where it leads from the compiled state to `next`, saves comparing them
 */
export function advance(compiled: Compiled, next: State, delta?: Delta): Compiled {
  const pool = newPool()
  const touched = touchedBy(compiled.state, next, delta)
  const { segments, altered } = advanceSegments(compiled, next, touched, pool)
  const changed = new Map<FlagKey, LinkedFlag | undefined>()
  const definitions = next.entries.get('flag')
  const kills = next.entries.get('kill')
  for (const key of withNaming(touched.flags, compiled.flags, altered)) {
    const entry = definitions?.get(key)
    const killed = kills?.has(key) === true || next.pending.has(key)
    changed.set(key, entry && linkFlag(key, entry, killed, segments, compiled.flags.get(key)?.linked, pool))
  }
  const flags = finishFlags(compiled.flags, changed)
  return { state: next, flags, segments, ...dependencies(compiled, flags, changed) }
}

type Touched = {
  readonly flags: Set<FlagKey>
  readonly segments: Set<SegmentKey>
  /** Chunks of members, by segment. */
  readonly members: Map<SegmentKey, Set<number>>
}

function touchedBy(previous: State, next: State, delta: Delta | undefined): Touched {
  const touched: Touched = { flags: new Set(), segments: new Set(), members: new Map() }
  const leads =
    delta !== undefined &&
    delta.epoch === previous.epoch &&
    delta.epoch === next.epoch &&
    delta.base === previous.revision &&
    delta.revision === next.revision
  if (leads) for (const { kind, key } of delta.entries) touch(touched, kind, key)
  else
    for (const kind of ['flag', 'segment', 'members', 'kill']) touchDifferent(touched, kind, previous, next)
  for (const key of [...previous.pending.keys(), ...next.pending.keys()]) {
    if (previous.pending.has(key) !== next.pending.has(key)) touched.flags.add(key)
  }
  return touched
}

function touchDifferent(touched: Touched, kind: string, previous: State, next: State): void {
  const before = previous.entries.get(kind)
  const after = next.entries.get(kind)
  if (before === after) return
  for (const [key, entry] of after ?? [])
    if (!isSame(before?.get(key), entry, previous, next)) touch(touched, kind, key)
  for (const key of before?.keys() ?? []) if (!after?.has(key)) touch(touched, kind, key)
}

/** Within an epoch a revision is written once, so that a state fetched anew is not compiled anew. */
function isSame(before: Entry | undefined, after: Entry, previous: State, next: State): boolean {
  return before === after || (previous.epoch === next.epoch && before?.revision === after.revision)
}

function touch(touched: Touched, kind: string, key: string): void {
  if (kind === 'flag' || kind === 'kill') touched.flags.add(key)
  if (kind === 'segment') touched.segments.add(key)
  const members = kind === 'members' ? membersKey(key) : undefined
  if (members === undefined) return
  const chunks = touched.members.get(members.segment)
  if (chunks === undefined) touched.members.set(members.segment, new Set([members.index]))
  else chunks.add(members.index)
}

/** The segments as they are now, and those of which rules have to hear: members alone are none of a rule's business. */
function advanceSegments(
  compiled: Compiled,
  next: State,
  touched: Touched,
  pool: Pool,
): { readonly segments: Compiled['segments']; readonly altered: ReadonlySet<SegmentKey> } {
  const keys = new Set([...touched.segments, ...touched.members.keys()])
  const altered = new Set<SegmentKey>()
  if (keys.size === 0) return { segments: compiled.segments, altered }
  const definitions = next.entries.get('segment')
  const members = next.entries.get('members')
  const loose = new Map<SegmentKey, LooseSegment>(compiled.segments)
  for (const key of keys) {
    const entry = definitions?.get(key)
    const before = compiled.segments.get(key)
    if (entry === undefined) {
      loose.delete(key)
      continue
    }
    const kept = touched.segments.has(key) ? undefined : before?.outline
    const chunks = withChunks(
      before?.chunks ?? NO_MEMBERS,
      before && (touched.members.get(key) ?? []),
      (index) => members?.get(`${key}/${chunkName(index)}`)?.definition,
    )
    loose.set(key, looseSegment(key, kept ?? outlineOf(entry.definition, pool), chunks))
  }
  const segments = linkSegments(loose)
  for (const key of new Set([...compiled.segments.keys(), ...segments.keys()])) {
    if (!sameConsequences(compiled.segments.get(key), segments.get(key))) altered.add(key)
  }
  return { segments, altered }
}

function sameConsequences(a: CompiledSegment | undefined, b: CompiledSegment | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  const [before, after] = [a.consequences, b.consequences]
  return (
    before.fault === after.fault &&
    before.nodes === after.nodes &&
    before.depth === after.depth &&
    sameElements(before.reads, after.reads) &&
    sameElements(before.instants, after.instants)
  )
}

function sameElements<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((element, i) => element === b[i])
}

/** The flags to be linked: those touched, and those with a rule that names an altered segment. */
function withNaming(
  touched: ReadonlySet<FlagKey>,
  flags: Compiled['flags'],
  altered: ReadonlySet<SegmentKey>,
): ReadonlySet<FlagKey> {
  if (altered.size === 0) return touched
  const all = new Set(touched)
  for (const [key, { linked }] of flags) {
    if (linked.kind === 'whole' && linked.body.rules.some((rule) => names(rule, altered))) all.add(key)
  }
  return all
}

function names({ facts }: CompiledRule, segments: ReadonlySet<SegmentKey>): boolean {
  return facts.segments.some((key) => segments.has(key))
}

/** What all flags together depend on; as before where nothing about it changed. */
function dependencies(
  before: Compiled,
  flags: Compiled['flags'],
  changed: ReadonlyMap<FlagKey, LinkedFlag | undefined>,
): Pick<Compiled, 'reads' | 'instants'> {
  if ([...changed].every(([key, flag]) => needsTheSame(before.flags.get(key)?.linked, flag))) {
    return { reads: before.reads, instants: before.instants }
  }
  const reads = new Set<AttributePath>()
  const instants = new Set<number>()
  for (const { linked } of flags.values()) {
    for (const read of linked.reads) reads.add(read)
    for (const instant of linked.instants) instants.add(instant)
  }
  return { reads: [...reads].sort(), instants: [...instants].sort((a, b) => a - b) }
}

function needsTheSame(a: LinkedFlag | undefined, b: LinkedFlag | undefined): boolean {
  return sameElements(a?.reads ?? [], b?.reads ?? []) && sameElements(a?.instants ?? [], b?.instants ?? [])
}

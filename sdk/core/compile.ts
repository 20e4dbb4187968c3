/**
 * Ruleset to compiled closures, all at once or by what changed. Total: a flag that fails to compile is kept as in
 * error, and every other one works.
 */
import { chunkName } from './bucket.ts'
import type { Compiled, LinkedFlag } from './compiled.ts'
import type { CompiledRule } from './flags.ts'
import { finishFlags, linkFlag } from './link.ts'
import type { AttributePath, Delta, Entry, FlagKey, Ruleset, SegmentKey, State } from './ruleset.ts'
import {
  type Chunks,
  type CompiledSegment,
  chunkOf,
  type LooseSegment,
  linkSegments,
  looseSegment,
  membersKey,
  NO_MEMBERS,
  outlineOf,
} from './segments.ts'
import { emptyState, stateOf } from './state.ts'

const NO_ENTRIES: ReadonlyMap<string, Entry> = new Map()
const NO_NEEDS: ReadonlySet<never> = new Set()
const EVERY_CHUNK: readonly number[] = Array.from({ length: 256 }, (_, index) => index)

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
  const touched = touchedBy(compiled.state, next, delta)
  const { segments, altered } = advanceSegments(compiled, next, touched)
  const changed = new Map<FlagKey, LinkedFlag | undefined>()
  const definitions = next.entries.get('flag')
  const kills = next.entries.get('kill')
  for (const key of withNaming(touched.flags, compiled.flags, altered)) {
    const entry = definitions?.get(key)
    const killed = kills?.has(key) === true || next.pending.has(key)
    changed.set(key, entry && linkFlag(key, entry, killed, segments, compiled.flags.get(key)?.linked))
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
  for (const [key, entry] of after ?? []) if (before?.get(key) !== entry) touch(touched, kind, key)
  for (const key of before?.keys() ?? []) if (!after?.has(key)) touch(touched, kind, key)
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
): { readonly segments: Compiled['segments']; readonly altered: ReadonlySet<SegmentKey> } {
  const keys = new Set([...touched.segments, ...touched.members.keys()])
  const altered = new Set<SegmentKey>()
  if (keys.size === 0) return { segments: compiled.segments, altered }
  const definitions = next.entries.get('segment')
  const loose = new Map<SegmentKey, LooseSegment>(compiled.segments)
  for (const key of keys) {
    const entry = definitions?.get(key)
    const before = compiled.segments.get(key)
    if (entry === undefined) {
      loose.delete(key)
      continue
    }
    const kept = touched.segments.has(key) ? undefined : before?.outline
    const members = next.entries.get('members') ?? NO_ENTRIES
    const chunks = before
      ? someChunks(key, before.chunks, members, touched.members.get(key) ?? [])
      : someChunks(key, NO_MEMBERS, members, members.size > 0 ? EVERY_CHUNK : [])
    loose.set(key, looseSegment(key, kept ?? outlineOf(entry.definition), chunks))
  }
  const segments = linkSegments(loose)
  for (const key of new Set([...compiled.segments.keys(), ...segments.keys()])) {
    if (!sameConsequences(compiled.segments.get(key), segments.get(key))) altered.add(key)
  }
  return { segments, altered }
}

/** The chunks, with those of some indices prepared from what the entries hold now. */
function someChunks(
  key: SegmentKey,
  before: Chunks,
  members: ReadonlyMap<string, Entry>,
  indices: Iterable<number>,
): Chunks {
  const chunks = Array.from(EVERY_CHUNK, (index) => before[index])
  for (const index of indices) {
    const entry = members.get(`${key}/${chunkName(index)}`)
    chunks[index] = entry && chunkOf(entry.definition)
  }
  return chunks.some((chunk) => chunk !== undefined) ? chunks : NO_MEMBERS
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

function sameElements<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  if (a.size !== b.size) return false
  for (const element of a) if (!b.has(element)) return false
  return true
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
    if (linked.content.kind === 'whole' && linked.content.body.rules.some((rule) => names(rule, altered)))
      all.add(key)
  }
  return all
}

function names({ facts }: CompiledRule, segments: ReadonlySet<SegmentKey>): boolean {
  for (const key of facts.segments.keys()) if (segments.has(key)) return true
  return false
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
  return (
    sameElements(a?.reads ?? NO_NEEDS, b?.reads ?? NO_NEEDS) &&
    sameElements(a?.instants ?? NO_NEEDS, b?.instants ?? NO_NEEDS)
  )
}

/**
 * A segment's members as they are kept: 256 chunks by the top byte of a unit's murmur3, each with two sorted lists.
 * So an edit of one member of a million rewrites a few thousand of them, not the list.
 */
import { foldCase, type Members, memberChunk, type SegmentKey, type State } from '@halyard/sdk/core'
import type { EntryEdit } from './change.ts'
import { asJson, membersOf } from './documents.ts'
import { countLeading } from './sorted.ts'

/** The names of all chunks, in order: `00` to `ff`. */
export const CHUNKS: readonly string[] = Array.from({ length: 256 }, (_, index) =>
  index.toString(16).padStart(2, '0'),
)
/** The key of a chunk's entry. */
export const chunkKey = (segment: SegmentKey, chunk: string): string => `${segment}/${chunk}`
/** The segment that such a key names. */
export const segmentOfChunk = (key: string): SegmentKey => key.replace(/\/[^/]*$/, '')

const EMPTY: Members = { included: [], excluded: [] }

export type MemberCounts = { readonly included: number; readonly excluded: number }

/** A chunk's lists; empty where there is none. */
export const chunkOf = (state: State, segment: SegmentKey, chunk: string): Members =>
  membersOf(state, segment, chunk) ?? EMPTY

/** How many members a segment has: a look at each chunk, none at a member. */
export function countMembers(state: State, segment: SegmentKey): MemberCounts {
  let included = 0
  let excluded = 0
  for (const chunk of CHUNKS) {
    const members = membersOf(state, segment, chunk)
    if (members === undefined) continue
    included += members.included.length
    excluded += members.excluded.length
  }
  return { included, excluded }
}

/** A chunk rewritten; an empty one is no entry at all. */
export function chunkEdit(segment: SegmentKey, chunk: string, members: Members): EntryEdit {
  const empty = members.included.length + members.excluded.length === 0
  return { kind: 'members', key: chunkKey(segment, chunk), definition: empty ? null : asJson(members) }
}

/** Removes all members. */
export function removeMembers(state: State, segment: SegmentKey): EntryEdit[] {
  return CHUNKS.filter((chunk) => membersOf(state, segment, chunk) !== undefined).map((chunk) =>
    chunkEdit(segment, chunk, EMPTY),
  )
}

/** All chunks as another state has them; those that are the same there too. */
export function membersAsIn(state: State, segment: SegmentKey): EntryEdit[] {
  return CHUNKS.map((chunk) => {
    const members = membersOf(state, segment, chunk)
    return { kind: 'members', key: chunkKey(segment, chunk), definition: members ? asJson(members) : null }
  })
}

/** Whether a list, sorted by code unit, has a unit. */
export function hasUnit(sorted: readonly string[], unit: string): boolean {
  return sorted[countLeading(sorted, (one) => one < unit)] === unit
}

/** Members by chunk, each list without repetitions and sorted. */
export function chunked(included: Iterable<string>, excluded: Iterable<string>): Map<string, Members> {
  const chunks = new Map<string, { readonly included: string[]; readonly excluded: string[] }>()
  const chunkFor = (unit: string) => {
    const chunk = memberChunk(unit)
    const known = chunks.get(chunk)
    if (known !== undefined) return known
    const fresh = { included: [], excluded: [] }
    chunks.set(chunk, fresh)
    return fresh
  }
  for (const unit of included) chunkFor(unit).included.push(unit)
  for (const unit of excluded) chunkFor(unit).excluded.push(unit)
  const sorted = [...chunks].map(([chunk, lists]): [string, Members] => [
    chunk,
    { included: sortedOnce(lists.included), excluded: sortedOnce(lists.excluded) },
  ])
  return new Map(sorted)
}

const sortedOnce = (units: string[]): string[] =>
  units.sort().filter((unit, index) => index === 0 || unit !== units[index - 1])

/** What changes when the members are replaced: the chunks that differ, by name. */
export function replaceChunks(
  state: State,
  segment: SegmentKey,
  next: ReadonlyMap<string, Members>,
): EntryEdit[] {
  return CHUNKS.flatMap((chunk) => {
    const before = chunkOf(state, segment, chunk)
    const after = next.get(chunk) ?? EMPTY
    const same = sameList(before.included, after.included) && sameList(before.excluded, after.excluded)
    return same ? [] : [chunkEdit(segment, chunk, after)]
  })
}

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((unit, index) => unit === b[index])

/** The members folded, for a segment that from now on compares without regard to case. */
export function foldMembers(
  state: State,
  segment: SegmentKey,
): { readonly edits: EntryEdit[]; readonly inBoth: string[] } {
  const next = chunked(
    allMembers(state, segment, 'included', foldCase),
    allMembers(state, segment, 'excluded', foldCase),
  )
  const inBoth = [...next.values()].flatMap(({ included, excluded }) =>
    included.filter((unit) => hasUnit(excluded, unit)),
  )
  return { edits: replaceChunks(state, segment, next), inBoth }
}

/** Both lists, chunk by chunk. */
export function* memberChunks(state: State, segment: SegmentKey): Iterable<Members> {
  for (const chunk of CHUNKS) yield chunkOf(state, segment, chunk)
}

/** Every member of a list, chunk by chunk. */
export function* allMembers(
  state: State,
  segment: SegmentKey,
  list: keyof Members,
  as: (unit: string) => string = (unit) => unit,
): Iterable<string> {
  for (const members of memberChunks(state, segment)) for (const unit of members[list]) yield as(unit)
}

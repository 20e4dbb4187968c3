/** Edits of a segment's members: only the chunks that change are written. Scope: the environment's log. */
import { foldCase, LIMITS, type Members, memberChunk, type SegmentKey, unitOf } from '@halyard/sdk/core'
import type { Edit, EntryEdit, LogId, LogView } from './change.ts'
import { lockedLog } from './documents.ts'
import { checkSize, growthOf } from './edits.ts'
import { at, type Faults, quote } from './faults.ts'
import { UNIT_EXPECTED } from './flags.ts'
import type { MembersEdit, MembersInput } from './inputs.ts'
import {
  allMembers,
  chunkEdit,
  chunked,
  chunkOf,
  countMembers,
  hasUnit,
  type MemberCounts,
  replaceChunks,
} from './member-chunks.ts'
import { inside, type Reading, readFields, readList, startReading } from './reading.ts'
import { findSegment } from './segments.ts'

export type ListEdited = {
  readonly added: number
  /** Asked to add, and there already. */
  readonly present: number
  readonly removed: number
  /** Asked to remove, and not there. */
  readonly absent: number
}
export type MembersEdited = {
  readonly included: ListEdited
  readonly excluded: ListEdited
  /** How many there are now. */
  readonly counts: MemberCounts
}

const LISTS = ['included', 'excluded'] as const
type List = (typeof LISTS)[number]
const other = (list: List): List => (list === 'included' ? 'excluded' : 'included')

/** Adds and removes members, at most 10,000 of them in all. */
export function editMembers(
  environment: LogId,
  segment: SegmentKey,
  input: MembersEdit,
): Edit<MembersEdited> {
  return (logs) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const { state } = view
    const unitFor = readerOfUnits(view, segment)
    const reading = startReading(input)
    const { faults } = reading
    const asked = readAsked(input, reading, unitFor)
    faults.refuse()

    const byChunk = new Map<string, Asked[]>()
    for (const one of asked) {
      const chunk = memberChunk(one.unit)
      const known = byChunk.get(chunk)
      if (known === undefined) byChunk.set(chunk, [one])
      else known.push(one)
    }
    const tally = { included: newTally(), excluded: newTally() }
    const edits: EntryEdit[] = []
    for (const [chunk, changes] of byChunk) {
      const before = chunkOf(state, segment, chunk)
      const next = editChunk(before, changes, tally)
      refuseInBoth(next, changes, faults)
      if (next !== before) edits.push(chunkEdit(segment, chunk, next))
    }
    return finish(view, segment, edits, tally, faults)
  }
}

/** Replaces the lists that are given, up to 1,000,000 members; a list left out stays as it is. */
export function replaceMembers(
  environment: LogId,
  segment: SegmentKey,
  input: MembersInput,
): Edit<MembersEdited> {
  return (logs) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const { state } = view
    const unitFor = readerOfUnits(view, segment)
    const reading = startReading(input)
    const { faults } = reading
    const fields = readFields(input, reading, 'The members', LISTS)
    const given = (list: List): Iterable<string> => {
      if (fields[list] === undefined) return allMembers(state, segment, list)
      const units: string[] = []
      readUnits(fields[list], inside(reading, list), LIMITS.members, unitFor, (unit) => units.push(unit))
      return units
    }
    const next = chunked(given('included'), given('excluded'))
    for (const { included, excluded } of next.values()) {
      for (const unit of included) if (hasUnit(excluded, unit)) faults.add('/excluded', inBoth(unit))
    }
    faults.refuse()

    const tally = { included: newTally(), excluded: newTally() }
    const edits = replaceChunks(state, segment, next)
    for (const list of LISTS) {
      let size = 0
      for (const [chunk, members] of next) {
        const before = chunkOf(state, segment, chunk)[list]
        for (const unit of members[list]) tally[list][hasUnit(before, unit) ? 'present' : 'added'] += 1
        size += members[list].length
      }
      tally[list].removed = countMembers(state, segment)[list] + tally[list].added - size
    }
    return finish(view, segment, edits, tally, faults)
  }
}

type Tally = { -readonly [K in keyof ListEdited]: number }
const newTally = (): Tally => ({ added: 0, present: 0, removed: 0, absent: 0 })

function finish(
  view: LogView,
  segment: SegmentKey,
  edits: readonly EntryEdit[],
  tally: Readonly<Record<List, Tally>>,
  faults: Faults,
) {
  const before = countMembers(view.state, segment)
  const counts = {
    included: before.included + tally.included.added - tally.included.removed,
    excluded: before.excluded + tally.excluded.added - tally.excluded.removed,
  }
  const total = counts.included + counts.excluded
  if (total > LIMITS.members && total > before.included + before.excluded) {
    faults.add('', `A segment has at most ${LIMITS.members} members; with these it would have ${total}.`)
  }
  checkSize(view, growthOf(view.state, edits), faults)
  faults.refuse()
  return {
    action: 'segment.members',
    edits: new Map(edits.length === 0 ? [] : [[view.id, edits]]),
    warnings: [],
    result: { ...tally, counts },
  }
}

/** How a unit is kept in this segment: folded where it compares without regard to case. */
function readerOfUnits(view: LogView, segment: SegmentKey): (value: unknown) => string | undefined {
  const { ignoreCase } = findSegment(view, segment)
  return (value) => {
    const unit = unitOf(value)
    return unit !== undefined && ignoreCase === true ? foldCase(unit) : unit
  }
}

/** `place`: the pointer of the list that it stands in; it is made whole only for a fault. */
type Asked = {
  readonly unit: string
  readonly list: List
  readonly op: 'add' | 'remove'
  readonly place: string
  readonly index: number
}
const pointerTo = ({ place, index }: Asked): string => at(place, index)

function readAsked(
  input: unknown,
  reading: Reading,
  unitFor: (value: unknown) => string | undefined,
): readonly Asked[] {
  const { faults } = reading
  const fields = readFields(input, reading, 'The change', LISTS)
  const asked: Asked[] = []
  const seen = new Map<string, Asked>()
  for (const list of LISTS) {
    if (fields[list] === undefined) continue
    const here = inside(reading, list)
    const ops = readFields(fields[list], here, 'The change of a list', ['add', 'remove'])
    for (const op of ['add', 'remove'] as const) {
      const place = inside(here, op)
      readUnits(ops[op], place, LIMITS.memberChanges, unitFor, (unit, index) => {
        const one: Asked = { unit, list, op, place: place.pointer, index }
        asked.push(one)
        const first = seen.get(`${list} ${unit}`) ?? one
        seen.set(`${list} ${unit}`, first)
        if (first.op !== op) faults.add(pointerTo(one), `${quote(unit)} is both added and removed.`)
      })
    }
  }
  if (asked.length > LIMITS.memberChanges) {
    faults.add('', `One request changes at most ${LIMITS.memberChanges} members; these are ${asked.length}.`)
  }
  return asked
}

function readUnits(
  value: unknown,
  reading: Reading,
  most: number,
  unitFor: (value: unknown) => string | undefined,
  take: (unit: string, index: number) => void,
): void {
  for (const [index, item] of readList(value, reading, 'Members', most).entries()) {
    const unit = unitFor(item)
    if (unit === undefined) reading.faults.add(at(reading.pointer, index), UNIT_EXPECTED)
    else take(unit, index)
  }
}

/** The chunk with the changes; the very same where none changes anything. */
function editChunk(
  before: Members,
  changes: readonly Asked[],
  tally: Readonly<Record<List, Tally>>,
): Members {
  let next = before
  for (const list of LISTS) {
    const current = before[list]
    const added = new Set<string>()
    const removed = new Set<string>()
    for (const { unit, op } of changes.filter((change) => change.list === list)) {
      const has = hasUnit(current, unit)
      if (op === 'add') {
        if (has || added.has(unit)) tally[list].present += 1
        else added.add(unit)
      } else if (has && !removed.has(unit)) {
        removed.add(unit)
      } else {
        tally[list].absent += 1
      }
    }
    tally[list].added += added.size
    tally[list].removed += removed.size
    if (added.size + removed.size === 0) continue
    const kept = removed.size === 0 ? current : current.filter((unit) => !removed.has(unit))
    next = { ...next, [list]: [...kept, ...added].sort() }
  }
  return next
}

function refuseInBoth(next: Members, changes: readonly Asked[], faults: Faults): void {
  for (const one of changes) {
    if (one.op === 'add' && hasUnit(next[other(one.list)], one.unit))
      faults.add(pointerTo(one), inBoth(one.unit))
  }
}

const inBoth = (unit: string): string =>
  `${quote(unit)} would be both included and excluded; remove it from one of the lists.`

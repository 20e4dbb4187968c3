/**
 * Brings flags' configurations from one environment to another: the parts that are asked for, with the segments that
 * their rules name. Users of the target keep their variants wherever the shares let them. Kills are no part of it.
 * Scope: both environments' logs.
 */
import { entryOf, LIMITS, type SegmentKey } from '@halyard/sdk/core'
import type { Edit, EntryEdit, LockedLogs, LogId, LogView, Moment, Warning } from './change.ts'
import { draftConfiguration, whyNotHere } from './current-configuration.ts'
import { asJson, entriesOf, lockedLog } from './documents.ts'
import { changes, replaced } from './edits.ts'
import { at, collectFaults, type Faults, namedFaults, quote, quoteSome } from './faults.ts'
import type { Part, PromotionInput } from './inputs.ts'
import { countMembers, membersAsIn } from './member-chunks.ts'
import { composed } from './promotion-parts.ts'
import { planOf, readPlan, refuseMoved, refuseOther } from './promotion-plan.ts'
import { inside, type Reading, readFields, readKeys, readList, readWord, startReading } from './reading.ts'
import { flagsUnder, segmentsUnder } from './references.ts'
import { draftSegment, readSegment } from './segments.ts'
import { type Draft, settle } from './settle.ts'
import { flagWarnings, namedWarnings, segmentWarnings } from './warnings.ts'
import type { DocumentChange } from './words/changes.ts'

export const PARTS = [
  'variants',
  'prerequisites',
  'rules',
  'targets',
  'fallthrough',
  'enabled',
  'shares',
] as const satisfies readonly Part[]
const PARTS_UNASKED: readonly Part[] = ['variants', 'prerequisites', 'rules', 'fallthrough']
export const SEGMENT_PARTS = ['when', 'members', 'none'] as const

export type Promoted = {
  /** Given back in a later call, it makes that call this very change, or none. */
  readonly plan: string
  /** The flags that were named, the segments that travel with them, and the chunks of members that change. */
  readonly documents: readonly DocumentChange[]
}

/**
 * What is not among the parts stays as it is in the target; a flag without a configuration there gets a new one.
 * @throws Problem `plan-stale` where a plan was given, and either side has moved since
 */
export function promote(from: LogId, to: LogId, input: PromotionInput): Edit<Promoted> {
  return (logs, moment) => {
    const source = lockedLog(logs, from, 'environment-not-found')
    const target = lockedLog(logs, to, 'environment-not-found')
    const reading = startReading(input)
    const { faults } = reading
    const asked = readAsked(input, reading)
    if (from === to) faults.add('/to', 'Name another environment than the one that the flags come from.')
    faults.refuse()
    if (asked.plan !== undefined) refuseMoved(asked.plan, source, target)
    refuseAbsent(logs, source, target, asked)

    const call: Promotion = { logs, moment, source, target, asked, faults }
    const brought = [
      ...asked.flags.map((key, index) => bringFlag(call, key, at('/flags', index))),
      ...[...segmentsThatTravel(call)].map(([key, pointer]) => bringSegment(call, key, pointer)),
    ]
    faults.refuse()
    const drafts = brought.map(({ draft }) => draft)
    const also = brought.flatMap((one) => one.also)
    const edits = settle(target, drafts, faults, also)
    const plan = planOf(
      source,
      target,
      edits.flatMap(([, entries]) => entries),
    )
    if (asked.plan !== undefined) refuseOther(asked.plan, plan)
    return {
      action: 'environment.promote',
      edits: new Map(edits),
      warnings: [...brought.flatMap(({ warnings }) => warnings), ...otherFlags(target, brought, asked.flags)],
      result: { plan, documents: [...drafts, ...also].map((edit) => replaced(target.state, edit)) },
    }
  }
}

type Asked = {
  readonly flags: readonly string[]
  readonly parts: ReadonlySet<Part>
  readonly segments: (typeof SEGMENT_PARTS)[number]
  readonly plan: string | undefined
}
type Promotion = {
  readonly logs: LockedLogs
  readonly moment: Moment
  readonly source: LogView
  readonly target: LogView
  readonly asked: Asked
  readonly faults: Faults
}
/** A document as the target would have it, and what comes with it. Nothing of it holds where faults were added. */
type Brought = {
  readonly draft: Draft
  readonly also: readonly EntryEdit[]
  readonly warnings: readonly Warning[]
}

function readAsked(input: unknown, reading: Reading): Asked {
  const { faults } = reading
  const fields = readFields(input, reading, 'A promotion', ['flags', 'parts', 'segments', 'plan'])
  const flags = readKeys(fields.flags ?? [], inside(reading, 'flags'), 'Flags', LIMITS.flags)
  if (flags.length === 0 && faults.count === 0) faults.add('/flags', 'Name at least one flag.')
  const named = inside(reading, 'parts')
  const parts = readList(fields.parts ?? PARTS_UNASKED, named, 'Parts', PARTS.length).map((part, index) =>
    readWord(part, inside(named, index), 'A part', PARTS),
  )
  if (parts.length === 0 && faults.count === 0)
    faults.add('/parts', `Name at least one part: ${PARTS.join(', ')}.`)
  return {
    flags,
    parts: new Set(parts),
    segments: readWord(fields.segments ?? 'when', inside(reading, 'segments'), 'segments', SEGMENT_PARTS),
    plan: readPlan(fields.plan, inside(reading, 'plan')),
  }
}

function refuseAbsent(logs: LockedLogs, source: LogView, target: LogView, { flags, parts }: Asked): void {
  const { state } = source
  const absent = collectFaults()
  const archived = collectFaults()
  const bare = collectFaults()
  for (const [index, key] of flags.entries()) {
    const pointer = at('/flags', index)
    if (entryOf(state, 'flag', key) === undefined) {
      if (whyNotHere(logs, source, key)?.type === 'flag-archived') {
        archived.add(pointer, `The flag ${quote(key)} is archived; unarchive it first.`)
        continue
      }
      const unknown = { key, candidates: entriesOf(state, 'flag').keys() }
      absent.add(pointer, `There is no flag ${quote(key)} in ${quote(state.environment)}.`, unknown)
    } else if (!parts.has('variants') && entryOf(target.state, 'flag', key) === undefined) {
      const there = quote(target.state.environment)
      bare.add(
        pointer,
        `The flag ${quote(key)} has no configuration in ${there} yet: promote its variants too.`,
      )
    }
  }
  absent.refuse('flag-not-found')
  archived.refuse('flag-archived')
  bare.refuse()
}

function bringFlag(call: Promotion, key: string, pointer: string): Brought {
  const { logs, moment, source, target, asked } = call
  const what = `The flag ${quote(key)}`
  const faults = namedFaults(call.faults, pointer, what, (within) => adviceFor(within, call))
  const theirs = entryOf(source.state, 'flag', key)?.definition
  const ours = entryOf(target.state, 'flag', key)?.definition
  const before = faults.count
  const { input, moved } = composed(theirs, ours, asked.parts)
  const reading = { faults, pointer, keepRanges: true }
  const drafted = draftConfiguration(logs, target, key, input, moment, reading)
  const draft = { kind: 'flag', key, definition: asJson(drafted.config), pointer, faults } as const
  if (faults.count > before || !changes(target.state, draft)) return { draft, also: [], warnings: [] }
  const inside = drafted.moved.map((move) => ({ ...move, pointer: move.pointer.slice(pointer.length) }))
  const warnings = flagWarnings(drafted.config, [...moved, ...inside])
  return { draft, also: [], warnings: namedWarnings(warnings, pointer, what) }
}

/** Each with where the first flag was named whose rules lead to it. */
function segmentsThatTravel({ source, asked }: Promotion): ReadonlyMap<SegmentKey, string> {
  const found = new Map<SegmentKey, string>()
  if (asked.segments === 'none' || !asked.parts.has('rules')) return found
  for (const [index, flag] of asked.flags.entries()) {
    for (const segment of segmentsUnder(source.state, entryOf(source.state, 'flag', flag)?.definition)) {
      const known = found.has(segment) || entryOf(source.state, 'segment', segment) === undefined
      if (!known) found.set(segment, at('/flags', index))
    }
  }
  return found
}

function bringSegment(call: Promotion, key: SegmentKey, pointer: string): Brought {
  const { source, target, asked } = call
  const what = `The segment ${quote(key)}`
  const faults = namedFaults(call.faults, pointer, what, () => '')
  const reading = { faults, pointer }
  const definition = entryOf(source.state, 'segment', key)?.definition
  const withMembers = asked.segments === 'members'
  const { segment, also } = withMembers
    ? { segment: readSegment(definition, reading), also: membersAsIn(source.state, key) }
    : draftSegment(target, key, definition, reading)
  const draft = { kind: 'segment', key, definition: asJson(segment), pointer, faults } as const
  const changed = also.filter((edit) => changes(target.state, edit))
  if (!changes(target.state, draft)) return { draft, also: changed, warnings: [] }
  const warnings = namedWarnings(segmentWarnings(segment), pointer, what)
  const { included, excluded } = countMembers(source.state, key)
  if (!withMembers && entryOf(target.state, 'segment', key) === undefined && included + excluded > 0) {
    const message = `${what} is new in ${quote(target.state.environment)}, and came without its ${included + excluded} members: add those who belong there, or promote with segments "members".`
    warnings.push({ code: 'members-not-promoted', pointer, message })
  }
  return { draft, also: changed, warnings }
}

/** A segment that changes may be one of others, too. */
function otherFlags({ state }: LogView, brought: readonly Brought[], flags: readonly string[]): Warning[] {
  const segments = brought.filter(
    ({ draft, also }) => draft.kind === 'segment' && (also.length > 0 || changes(state, draft)),
  )
  const named = new Set(flags)
  const others = flagsUnder(
    state,
    segments.map(({ draft }) => draft.key),
  ).filter((flag) => !named.has(flag))
  if (others.length === 0) return []
  const message = `Segments that change here decide about flags that do not travel, too: ${quoteSome(others.sort())}.`
  return [{ code: 'other-flags-affected', message }]
}

/** What to do about a fault at that place of a configuration. */
function adviceFor(within: string, { asked, target }: Promotion): string {
  if (within.endsWith('/when') && asked.segments === 'none')
    return 'Promote with segments "when", or make it there first.'
  if (within.startsWith('/prerequisites/')) return 'Promote that flag too, or first.'
  if (!/^\/(offVariant|targets|rules|fallthrough)/.test(within)) return ''
  return `Parts that do not travel stay as they are in ${quote(target.state.environment)}.`
}

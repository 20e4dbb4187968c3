/** Edits of segments: who belongs to one besides its members. Scope: the environment's log. */
import { entryOf, type Json, type Segment, type SegmentKey } from '@halyard/sdk/core'
import type { Change, Edit, EntryEdit, LogId, LogView } from './change.ts'
import { readCondition } from './conditions.ts'
import { asJson, entriesOf, lockedLog, segmentOf } from './documents.ts'
import { expectMatch } from './expectations.ts'
import { collectFaults, type Faults, nearest, quote } from './faults.ts'
import type { Expectation, SegmentInput } from './inputs.ts'
import { foldMembers, removeMembers } from './member-chunks.ts'
import { mergePatch } from './merge-patch.ts'
import { Problem } from './problem.ts'
import {
  fieldOf,
  inside,
  READ_ONLY,
  type Reading,
  readAttribute,
  readBoolean,
  readFields,
  readKey,
  startReading,
  TARGETING_KEY,
} from './reading.ts'
import { settle } from './settle.ts'
import { segmentWarnings } from './warnings.ts'

/** Creates a segment, or replaces what it is. Its members stay. */
export function putSegment(
  environment: LogId,
  key: SegmentKey,
  input: SegmentInput,
  expect: Expectation,
): Edit<Segment> {
  return configure(environment, key, (view) => {
    expectMatch(view.state, 'segment', key, expect)
    return input
  })
}

/** `patch`: a JSON Merge Patch (RFC 7396). */
export function patchSegment(
  environment: LogId,
  key: SegmentKey,
  patch: Json,
  expect: Expectation,
): Edit<Segment> {
  return configure(environment, key, (view) => {
    const current = findSegment(view, key)
    expectMatch(view.state, 'segment', key, expect)
    return mergePatch(current, patch)
  })
}

/** Deletes a segment with its members. Problem `segment-referenced` while a flag or a segment names it. */
export function deleteSegment(environment: LogId, key: SegmentKey, expect: Expectation): Edit<Segment> {
  return (logs) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const current = findSegment(view, key)
    expectMatch(view.state, 'segment', key, expect)
    const edits = settle(
      view,
      [{ kind: 'segment', key, definition: null, pointer: '' }],
      collectFaults(),
      removeMembers(view.state, key),
    )
    return { action: 'segment.delete', edits: new Map(edits), warnings: [], result: current }
  }
}

function configure(environment: LogId, key: SegmentKey, plan: (view: LogView) => unknown): Edit<Segment> {
  return (logs): Change<Segment> => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const input = plan(view)
    const reading = startReading(input)
    const { faults } = reading
    const { segment, also } = draftSegment(view, key, input, reading)
    faults.refuse()
    const edits = settle(
      view,
      [{ kind: 'segment', key, definition: asJson(segment), pointer: '' }],
      faults,
      also,
    )
    const created = entryOf(view.state, 'segment', key) === undefined
    return {
      action: created ? 'segment.create' : 'segment.update',
      edits: new Map(edits),
      warnings: segmentWarnings(segment),
      result: segment,
    }
  }
}

/** Reads a segment that is to replace the current one, and the members' entries that change with it. */
export function draftSegment(
  view: LogView,
  key: SegmentKey,
  input: unknown,
  reading: Reading,
): { readonly segment: Segment; readonly also: readonly EntryEdit[] } {
  const current = entryOf(view.state, 'segment', key)?.definition
  // A key that exists was checked when it came to be.
  if (current === undefined) readKey(key, reading, 'A segment’s key')
  const segment = readSegment(input, reading)
  const folds = segment.ignoreCase === true && fieldOf(current, 'ignoreCase') !== true
  return { segment, also: folds ? fold(view, key, reading.faults, reading.pointer) : [] }
}

/** Units that differed by case alone are one from now on, and must not be in both lists. */
function fold({ state }: LogView, key: SegmentKey, faults: Faults, pointer: string): readonly EntryEdit[] {
  const { edits, inBoth } = foldMembers(state, key)
  for (const unit of inBoth) {
    faults.add(
      `${pointer}/ignoreCase`,
      `Without regard to case ${quote(unit)} is both included and excluded; remove it from one of the lists first.`,
    )
  }
  return edits
}

/** A segment as it is kept. Nothing can be relied on where faults were added. */
export function readSegment(input: unknown, reading: Reading): Segment {
  const fields = readFields(input, reading, 'A segment', ['by', 'ignoreCase', 'when'], READ_ONLY)
  const by = fields.by === undefined ? TARGETING_KEY : readAttribute(fields.by, inside(reading, 'by'))
  const ignoreCase =
    fields.ignoreCase !== undefined &&
    readBoolean(fields.ignoreCase, inside(reading, 'ignoreCase'), 'ignoreCase')
  const when =
    fields.when === undefined || fields.when === null
      ? null
      : readCondition(fields.when, inside(reading, 'when'))
  return ignoreCase ? { by, ignoreCase, when } : { by, when }
}

/** A segment that is there; a Problem where it is not. */
export function findSegment({ state }: LogView, key: SegmentKey): Segment {
  const segment = segmentOf(state, key)
  if (segment !== undefined) return segment
  const didYouMean = nearest(key, entriesOf(state, 'segment').keys())
  throw new Problem('segment-not-found', `There is no segment ${quote(key)}.`, { didYouMean })
}

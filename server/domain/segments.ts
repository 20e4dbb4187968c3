/** Edits of segments. Scope: the environment's log. */
import type { FlagKey, Json, Segment, SegmentKey, State } from '@halyard/sdk/core'
import type { Edit, LogId } from './change.ts'
import type { Expectation, SegmentInput } from './inputs.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
export const putSegment = (
  _environment: LogId,
  _key: SegmentKey,
  _input: SegmentInput,
  _expect: Expectation,
): Edit<Segment> => later
/** `patch`: a JSON Merge Patch (RFC 7396). */
export const patchSegment = (
  _environment: LogId,
  _key: SegmentKey,
  _patch: Json,
  _expect: Expectation,
): Edit<Segment> => later
export const deleteSegment = (_environment: LogId, _key: SegmentKey, _expect: Expectation): Edit<Segment> =>
  later
/** The flags and segments that name a segment, sorted. */
export const references = (
  _state: State,
  _key: SegmentKey,
): { readonly flags: readonly FlagKey[]; readonly segments: readonly SegmentKey[] } => later()

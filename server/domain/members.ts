/** Edits of a segment's members: only the chunks that change are written. Scope: the environment's log. */
import type { SegmentKey, State } from '@halyard/sdk/core'
import type { Edit, LogId } from './change.ts'
import type { MembersEdit, MembersInput } from './inputs.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
export type ListEdited = {
  readonly added: number
  /** Asked to add, and there already. */
  readonly present: number
  readonly removed: number
  /** Asked to remove, and not there. */
  readonly absent: number
}
export type MemberCounts = { readonly included: number; readonly excluded: number }
export type MembersEdited = {
  readonly included: ListEdited
  readonly excluded: ListEdited
  readonly counts: MemberCounts
}
export const editMembers = (
  _environment: LogId,
  _segment: SegmentKey,
  _input: MembersEdit,
): Edit<MembersEdited> => later
/** Replaces both lists; up to 1,000,000 members. */
export const replaceMembers = (
  _environment: LogId,
  _segment: SegmentKey,
  _input: MembersInput,
): Edit<MembersEdited> => later
/** How many members a segment has, without a walk over them. */
export const countMembers = (_state: State, _segment: SegmentKey): MemberCounts => later()

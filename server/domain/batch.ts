/** Many puts and deletes of flags and segments as one change, checked on the state that results. */
import type { Json } from '@halyard/sdk/core'
import type { Edit, LogId } from './change.ts'
import type { ChangeInput, RangesOption } from './inputs.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
export type CommittedEntry = {
  readonly kind: 'flag' | 'segment'
  readonly key: string
  readonly definition: Json
}
/** The entries that changed. */
export const commitAll = (
  _environment: LogId,
  _changes: readonly ChangeInput[],
  _options: RangesOption = {},
): Edit<readonly CommittedEntry[]> => later

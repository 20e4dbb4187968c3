/** Edits of SDK keys. Scope: the project's log. */
import type { Edit, LogId } from './change.ts'
import type { SdkKeyDocument } from './documents.ts'
import type { SdkKeyInput } from './inputs.ts'
import type { Minted } from './system.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
/** `randomBytes`: 32, from a cryptographic source. */
export const createSdkKey = (
  _project: LogId,
  _environment: LogId,
  _input: SdkKeyInput,
  _randomBytes: Uint8Array,
): Edit<Minted<SdkKeyDocument>> => later
export const revokeSdkKey = (_project: LogId, _id: string): Edit<SdkKeyDocument> => later

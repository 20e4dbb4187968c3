/** Edits of flag identities. Scope: the project's log with descendants (update and delete: the project's log). */
import type { FlagKey } from '@halyard/sdk/core'
import type { Edit, LogId } from './change.ts'
import type { Identity } from './documents.ts'
import type { CreateFlagInput, Expectation, FlagPatch } from './inputs.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
export const createFlag = (_project: LogId, _input: CreateFlagInput): Edit<Identity> => later
export const updateFlag = (
  _project: LogId,
  _key: FlagKey,
  _patch: FlagPatch,
  _expect: Expectation,
): Edit<Identity> => later
export const archiveFlag = (_project: LogId, _key: FlagKey): Edit<Identity> => later
export const unarchiveFlag = (_project: LogId, _key: FlagKey): Edit<Identity> => later
export const deleteFlag = (_project: LogId, _key: FlagKey, _expect: Expectation): Edit<Identity> => later

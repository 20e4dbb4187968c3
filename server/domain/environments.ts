/** Edits of environments. */
import type { Edit, LogId } from './change.ts'
import type { EnvironmentDocument } from './documents.ts'
import type { EnvironmentInput, EnvironmentPatch, Expectation } from './inputs.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
/** Scope: the project's log; with `from`, also that environment's log (or all, with descendants). */
export const createEnvironment = (_project: LogId, _input: EnvironmentInput): Edit<EnvironmentDocument> =>
  later
/** Scope: the project's log. */
export const updateEnvironment = (
  _project: LogId,
  _key: string,
  _patch: EnvironmentPatch,
  _expect: Expectation,
): Edit<EnvironmentDocument> => later
/** Scope: the project's log and the environment's. */
export const deleteEnvironment = (
  _project: LogId,
  _key: string,
  _expect: Expectation,
): Edit<EnvironmentDocument> => later
/** Whether an environment's `corsOrigins` let a browser's `Origin` in. */
export const corsAllows = (_patterns: readonly string[], _origin: string): boolean => later()

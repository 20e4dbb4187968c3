/** Edits of the system log: projects and management keys. Scope: the system log (and below, to delete a project). */
import type { Edit } from './change.ts'
import type { ApiKeyDocument, ProjectDocument } from './documents.ts'
import type { ApiKeyInput, Expectation, ProjectInput } from './inputs.ts'

const later = (): never => {
  throw new Error('Not built yet.')
}
/** A key's document, and its whole text, which is shown this once. */
export type Minted<D> = { readonly document: D; readonly secret: string }

/** Project `default` with development, staging and production, where there is no project yet. Scope: system. */
export const bootstrap = (): Edit<{ readonly created: boolean }> => later
/** Scope: system. */
export const createProject = (_input: ProjectInput): Edit<ProjectDocument> => later
/** Scope: system. */
export const updateProject = (
  _key: string,
  _patch: { readonly name?: string | undefined },
  _expect: Expectation,
): Edit<ProjectDocument> => later
/** Scope: system, then the project's log, with descendants. */
export const deleteProject = (_key: string, _expect: Expectation): Edit<ProjectDocument> => later
/** Scope: system. `randomBytes`: 32, from a cryptographic source. */
export const createApiKey = (_input: ApiKeyInput, _randomBytes: Uint8Array): Edit<Minted<ApiKeyDocument>> =>
  later
/** Scope: system. */
export const revokeApiKey = (_id: string): Edit<ApiKeyDocument> => later

/** Documents of the logs as the management API shows them: with their stamp, without what is inside alone. */
import type { Entry, FlagConfig, Json, Segment } from '@halyard/sdk/core'
import { HALYARD } from '../domain/change.ts'
import {
  type ApiKeyDocument,
  type EnvironmentDocument,
  type Identity,
  type KeyDocument,
  killInForce,
  type ProjectDocument,
  type SdkKeyDocument,
} from '../domain/documents.ts'
import { countMembers } from '../domain/member-chunks.ts'
import type { Held } from '../live/live.ts'
import type { Provenance } from '../store/store.ts'

/** Where and when a document was last changed. */
export type Stamp = {
  readonly epoch: number
  readonly revision: number
  readonly changedAt: string
  readonly changedBy: Provenance['by']
}

/** Shows a definition of one kind. `held` is for what stands beside it. */
export type Show = (key: string, definition: Json, held: Held) => object

export function stampOf(epoch: number, revision: number, provenance: Provenance | undefined): Stamp {
  return {
    epoch,
    revision,
    changedAt: new Date(provenance?.at ?? 0).toISOString(),
    changedBy: provenance?.by ?? HALYARD,
  }
}

/** An entry as its GET shows it. */
export function shownEntry(show: Show, held: Held, key: string, entry: Entry): Stamp {
  const provenance = held.provenance.get(entry.revision)
  return { ...show(key, entry.definition, held), ...stampOf(held.head.epoch, entry.revision, provenance) }
}

export const showProject: Show = (_, definition) => {
  const { key, name } = definition as unknown as ProjectDocument
  return { key, name }
}

export const showEnvironment: Show = (_, definition) => {
  const { key, name, settings } = definition as unknown as EnvironmentDocument
  return { key, name, settings }
}

export const showFlag: Show = (_, definition) => {
  const { archived, deleted: _deleted, ...identity } = definition as unknown as Identity
  return { ...identity, archived: archived === null ? null : { at: archived.at, by: archived.by } }
}

export const showConfiguration: Show = (key, definition, held) => ({
  key,
  ...(definition as unknown as FlagConfig),
  kill: killInForce(held.state, key) ?? null,
})

export const showSegment: Show = (key, definition, held) => ({
  key,
  ...(definition as unknown as Segment),
  members: countMembers(held.state, key),
})

/** What is told of a key: never its digest. */
function showKey(document: KeyDocument, kind: object): object {
  const { id, name, createdAt, expiresAt, replaces, replacedBy } = document
  return { id, ...kind, name, createdAt, expiresAt, replaces, replacedBy }
}

export const showSdkKey: Show = (_, definition) => {
  const document = definition as unknown as SdkKeyDocument
  return showKey(document, { kind: document.kind })
}

export const showApiKey: Show = (_, definition) => {
  const document = definition as unknown as ApiKeyDocument
  return showKey(document, { grants: document.grants })
}

const asItIs: Show = (_, definition) => definition as object
/** What is shown of a document that changes or changed, by its kind. Of members it is counts, which are not here. */
export const SHOWN: Readonly<Record<string, Show>> = {
  project: showProject,
  environment: showEnvironment,
  identity: showFlag,
  flag: asItIs,
  segment: asItIs,
  kill: asItIs,
  'sdk-key': showSdkKey,
  'api-key': showApiKey,
}

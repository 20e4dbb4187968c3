/**
 * The documents of the logs, by kind, and the one place that reads them out of a state with their types.
 * What stands in a log was checked when it was written; what may be broken (SQL by hand) is read as `unknown`.
 */
import {
  type Entry,
  entryOf,
  type FlagConfig,
  type FlagKey,
  type FlagType,
  type Json,
  type Kill,
  type Members,
  type Segment,
  type SegmentKey,
  type State,
} from '@halyard/sdk/core'
import type { LockedLogs, LogId, LogView } from './change.ts'
import { Problem } from './problem.ts'

/** System log, kind `project`, under the project's key. */
export type ProjectDocument = { readonly id: LogId; readonly key: string; readonly name: string }

export type Role = 'admin' | 'editor' | 'viewer' | 'killer'
/** `projects`, `environments` absent: all of them. Environments as `<project>/<environment>`. */
export type GrantDocument = {
  readonly role: Role
  readonly projects?: readonly string[]
  readonly environments?: readonly string[]
}
/** What keys of every kind have. */
export type KeyDocument = {
  readonly id: string
  readonly name: string
  /** SHA-256 of the key's whole text, hex. */
  readonly digest: string
  readonly createdAt: string
  readonly expiresAt?: string
  /** Ids: of the key that this one was made for, and of the one made for it. */
  readonly replaces?: string
  readonly replacedBy?: string
}
/** System log, kind `api-key`, under the key's id. */
export type ApiKeyDocument = KeyDocument & { readonly grants: readonly GrantDocument[] }

export type Settings = {
  readonly corsOrigins: readonly string[]
  readonly requireComment: boolean
  readonly confirmBulk: boolean
}
/** Project log, kind `environment`, under the environment's key. */
export type EnvironmentDocument = {
  readonly id: LogId
  readonly key: string
  readonly name: string
  readonly settings: Settings
}
/** Project log, kind `sdk-key`, under the key's id. */
export type SdkKeyDocument = KeyDocument & {
  readonly kind: 'server' | 'client'
  readonly environment: LogId
}
/** Project log, kind `identity`, under the flag's key. */
export type Identity = {
  readonly key: FlagKey
  readonly type: FlagType
  readonly description: string
  readonly tags: readonly string[]
  readonly owner: string | null
  readonly temporary: boolean
  readonly expiresAt?: string
  /** What a new environment starts with. */
  readonly initial: FlagConfig
  readonly archived: null | {
    readonly at: string
    readonly by: string
    /** By environment id, as they were. */
    readonly configurations: { readonly [environment: LogId]: FlagConfig }
  }
  /** A tombstone: the key stays reserved. */
  readonly deleted?: true
}

function definitionOf<T>(state: State, kind: string, key: string): T | undefined {
  return entryOf(state, kind, key)?.definition as T | undefined
}

export const flagOf = (state: State, key: FlagKey): FlagConfig | undefined => definitionOf(state, 'flag', key)
export const segmentOf = (state: State, key: SegmentKey): Segment | undefined =>
  definitionOf(state, 'segment', key)
export const killOf = (state: State, key: FlagKey): Kill | undefined => definitionOf(state, 'kill', key)
/** The kill that is served: in the log, or accepted and not there yet. */
export const killInForce = (state: State, key: FlagKey): Kill | undefined =>
  killOf(state, key) ?? state.pending.get(key)?.[0]
export const membersOf = (state: State, segment: SegmentKey, chunk: string): Members | undefined =>
  definitionOf(state, 'members', `${segment}/${chunk}`)
export const projectOf = (state: State, key: string): ProjectDocument | undefined =>
  definitionOf(state, 'project', key)
export const apiKeyOf = (state: State, id: string): ApiKeyDocument | undefined =>
  definitionOf(state, 'api-key', id)
export const environmentOf = (state: State, key: string): EnvironmentDocument | undefined =>
  definitionOf(state, 'environment', key)
export const sdkKeyOf = (state: State, id: string): SdkKeyDocument | undefined =>
  definitionOf(state, 'sdk-key', id)
/** The flag's identity, archived or not; nothing for a deleted one. */
export const identityOf = (state: State, key: FlagKey): Identity | undefined => {
  const identity = definitionOf<Identity>(state, 'identity', key)
  return identity?.deleted ? undefined : identity
}

const NONE: ReadonlyMap<string, Entry> = new Map()
/** All current entries of a kind, by key. */
export const entriesOf = (state: State, kind: string): ReadonlyMap<string, Entry> =>
  state.entries.get(kind) ?? NONE

/** All documents of a kind, in no order. */
export function* documentsOf<T>(state: State, kind: string): Iterable<T> {
  for (const { definition } of entriesOf(state, kind).values()) yield definition as T
}

/** A document as an entry's definition: the same value under the wire's type. */
export const asJson = (document: object): Json => document as unknown as Json

/** A locked log of an edit; a Problem of that type where the log is not (or no longer) there. */
export function lockedLog(
  logs: LockedLogs,
  id: LogId,
  missing: 'project-not-found' | 'environment-not-found',
): LogView {
  const view = logs.get(id)
  if (view === undefined) {
    throw new Problem(missing, 'It was deleted, or never existed. List what there is, and try again.')
  }
  return view
}

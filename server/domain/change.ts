/**
 * What an edit is: a pure function from the states of the logs that it locks to the entries that it changes.
 * The store runs edits inside its one write transaction; everything here is plain data.
 */
import type { DeltaEntry, State } from '@halyard/sdk/core'

/** `system`, or the surrogate id of a project (`prj_…`) or an environment (`env_…`). */
export type LogId = string
export type LogKind = 'system' | 'project' | 'environment'
export const SYSTEM: LogId = 'system'

/** A log as an edit sees it, under the log's row lock. */
export type LogView = {
  readonly id: LogId
  readonly kind: LogKind
  readonly parent: LogId | null
  readonly state: State
  /** Bytes of the canonical texts of all current entries. */
  readonly bytes: number
}

/** The locked logs by id. */
export type LockedLogs = ReadonlyMap<LogId, LogView>

/**
 * Who acts. `name` is for people; `id` is a key's id, `admin` for the configured admin key, or `halyard` itself.
 * `sdk-key`: a key that ended itself, the one thing that such a key may write.
 */
export type Actor = {
  readonly kind: 'api-key' | 'sdk-key' | 'system'
  readonly id: string
  readonly name: string
}

/** The service itself. */
export const HALYARD: Actor = { kind: 'system', id: 'halyard', name: 'Halyard' }

/** What an edit may know of the world: time and chance are arguments. */
export type Moment = {
  /** Epoch milliseconds. */
  readonly now: number
  readonly actor: Actor
  readonly comment?: string | undefined
  /** A new random identifier of the alphabet `[a-z0-9]`, 20 characters, never the same twice. */
  readonly mint: () => string
  /** The edit was made before, on these very logs: it runs for its answer alone, and what let it pass is not asked again. */
  readonly again?: Made
}

/** What a change wrote when it was made. */
export type Made = {
  readonly wrote: (log: LogId, kind: string, key: string) => boolean
}

/** `definition: null` removes the entry. */
export type EntryEdit = Pick<DeltaEntry, 'kind' | 'key' | 'definition'>

/** A log that a commit opens. Its first revision is 1 and holds `entries`. */
export type Opening = {
  readonly id: LogId
  readonly kind: LogKind
  readonly parent: LogId
  /** Keys as carried on the wire; for a project's log `environment` is empty. */
  readonly project: string
  readonly environment: string
  readonly entries: readonly EntryEdit[]
}

export type Warning = {
  readonly code:
    | 'serves-only-off'
    | 'not-matches-missing'
    | 'users-may-move'
    | 'unit-often-missing'
    | 'skipped-by-connected-sdks'
    | 'grant-names-unknown'
    | 'not-reverted'
    | 'members-not-promoted'
    | 'other-flags-affected'
  /** JSON Pointer into the document, where there is one. */
  readonly pointer?: string
  readonly message: string
  /** `users-may-move`: the share of users that may move, 0 to 1. */
  readonly share?: number
}

/** What an edit decided. Entries equal to the current ones are left out; with no change at all there is no revision. */
export type Change<R> = {
  /** `<noun>.<verb>`, such as `flag.enable`; kept with the change record. */
  readonly action: string
  readonly edits: ReadonlyMap<LogId, readonly EntryEdit[]>
  readonly opens?: readonly Opening[]
  /** Logs that end with this commit. */
  readonly closes?: readonly LogId[]
  /** Logs that go on in a new epoch, which is higher than theirs. */
  readonly epochs?: ReadonlyMap<LogId, number>
  readonly warnings: readonly Warning[]
  /** What the caller asked for: the new document, the minted key, the first kill. */
  readonly result: R
}

/** Throws a `Problem` to refuse; then nothing is written. */
export type Edit<R> = (logs: LockedLogs, moment: Moment) => Change<R>

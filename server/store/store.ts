/**
 * The store's door: everything that Postgres (or the embedded PGlite) does for Halyard. Only this room knows
 * transactions; an edit runs inside one and sees plain states.
 */
import type { Delta, Json, State } from '@halyard/sdk/core'
import type { Actor, Edit, LogId, LogKind, Warning } from '../domain/change.ts'
import type { Notice } from '../domain/notice.ts'
import type { KeptKillReport } from './kill-reports.ts'

/** Which logs a commit locks: `path` top-down, and with `descendants` every open log below the last of them, by id. */
export type Scope = { readonly path: readonly LogId[]; readonly descendants?: boolean }

/** What a repeated request is recognised by: its key, and the digest of what it asks. One key is for one request. */
export type Idempotency = {
  readonly key: string
  readonly digest: string
  /** The key was made for this very attempt: it is kept with what this changes, and neither looked for nor kept alone. */
  readonly fresh?: true
}

export type CommitRequest<R> = {
  readonly scope: Scope
  readonly actor: Actor
  readonly comment?: string | undefined
  readonly edit: Edit<R>
  /** Unique per log and actor. A request that was committed before is not run again, but answered again. */
  readonly idempotency?: Idempotency | undefined
  /**
   * The state that the caller holds, asked for after the row lock is taken: when it is at the locked revision,
   * the entries are not read again.
   */
  readonly known?: (log: LogId) => State | undefined
  /** Run the edit on the current state and write nothing. */
  readonly dryRun?: boolean
  /** A kill: uses the connection kept for kills, with a short lock time-out. */
  readonly urgent?: boolean
}

/** Who wrote a revision, and when (epoch milliseconds). */
export type Provenance = { readonly at: number; readonly by: Actor }

export type Head = {
  readonly log: LogId
  readonly kind: LogKind
  readonly parent: LogId | null
  readonly epoch: number
  readonly revision: number
}

/**
 * One log as loaded, with the provenance of each revision that a current entry has, and the kills that ended in the
 * last 30 days.
 */
export type Loaded = Head & {
  readonly state: State
  readonly provenance: ReadonlyMap<number, Provenance>
}

/**
 * What is newer than a held state. `reload`: the epoch is another, take it whole. `missing`: there is no such log (any
 * more), and nothing says that it was closed.
 */
export type Newer =
  | { readonly kind: 'current' }
  | {
      readonly kind: 'delta'
      readonly delta: Delta
      readonly provenance: ReadonlyMap<number, Provenance>
      /** Kills that came and went since: the delta does not tell of them. */
      readonly endedKills: readonly string[]
    }
  | { readonly kind: 'reload'; readonly loaded: Loaded }
  | { readonly kind: 'closed' }
  | { readonly kind: 'missing' }

export type Committed<R> = {
  readonly result: R
  readonly action: string
  readonly warnings: readonly Warning[]
  readonly provenance: Provenance
  /** One for each log that got a new revision; empty when nothing changed (or in a dry run: what would change). */
  readonly deltas: ReadonlyMap<LogId, Delta>
  readonly opened: readonly Loaded[]
  readonly closed: readonly LogId[]
  /** The locked logs after the commit. */
  readonly heads: ReadonlyMap<LogId, { readonly epoch: number; readonly revision: number }>
  /** This is an earlier commit of the same request, answered again: all of it is as it was then. */
  readonly repeated?: true
}

/** A state of a log: by its revision, or the newest at a time (epoch milliseconds). */
export type At = { readonly revision: number } | { readonly time: number }

/** A version of a document from which a person was erased, and the revision that did so. */
export type Redacted = {
  readonly kind: string
  readonly key: string
  readonly revision: number
  readonly redactedAt: number
}

/** A log as it was, and the change that made it so. */
export type Past = {
  readonly state: State
  /** Epoch milliseconds. */
  readonly at: number
  readonly by: Actor
  /** Documents of the state that no longer are as they were written; empty in most. */
  readonly redacted: readonly Redacted[]
}

/** Which records of a log are asked for: those for which everything that is given holds. */
export type ChangesQuery = {
  /** Below this revision alone: where the page before ended. */
  readonly before?: number | undefined
  readonly limit: number
  /** A flag's configuration, kills and identity. */
  readonly flag?: string | undefined
  /** A segment's definition and members. */
  readonly segment?: string | undefined
  /** Documents of this kind, and of this key. Members are found by their segment's key. */
  readonly kind?: string | undefined
  readonly key?: string | undefined
  /** An actor's id; where no actor has it, the name that actors had last. */
  readonly actor?: string | undefined
  /** An action, or all that begin with it and a dot: `flag` finds `flag.kill`. */
  readonly action?: string | undefined
  /** Epoch milliseconds, inclusive. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** How much of the documents is wanted; nothing where absent. */
  readonly texts?: TextBounds | undefined
}

export type TextBounds = {
  /** Of one record; the members of one segment count as one. */
  readonly documents: number
  /** Of one document, before and after. */
  readonly bytesEach: number
  /** Of all together. */
  readonly bytes: number
}

/** A version of a document, as the log has it now. */
export type DocumentVersion =
  /** Not made yet, or removed. */
  | { readonly is: 'absent' }
  /** `redacted`: a person was erased from it after it was written. */
  | { readonly is: 'kept'; readonly definition: Json; readonly redacted: boolean }
  /** Compaction let go of it. */
  | { readonly is: 'dropped' }
  /** Beyond what was asked for. */
  | { readonly is: 'left-off' }

export type ChangedDocument = {
  readonly kind: string
  readonly key: string
  readonly before: DocumentVersion
  readonly after: DocumentVersion
}

/** A change record. */
export type RecordedChange = {
  readonly epoch: number
  readonly revision: number
  /** Shared by the records of one commit. */
  readonly change: string
  readonly actor: Actor
  readonly action: string
  readonly comment: string | null
  /** Epoch milliseconds. */
  readonly at: number
  readonly hash: string
  readonly previousHash: string
  /** As many as were asked for. */
  readonly documents: readonly ChangedDocument[]
  /** Documents beyond those; the members of one segment count as one. */
  readonly documentsLeftOff: number
}

export type Changes = {
  /** The newest record's, whatever was asked for; the hash is empty before the first. */
  readonly head: { readonly epoch: number; readonly revision: number; readonly hash: string }
  /** Newest first. With several conditions there may be fewer than asked for, even none, and more to come. */
  readonly records: readonly RecordedChange[]
  /** `before` of the next page; null after the last. */
  readonly next: number | null
}

/** When a key was used last by this version of this app, with this SDK. Empty texts: not told. */
export type KeyUse = {
  readonly key: string
  readonly app: string
  readonly version: string
  readonly sdk: string
  /** Epoch milliseconds. */
  readonly at: number
}

/** What is counted: evaluations by variant; bulk answers, by the kind of key; an app's own events. */
export type Counted = 'evaluated' | 'fetched' | 'event'

/** So many of something within a minute. */
export type UsageCount = {
  readonly what: Counted
  /** The event's, or the kind of key; else empty. */
  readonly name: string
  /** Empty for `fetched`. */
  readonly flag: string
  /** Empty: the code default. */
  readonly variant: string
  /** The flag's own revision; 0 where it is not known. */
  readonly version: number
  /** Since the epoch. */
  readonly minute: number
  readonly count: number
  /** Of the events' values. */
  readonly sum: number
}

/** What one app counted, under a name that makes it count once however often it is saved. */
export type UsageBatch = {
  readonly log: LogId
  readonly id: string
  readonly app: string
  readonly version: string
  readonly counts: readonly UsageCount[]
}

/** Minutes since the epoch, `until` exclusive; and how many of them go together. */
export type UsageQuery = { readonly from: number; readonly until: number; readonly step: number }

/** All of a kind within a step. */
export type UsageSum = Pick<UsageCount, 'what' | 'name' | 'variant' | 'minute' | 'count' | 'sum'>

export type FlagUsage = {
  readonly sums: readonly UsageSum[]
  /** Evaluations within the time that was asked for, by app; the most first. */
  readonly apps: readonly { readonly app: string; readonly version: string; readonly count: number }[]
}

/** When a flag was evaluated to a variant, first and last, by a version of an app. Epoch milliseconds, to the minute. */
export type FlagRead = {
  readonly log: LogId
  readonly flag: string
  readonly variant: string
  readonly app: string
  readonly version: string
  readonly firstAt: number
  readonly lastAt: number
}

export interface Store {
  /**
   * Runs one edit in the single write transaction. Rejects with the edit's `Problem`, or with `Problem`
   * `unavailable` where the database fails, times out or refuses writes, or with `idempotency-key-reused`; and with
   * `WentBack` where a locked log is behind what the caller knows.
   */
  commit<R>(request: CommitRequest<R>): Promise<Committed<R>>
  /** Every open log's head, in one cheap query. */
  heads(): Promise<readonly Head[]>
  /** Whole logs, in one REPEATABLE READ snapshot. Closed or unknown ones are left out. */
  load(logs: readonly LogId[]): Promise<readonly Loaded[]>
  /** What is newer than `since`, in one REPEATABLE READ snapshot. */
  newer(log: LogId, since: { readonly epoch: number; readonly revision: number }): Promise<Newer>
  /**
   * A log as it was, in one query. Rejects with `Problem` `revision-not-found` where it never was so, and
   * `history-compacted` where that was not kept.
   */
  past(log: LogId, at: At): Promise<Past>
  /** A page of a log's change records. Rejects with `Problem` `unavailable` where the database fails. */
  changes(log: LogId, query: ChangesQuery): Promise<Changes>
  /** Of each use the newest time wins, whoever saves it; none may be given twice. Rejects with `unavailable`. */
  saveKeyUses(uses: readonly KeyUse[]): Promise<void>
  /** The newest uses of each of these keys, newest first. Rejects with `Problem` `unavailable`. */
  keyUses(keys: readonly string[], mostEach: number): Promise<readonly KeyUse[]>
  /** Forgets uses before a time (epoch milliseconds), and of each key all but its newest. */
  pruneKeyUses(before: number, mostEach: number): Promise<void>
  /** Adds what was counted. A batch that was saved before adds nothing. Rejects with `Problem` `unavailable`. */
  saveUsage(batches: readonly UsageBatch[]): Promise<void>
  /**
   * Makes room for the counts of coming days, and lets go of the days before a time (epoch milliseconds), and of what
   * is known of reads before it. To be called before usage of a new day is saved.
   */
  turnUsage(oldest: number): Promise<void>
  /** What was counted of a flag, and fetched by keys of any kind. Rejects with `Problem` `unavailable`. */
  usage(log: LogId, flag: string, query: UsageQuery): Promise<FlagUsage>
  /** When these environments' flags were read, whatever app did. Rejects with `Problem` `unavailable`. */
  flagReads(logs: readonly LogId[]): Promise<readonly Omit<FlagRead, 'app' | 'version'>[]>
  /** The apps that read a flag, newest first. Rejects with `Problem` `unavailable`. */
  readersOf(log: LogId, flag: string, most: number): Promise<readonly FlagRead[]>
  /** Leaves a note on a board, in place of the one of that name, for so many milliseconds. */
  putNotice(board: string, name: string, text: string, forMs: number): Promise<void>
  /** What is on a board now. */
  notices(board: string): Promise<readonly string[]>
  removeNotice(board: string, name: string): Promise<void>
  /** Of two reports of a kill the later one stays. */
  saveKillReport(log: LogId, report: KeptKillReport): Promise<void>
  killReport(log: LogId, kill: string): Promise<KeptKillReport | undefined>
  /** Calls back for commits of other instances (LISTEN/NOTIFY); the embedded store has none, and never calls. */
  listen(onNotice: (notice: Notice) => void): Promise<() => Promise<void>>
  /** Whether the last write was refused since the database takes none: a standby, or set so. */
  readOnly(): boolean
  /** Rejects with the reason where the database does not answer within its deadline. */
  ping(): Promise<void>
  close(): Promise<void>
}

/**
 * What is true now, in memory: every log's newest state, the environments compiled, and who listens to them.
 * Nothing here waits on Postgres to answer a read; a failing store leaves the last good state in place.
 */
import type { Compiled, Context, Decision, FlagKey, State } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import type { GrantDocument, ProjectDocument, Settings } from '../domain/documents.ts'
import type {
  At,
  Changes,
  ChangesQuery,
  CommitRequest,
  Committed,
  Head,
  Provenance,
  Store,
  Past as StoredPast,
} from '../store/store.ts'
import type { Delivery } from './delivery/delivery.ts'
import type { RollCall } from './delivery/roll-call.ts'
import type { FlagReads } from './flag-reads.ts'
import type { Caller, KeyUses } from './key-uses.ts'
import type { KillLinks } from './kill-link.ts'
import type { Durability } from './kills/kills.ts'
import type { LiveMetrics } from './metrics.ts'
import type { Instance } from './presence.ts'
import type { Pressure } from './pressure.ts'
import type { RedisCounts } from './redis/connect.ts'
import type { Sdks } from './sdks.ts'
import type { LiveStatus } from './status.ts'
import type { Usage } from './usage.ts'

export type Project = ProjectDocument
export type Environment = {
  readonly id: LogId
  readonly project: Project
  readonly key: string
  readonly name: string
  readonly settings: Settings
}

/** Whom a key of one environment speaks for. */
export type SdkPrincipal = {
  readonly kind: 'server' | 'client'
  readonly keyId: string
  readonly name: string
  readonly environment: Environment
}
/** Whom a management key speaks for. */
export type Manager = {
  readonly kind: 'management'
  readonly keyId: string
  readonly name: string
  readonly grants: readonly GrantDocument[]
}
/** Whom a key speaks for. */
export type Principal = SdkPrincipal | Manager

/** Where a held state was read from: the database, or where it stands for when there is none. */
export type Source = 'database' | 'redis' | 'disk'

/** One log, as held: its state, and who wrote each revision that a current entry has. */
export type Held = {
  readonly head: Head
  readonly state: State
  readonly provenance: ReadonlyMap<number, Provenance>
}

/** An environment as held: compiled, with what its streams need. */
export type LiveEnvironment = {
  readonly id: LogId
  readonly compiled: Compiled
  readonly state: State
}

/** A log as it was, and the change that made it so. */
export type Past = StoredPast & {
  /**
   * An environment's state, compiled when it is first asked for.
   * @param flags what these need is enough: a state can be large, and compiling holds everyone up
   */
  readonly compiled: (flags?: readonly FlagKey[]) => Compiled
}

/** Where a stream's bytes go: the HTTP edge adapts a response to this. */
export type Sink = {
  /** false: the peer is slow; call the `onDrain` handler later. */
  write(frame: Buffer): boolean
  /** Given at most once in a stream's life, when it is first slow; called at every drain from then on. */
  onDrain(callback: () => void): void
  /** Bytes written and not yet taken by the peer. */
  readonly pendingBytes: () => number
  /** Ends the response. `discard`: what the peer has not taken is thrown away, so that a stuck peer holds nothing. */
  end(discard?: boolean): void
}
/** `close`: the edge says that the connection is gone. The sink is not touched any more. */
export type StreamHandle = { close(): void }

export type Encoded = {
  readonly body: Buffer
  readonly encoding: 'identity' | 'gzip' | 'br'
  readonly etag: string
  /** Of what `body` is before it is encoded: SHA-256, in base64. */
  readonly sha256: string
}

/** The answer to one OFREP evaluation, as it is sent. */
export type Answer = { readonly status: 200 | 400 | 404; readonly body: string }

export type BulkAnswer = {
  /** JSON; empty where the caller has it already. */
  readonly body: Buffer
  /** Quoted, as it stands in the header. */
  readonly etag: string
  /** `unchanged`: the caller knows the ETag, so nothing was computed. */
  readonly from: 'memory' | 'redis' | 'computed' | 'unchanged'
}

export interface Live {
  /**
   * Serves the newest state that can be had: the store's, or after a second without it that of the newest snapshots.
   * Resolves when the store has answered; retries for as long as it fails.
   * @param prepare run when the store's state is held for the first time, before it is served; tried again where it
   *   rejects
   */
  start(prepare?: () => Promise<void>): Promise<void>
  /**
   * Commits, holds the result before it resolves, and signals other instances. A kill that the database does not take
   * in time is accepted without it: then it is in effect, and has no revision yet.
   */
  commit<R>(request: Omit<CommitRequest<R>, 'known'>): Promise<Committed<R>>
  /** Brings kills that were accepted without the database into the log, where it takes them soon. Never rejects. */
  settleKills(environment: LogId): Promise<void>
  /** Where the kill of a flag is kept. */
  durabilityOf(environment: LogId, flag: FlagKey, kill: string): Durability
  /** Whether another instance of this installation made that pass, a moment ago. */
  admits(pass: string | undefined): boolean
  /** A message of another instance: what to answer, or undefined where it is not to be believed. */
  receive(message: string): Promise<string | undefined>

  projects(): readonly Project[]
  /** @throws Problem `unavailable` where there is one whose log could not be loaded: that is no absence */
  project(key: string): Project | undefined
  environments(project: Project): readonly Environment[]
  environment(projectKey: string, environmentKey: string): Environment | undefined
  /**
   * The principal of a key's full text; `unknown` after a fresh read, `unloaded` where no truth is held yet.
   * @param charge called before a key that is not known here is looked for or refused; what it throws is the answer
   */
  authenticate(secret: string, charge?: () => void): Promise<Principal | 'unknown' | 'unloaded'>
  /** The principal of a key that was authenticated before and is in force still, without a wait; else undefined. */
  recognise(secret: string): Principal | undefined
  /** Links that kill: made, and opened again by any instance. */
  readonly makeKillLink: KillLinks['make']
  readonly openKillLink: KillLinks['open']

  /** Whether an admin key is configured, beside those in the log. */
  readonly adminConfigured: boolean

  /** Who uses which key: noted by the edge, shown to administrators. */
  readonly keyUses: KeyUses
  /** What apps tell of their evaluations. */
  readonly usage: Usage
  /** What was saved of it of a flag. Rejects with `Problem` `unavailable`. */
  readonly flagUsage: Store['usage']
  /** The apps that read a flag, newest first. Rejects with `Problem` `unavailable`. */
  readonly readersOf: Store['readersOf']
  /** When the flags of environments were read. */
  readonly flagReads: FlagReads
  /** Which SDKs are out there, and what they understand. */
  readonly sdks: Sdks

  held(log: LogId): Held | undefined
  live(environment: LogId): LiveEnvironment | undefined
  /** Reads the store now, if it answers; single flight. Rejects with `Problem` `unavailable` where it does not. */
  catchUp(log: LogId): Promise<void>

  /**
   * A log as it was. What is held is answered from memory; anything older is read, and kept for a while.
   * Rejects with `Problem` `revision-not-found`, `history-compacted`, or `unavailable`.
   */
  past(log: LogId, at: At): Promise<Past>
  /** A page of a log's change records, read from the store. Rejects with `Problem` `unavailable`. */
  changes(log: LogId, query: ChangesQuery): Promise<Changes>

  /** `GET /sdk/v1/ruleset`: one precompressed buffer a state and encoding, made once. */
  ruleset(environment: LogId, encoding: Encoded['encoding']): Promise<Encoded>
  /** A server SDK's stream: deltas, reload, pending, heartbeat, goodbye. */
  openStream(environment: LogId, keyId: string, lastEventId: string | undefined, sink: Sink): StreamHandle
  /** OFREP's event stream: `refetchEvaluation` for changes that can alter what `scope` sees. */
  openRefetchStream(
    environment: LogId,
    keyId: string,
    scope: 'server' | 'client',
    sink: Sink,
    lastEventId?: string | undefined,
  ): StreamHandle
  /** Streams open now. */
  streams(): { readonly server: number; readonly refetch: number }

  evaluate(environment: LogId, flag: FlagKey, context: Context): Decision
  /**
   * One flag as `scope` sees it, serialised. Equal to the flag's part of `evaluateAll`.
   * @param caller whose evaluation it is counted as
   */
  answer(
    environment: LogId,
    scope: 'server' | 'client',
    flag: FlagKey,
    context: Context,
    caller?: Caller | undefined,
  ): Answer
  /**
   * All flags that `scope` sees, cached under the key that the API describes.
   * @param knows whether the caller has the answer of that ETag; then nothing is computed
   * @returns a promise only where it asks what instances share
   */
  evaluateAll(
    environment: LogId,
    principal: { readonly scope: 'server' | 'client'; readonly keyId: string },
    context: Context,
    knows?: (etag: string) => boolean,
  ): BulkAnswer | Promise<BulkAnswer>
  /** A stream token, the same throughout its window; `verify` gives back whom it was made for. */
  streamToken(environment: LogId, keyId: string, scope: 'server' | 'client'): string
  verifyStreamToken(
    token: string,
  ): { readonly environment: LogId; readonly keyId: string; readonly scope: 'server' | 'client' } | undefined

  status(): LiveStatus
  /**
   * This instance, and those that told of themselves in the last seconds: alone where instances share no place to.
   * Rejects with `Problem` `unavailable` where that place does not answer.
   */
  instances(): Promise<readonly Instance[]>
  /** How far kills have come, in instances and apps. */
  readonly delivery: Pick<
    Delivery,
    | ('opened' | 'asked' | 'againMs' | 'acknowledged' | 'gone')
    | ('told' | 'follow' | 'settled' | 'followers' | 'leaving')
  >
  /** Who is connected to an environment, over all instances. */
  readonly rollCall: RollCall['of']
  /** What is refused while this process has more to do than it can. */
  readonly pressure: Pick<Pressure, 'level' | 'refuse' | 'shed'>
  /** Counters that only grow, and where to send observations. */
  readonly metrics: LiveMetrics
  /** The same of Redis; absent without it. */
  readonly redis?: Readonly<RedisCounts>
  /** Not ready from now on, and serving as before: a balancer is to send nothing new. */
  retire(): void
  /** Not ready from now on; every stream gets its goodbye and ends, and no more are let in. */
  drain(): Promise<void>
  close(): Promise<void>
}

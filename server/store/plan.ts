/**
 * What a commit writes to one log, worked out before anything is sent: texts, digests, the change record's hash,
 * and the delta. Pure; the truth about "did anything change" is decided here.
 */
import {
  type Delta,
  type DeltaEntry,
  type Entry,
  emptyState,
  entryDigest,
  type Json,
  type State,
} from '@halyard/sdk/core'
import { canonical } from '../domain/canonical.ts'
import type { Actor, EntryEdit, LogId, Opening } from '../domain/change.ts'
import { type ChangeRecord, type DocumentDigest, recordHash, sha256 } from './chain.ts'
import type { Idempotency } from './store.ts'

/** A version of a document, to be inserted. Text and digest are null in one that removes. */
export type Version = {
  readonly kind: string
  readonly key: string
  readonly text: string | null
  readonly digest: string | null
}

/** The parts of a change record that all logs of a commit share. */
export type Signature = {
  readonly change: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly actor: Actor
  readonly action: string
  readonly comment: string | null
  /** Kept with the record, outside of its hash. `locked`: canonical JSON of what the commit locked, as it was. */
  readonly request?: Idempotency & { readonly locked: string }
}

export type LogPlan = {
  readonly log: LogId
  readonly delta: Delta
  readonly versions: readonly Version[]
  /** Canonical JSON of the documents' digests. */
  readonly documents: string
  /** The same of what the record says of older versions; null in an ordinary one. */
  readonly redactions: string | null
  readonly compaction: string | null
  readonly previousHash: string
  readonly hash: string
  /** Bytes of the texts of all current entries, afterwards. */
  readonly bytes: number
  /** Bytes of the texts that are written. */
  readonly written: number
}

export type Base = {
  readonly log: LogId
  readonly state: Pick<State, 'epoch' | 'revision' | 'digest' | 'entries'>
  readonly headHash: string
  readonly bytes: number
}

/**
 * The plan for one log's edits; undefined where they change nothing. Of two edits of one document the later holds.
 * @throws where a definition is no JSON (a number that is not finite)
 */
export function planLog(base: Base, edits: readonly EntryEdit[], signature: Signature): LogPlan | undefined {
  const plan = planRecord(base, edits, signature)
  return plan.versions.length === 0 ? undefined : plan
}

/** The plan for the first revision of a new log, which it has even where it starts empty. */
export function planOpening(opening: Opening, signature: Signature): LogPlan {
  const state = emptyState(opening.project, opening.environment, Math.floor(signature.at / 1000))
  return planRecord({ log: opening.id, state, headHash: '', bytes: 0 }, opening.entries, signature)
}

/** What a record says of versions that are older than it. */
export type Upkeep = Pick<ChangeRecord, 'redactions' | 'compaction'>

/** The plan for a log's next revision, whether or not its edits change anything. */
export function planRecord(
  base: Base,
  edits: readonly EntryEdit[],
  signature: Signature,
  upkeep: Upkeep = {},
): LogPlan {
  const revision = base.state.revision + 1
  const last = new Map(edits.map((edit) => [`${edit.kind}/${edit.key}`, edit]))
  const versions: Version[] = []
  const changed: DeltaEntry[] = []
  let digest = base.state.digest
  let bytes = base.bytes
  let written = 0
  for (const { kind, key, definition } of [...last.values()].sort(byKindAndKey)) {
    const current = base.state.entries.get(kind)?.get(key)
    const before = current === undefined ? null : canonical(current.definition)
    const text = definition === null ? null : canonical(definition)
    if (text === before) continue
    versions.push({ kind, key, text, digest: text === null ? null : sha256(text) })
    // Parsed again, so that what is held in memory is what a later load would give.
    changed.push({ kind, key, revision, definition: text === null ? null : (JSON.parse(text) as Json) })
    digest = digestAfter(digest, kind, key, current, text === null ? undefined : revision)
    bytes += sizeOf(text) - sizeOf(before)
    written += sizeOf(text)
  }
  const documents = versions.map((version): DocumentDigest => [version.kind, version.key, version.digest])
  const { epoch } = base.state
  const delta: Delta = { epoch, base: base.state.revision, revision, entries: changed, digest }
  return {
    log: base.log,
    delta,
    versions,
    documents: canonical(documents),
    redactions: upkeep.redactions === undefined ? null : canonical(upkeep.redactions),
    compaction: upkeep.compaction === undefined ? null : canonical(upkeep.compaction),
    previousHash: base.headHash,
    hash: recordHash({
      log: base.log,
      epoch,
      revision,
      change: signature.change,
      actor: signature.actor,
      action: signature.action,
      comment: signature.comment,
      at: new Date(signature.at).toISOString(),
      documents,
      previous: base.headHash,
      ...upkeep,
    }),
    bytes,
    written,
  }
}

const sizeOf = (text: string | null) => (text === null ? 0 : Buffer.byteLength(text))

function digestAfter(
  digest: number,
  kind: string,
  key: string,
  before: Entry | undefined,
  revision: number | undefined,
): number {
  const removed = before === undefined ? 0 : entryDigest(kind, key, before.revision)
  const added = revision === undefined ? 0 : entryDigest(kind, key, revision)
  return (digest - removed + added) >>> 0
}

function byKindAndKey(a: EntryEdit, b: EntryEdit): number {
  if (a.kind !== b.kind) return a.kind < b.kind ? -1 : 1
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

/**
 * The hash chain of a log: each change record is hashed with the hash of the one before. It covers digests of
 * documents, never their texts, so that a person's data can be erased with the chain still whole.
 */
import { createHash } from 'node:crypto'
import { canonical } from '../domain/canonical.ts'
import type { Actor } from '../domain/change.ts'

/** SHA-256 in hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** What a record says of one document: kind, key, and the SHA-256 of its text, or null where it was removed. */
export type DocumentDigest = readonly [kind: string, key: string, digest: string | null]

/** A version whose text was redacted: where it stands, and the SHA-256 of the text that it has now. */
export type Redaction = readonly [kind: string, key: string, revision: number, digest: string]

/** What was decided when texts of old versions were dropped. */
export type Compaction = {
  /** RFC 3339 with milliseconds, UTC: only versions that were replaced by then. */
  readonly before: string
  /** States at the end of each day, or of each hour, are kept. */
  readonly keep: 'daily' | 'hourly'
  /** How many texts there were to drop, and their bytes. */
  readonly versions: number
  readonly bytes: number
}

export type ChangeRecord = {
  readonly log: string
  readonly epoch: number
  readonly revision: number
  readonly change: string
  readonly actor: Actor
  readonly action: string
  readonly comment: string | null
  /** RFC 3339 with milliseconds, UTC. */
  readonly at: string
  /** Sorted by kind, then key, by code unit. */
  readonly documents: readonly DocumentDigest[]
  /** Hash of the previous record; empty in a log's first. */
  readonly previous: string
  /** Sorted by kind, key, revision. Absent, and so not hashed, where nothing was redacted. */
  readonly redactions?: readonly Redaction[]
  /** Absent where nothing was compacted. */
  readonly compaction?: Compaction
}

/** A record's hash: SHA-256 of its canonical JSON (RFC 8785). */
export function recordHash(record: ChangeRecord): string {
  return sha256(canonical(record))
}

/**
 * Walks one log from its first record to its head: recomputes each hash from what the rows say, and holds each document
 * against the record that names it. It reports what does not agree, and goes on.
 */
import { entryDigest } from '@halyard/sdk/core'
import { canonical } from '../domain/canonical.ts'
import {
  type ChangeRecord,
  type Compaction,
  type DocumentDigest,
  type Redaction,
  recordHash,
  sha256,
} from './chain.ts'
import type { Db } from './database.ts'
import { type Compacted, compactedBy, mayBeDropped } from './retention.ts'
import {
  countVersions,
  type LogRow,
  MOST_VERSIONS,
  type RecordRow,
  readCompactions,
  readRecords,
  readStrangers,
  readUnlistedRedactions,
  readVersions,
  type VersionRow,
} from './verify-reads.ts'

export type Fault = {
  readonly revision?: number
  /** `kind/key` */
  readonly document?: string
  readonly what: string
}

export type LogWalk = {
  readonly report: (fault: Fault) => void
  /** Each record whose hash is right. */
  readonly onRecord: (record: ChangeRecord, hash: string) => void
  /** Each version that its record names, with its text: null where it removes, or was dropped. */
  readonly onVersion: (version: Named, text: string | null, current: boolean) => void
}

export type Walked = { readonly records: number; readonly versions: number }

/** A document as a record names it. */
export type Named = {
  readonly kind: string
  readonly key: string
  readonly revision: number
  readonly digest: string | null
  /** When its record was made, epoch milliseconds. */
  readonly at: number
}
/** A redaction as a record lists it. */
type Claim = {
  readonly kind: string
  readonly key: string
  readonly revision: number
  readonly digest: string
  readonly by: number
}
type Lists = {
  readonly documents: readonly DocumentDigest[]
  readonly redactions: readonly Redaction[]
}

export async function verifyLog(db: Db, log: LogRow, walk: LogWalk): Promise<Walked> {
  const tally = newTally(await compactedOf(db, log, walk))
  let head: RecordRow | undefined
  let records = 0
  let readable = true
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    const page = await readRecords(db, { log: log.id, after })
    if (page.length === 0) break
    const named: Named[] = []
    const claims: Claim[] = []
    for (const row of page) {
      checkPlace(row, head, walk)
      const lists = checkRecord(log, row, walk)
      readable &&= lists !== undefined
      for (const [kind, key, digest] of lists?.documents ?? []) {
        named.push({ kind, key, digest, revision: row.revision, at: row.at })
      }
      for (const [kind, key, revision, digest] of lists?.redactions ?? []) {
        claims.push({ kind, key, revision, digest, by: row.revision })
      }
      head = row
    }
    records += page.length
    after = head?.revision ?? after
    await forEachVersion(db, log, named, (version, row) => checkVersion(version, row, tally, walk))
    await forEachVersion(db, log, claims, (claim, row) => checkClaim(claim, row, tally, walk))
  }
  checkHead(log, head, tally, walk)
  await checkStrangers(db, log, tally, readable, walk)
  return { records, versions: tally.named }
}

type Tally = {
  readonly compacted: Compacted
  /** Versions that are there and named. */
  named: number
  /** Versions that are marked as redacted, and those that the record of the marking lists. */
  redacted: number
  claimed: number
  bytes: number
  digest: number
}
const newTally = (compacted: Compacted): Tally => ({
  compacted,
  named: 0,
  redacted: 0,
  claimed: 0,
  bytes: 0,
  digest: 0,
})

async function compactedOf(db: Db, log: LogRow, { report }: LogWalk): Promise<Compacted> {
  const compactions: Compaction[] = []
  for (const { compaction } of await readCompactions(db, { log: log.id })) {
    const parsed = parsedOf<Compaction>(compaction)
    if (parsed === undefined) report({ what: 'a compaction is recorded that cannot be read' })
    else compactions.push(parsed)
  }
  return compactedBy(compactions)
}

/** undefined where the text is not canonical JSON. */
function parsedOf<T>(text: string): T | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return canonical(parsed) === text ? (parsed as T) : undefined
  } catch {
    return undefined
  }
}

function checkPlace(row: RecordRow, before: RecordRow | undefined, { report }: LogWalk): void {
  const expected = (before?.revision ?? 0) + 1
  if (row.revision < expected) {
    report({ revision: row.revision, what: 'no log has such a revision' })
  } else if (row.revision !== expected) {
    const gone = row.revision - 1 === expected ? `${expected}` : `${expected} to ${row.revision - 1}`
    report({ revision: row.revision, what: `the record before it is missing (revision ${gone})` })
  } else if (row.previous !== (before?.hash ?? '')) {
    report({ revision: row.revision, what: 'the record does not follow from the one before it' })
  }
}

/** undefined where its lists cannot be read. */
function checkRecord(log: LogRow, row: RecordRow, { report, onRecord }: LogWalk): Lists | undefined {
  const { revision } = row
  const documents = parsedOf<DocumentDigest[]>(row.documents)
  const redactions = row.redactions === null ? [] : parsedOf<Redaction[]>(row.redactions)
  const compaction = row.compaction === null ? null : parsedOf<Compaction>(row.compaction)
  if (!isSorted(documents, 2) || !isSorted(redactions, 3) || compaction === undefined) {
    report({ revision, what: 'the record was changed: its lists cannot be read' })
    return undefined
  }
  const record: ChangeRecord = {
    log: log.id,
    epoch: row.epoch,
    revision,
    change: row.change,
    actor: { kind: row.actorKind, id: row.actorId, name: row.actorName },
    action: row.action,
    comment: row.comment,
    at: Number.isInteger(row.at) ? new Date(row.at).toISOString() : String(row.at),
    documents,
    previous: row.previous,
    ...(row.redactions !== null && { redactions }),
    ...(compaction !== null && { compaction }),
  }
  if (recordHash(record) === row.hash) onRecord(record, row.hash)
  else report({ revision, what: 'the record was changed: it is not the one that its hash was made of' })
  return { documents, redactions }
}

/** Whether it is a list of lists in the order of their first parts, none twice. */
function isSorted<T extends readonly unknown[]>(
  list: readonly T[] | undefined,
  parts: number,
): list is readonly T[] {
  if (!Array.isArray(list) || !list.every((item) => Array.isArray(item))) return false
  return list.every((item, index) => index === 0 || isBefore(list[index - 1] ?? [], item, parts))
}

function isBefore(a: readonly unknown[], b: readonly unknown[], parts: number): boolean {
  for (let part = 0; part < parts; part++) {
    const [left, right] = [a[part], b[part]] as [string | number, string | number]
    if (left !== right) return left < right
  }
  return false
}

async function forEachVersion<
  T extends { readonly kind: string; readonly key: string; readonly revision: number },
>(db: Db, log: LogRow, wanted: readonly T[], check: (one: T, row: VersionRow) => void): Promise<void> {
  for (let from = 0; from < wanted.length; ) {
    const batch = wanted.slice(from, from + MOST_VERSIONS)
    const rows = await readVersions(db, {
      log: log.id,
      kinds: batch.map(({ kind }) => kind),
      keys: batch.map(({ key }) => key),
      revisions: batch.map(({ revision }) => revision),
    })
    for (const [index, row] of rows.entries()) {
      const one = batch[index]
      if (one !== undefined) check(one, row)
    }
    from += Math.max(1, rows.length)
  }
}

function checkVersion(named: Named, row: VersionRow, tally: Tally, { report, onVersion }: LogWalk): void {
  const { kind, key, revision } = named
  const current = row.superseded === null
  for (const what of faultsOfVersion(named, row, tally.compacted)) {
    report({ revision, document: `${kind}/${key}`, what })
  }
  if (!row.there) return
  tally.named += 1
  if (row.redactedAt !== null) tally.redacted += 1
  if (current && named.digest !== null && row.text !== null) {
    tally.bytes += Buffer.byteLength(row.text)
    tally.digest = (tally.digest + entryDigest(kind, key, revision)) >>> 0
  }
  onVersion(named, row.text, current)
}

function* faultsOfVersion(named: Named, row: VersionRow, compacted: Compacted): Iterable<string> {
  const { superseded, next, text, redactedAt, redactedDigest, replacedAt } = row
  if (!row.there) {
    yield 'the document that the record names is missing'
    return
  }
  if (superseded !== next) {
    const said = superseded === null ? 'is said to be the newest' : `is said to end at ${superseded}`
    yield `the version ${said}; the next one is ${next ?? 'none'}`
  }
  if (row.digest !== named.digest) yield 'its digest is not the one that the record names'
  if ((redactedAt === null) !== (redactedDigest === null)) yield 'it is half marked as redacted'
  if (named.digest === null) {
    if (text !== null) yield 'it was removed, and has a text'
  } else if (text === null) {
    const dropped = replacedAt !== null && mayBeDropped(compacted, named.at, replacedAt)
    if (!dropped) yield 'its text is missing, and no compaction may have dropped it'
  } else if (redactedAt !== null) {
    if (sha256(text) !== redactedDigest)
      yield 'its text is not the one that was left when a person was erased'
  } else if (sha256(text) !== named.digest) {
    yield 'its text is not the one that was written'
  }
}

/** The newest redaction of a version is the one that its row is marked with; each older one is followed by it. */
function checkClaim(claim: Claim, row: VersionRow, tally: Tally, { report }: LogWalk): void {
  const { kind, key, revision, digest, by } = claim
  if (row.redactedAt === by && row.redactedDigest === digest && revision < by) {
    tally.claimed += 1
  } else if (row.redactedAt === null || row.redactedAt <= by) {
    const what = `revision ${by} erased a person from it, and that is no longer so`
    report({ revision, document: `${kind}/${key}`, what })
  }
}

function checkHead(log: LogRow, head: RecordRow | undefined, tally: Tally, { report }: LogWalk): void {
  const facts: readonly (readonly [string, unknown, unknown])[] = [
    ['revision', log.revision, head?.revision ?? 0],
    ['hash', log.hash, head?.hash ?? ''],
    ['epoch', log.epoch, head?.epoch ?? log.epoch],
    ['time of the newest change', log.changedAt, head?.at ?? null],
    ['size', log.bytes, tally.bytes],
    ['digest', log.digest, tally.digest],
  ]
  for (const [name, said, found] of facts) {
    if (said !== found)
      report({ what: `the log’s head says ${name} ${said}, and the records come to ${found}` })
  }
}

async function checkStrangers(
  db: Db,
  log: LogRow,
  tally: Tally,
  readable: boolean,
  { report }: LogWalk,
): Promise<void> {
  const [counted] = await countVersions(db, { log: log.id })
  const versions = (counted?.versions ?? 0) - tally.named
  const marked = tally.redacted - tally.claimed
  if (!readable) {
    // The lists that would say which ones cannot be read.
    if (versions > 0) report({ what: `${versions} versions of documents are named by no record` })
    return
  }
  const told = (what: string, rows: readonly { kind: string; key: string; revision: number }[]) => {
    for (const { kind, key, revision } of rows) report({ revision, document: `${kind}/${key}`, what })
  }
  if (versions > 0) told('its record does not name it', await readStrangers(db, { log: log.id }))
  if (marked > 0) {
    const unlisted = await readUnlistedRedactions(db, { log: log.id })
    told('it is marked as redacted, and no record says so', unlisted)
  }
}

/**
 * Verification: whether the history in the database is the one that was written. It reads everything in one snapshot,
 * page by page, trusts nothing that it can recompute, and names each place that does not agree.
 */
import { type LogId, SYSTEM } from '../domain/change.ts'
import type { Database, Db } from './database.ts'
import { type Fault, verifyLog } from './verify-log.ts'
import { type LogRow, readLogRows } from './verify-reads.ts'
import { familyOf } from './verify-tree.ts'

/** A record that is known from elsewhere. */
export type Expected = { readonly revision: number; readonly hash: string }

export type Finding = Fault & { readonly log: LogRow | undefined }

export type VerifyRequest = {
  /** The logs to look at; all where absent. */
  readonly only?: (log: LogRow) => boolean
  /** Records that some log must have. */
  readonly expect?: readonly Expected[]
  readonly onFinding: (finding: Finding) => void
  /** Now and then. */
  readonly onProgress?: (log: LogRow, records: number) => void
}

export type Verified = {
  readonly logs: readonly LogRow[]
  readonly records: number
  readonly versions: number
  readonly findings: number
}

/** Records between two calls of `onProgress`. */
const PROGRESS = 10_000

/**
 * Holds logs against their records, their documents, and what is known from elsewhere. Its memory does not grow with
 * the history.
 * @throws Problem `unavailable` where the database fails
 */
export async function verify(database: Pick<Database, 'survey'>, request: VerifyRequest): Promise<Verified> {
  return database.survey((db) => verifyIn(db, request))
}

async function verifyIn(db: Db, request: VerifyRequest): Promise<Verified> {
  const { only, expect = [], onFinding, onProgress } = request
  const all = await readLogRows(db, {})
  const logs = only === undefined ? all : all.filter(only)
  const missing = new Set(expect)
  let findings = 0
  const report = (finding: Finding) => {
    findings += 1
    onFinding(finding)
  }
  const family = familyOf(all)
  let records = 0
  let versions = 0
  for (const log of logs) {
    let seen = 0
    const walked = await verifyLog(db, log, {
      report: (fault) => report({ log, ...fault }),
      onRecord: (record, hash) => {
        for (const one of missing) {
          if (one.revision === record.revision && one.hash === hash) missing.delete(one)
        }
        seen += 1
        if (seen % PROGRESS === 0) onProgress?.(log, seen)
      },
      onVersion: (version, text, current) => family.see(log.id, version, text, current),
    })
    records += walked.records
    versions += walked.versions
  }
  if (only === undefined) {
    if (!all.some(({ id }) => id === SYSTEM)) report({ log: undefined, what: 'the system log is missing' })
    for (const { log, ...fault } of family.faults()) report({ log: rowOf(all, log), ...fault })
  }
  for (const { revision, hash } of missing) {
    const what = `no log has this record with the hash ${hash}: the history was cut off before it, or written anew`
    report({ log: undefined, revision, what })
  }
  return { logs, records, versions, findings }
}

const rowOf = (logs: readonly LogRow[], id: LogId) => logs.find((log) => log.id === id)

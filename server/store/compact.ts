/**
 * Compaction: texts of old versions that no kept state has are dropped, and the log says so first. Change records all
 * stay, so that who, when, what kind and why can always be told. It can be interrupted at any point and run again.
 */
import { sql } from 'drizzle-orm'
import type { Actor, LogId } from '../domain/change.ts'
import { noticeText } from '../domain/notice.ts'
import type { Compaction } from './chain.ts'
import { type Database, type Db, statement, value } from './database.ts'
import { lockLogs } from './locking.ts'
import { planRecord } from './plan.ts'
import { type Compacted, compactedBy, covers, type Keep, mayBeDropped } from './retention.ts'
import { type LogRow, readCompactions, readLogRows } from './verify-reads.ts'
import { write } from './write.ts'

export type CompactRequest = {
  /** Epoch milliseconds: versions that were replaced by then. */
  readonly before: number
  readonly keep: Keep
  /** The logs that are meant; all open ones where it is absent. */
  readonly only?: (log: LogRow) => boolean
  readonly comment: string | null
  /** Counts, and changes nothing. */
  readonly dryRun?: boolean
  readonly actor: Actor
  /** Epoch milliseconds. */
  readonly now: number
  readonly mint: () => string
  readonly onLog?: (log: LogRow, dropped: Dropped) => void
}

/** Texts, and their bytes. */
export type Dropped = { readonly versions: number; readonly bytes: number }

/** Versions looked at, and at most dropped, in one transaction. */
const PAGE = 2_000

type PageRow = {
  readonly kind: string
  readonly key: string
  readonly revision: string
  /** Null where it is dropped already, or removes. */
  readonly bytes: number | null
  readonly written: number
  /** Null in a current version. */
  readonly replaced: number | null
}
const nextPage = statement<PageRow>(
  'halyard_compact_page',
  sql`SELECT page.kind, page.key, page.revision::text, octet_length(page.text) AS bytes,
        (extract(epoch FROM written.at) * 1000)::float8 AS written,
        (extract(epoch FROM replaced.at) * 1000)::float8 AS replaced
      FROM (
        SELECT kind, key, revision, superseded_at_revision, text FROM halyard.entries
        WHERE log_id = ${value('log', 'text')}
          AND (kind, key, revision) > (${value('kind', 'text')}, ${value('key', 'text')}, ${value('revision', 'bigint')})
        ORDER BY kind, key, revision LIMIT ${PAGE}
      ) AS page
      CROSS JOIN LATERAL (
        SELECT at FROM halyard.changes WHERE log_id = ${value('log', 'text')} AND revision = page.revision LIMIT 1
      ) AS written
      LEFT JOIN LATERAL (
        SELECT at FROM halyard.changes WHERE log_id = ${value('log', 'text')} AND revision = page.superseded_at_revision LIMIT 1
      ) AS replaced ON true
      ORDER BY page.kind, page.key, page.revision`,
)

// Only what was replaced, whatever was asked for.
const dropTexts = statement(
  'halyard_compact_drop',
  sql`UPDATE halyard.entries e SET text = NULL
      FROM unnest(${value('kinds', 'text[]')}, ${value('keys', 'text[]')}, ${value('revisions', 'bigint[]')})
        AS dropped (kind, key, revision)
      WHERE e.log_id = ${value('log', 'text')} AND e.kind = dropped.kind AND e.key = dropped.key
        AND e.revision = dropped.revision AND e.superseded_at_revision IS NOT NULL`,
)

const START = { kind: '', key: '', revision: '0' }
type Place = typeof START

type Page = { readonly droppable: readonly PageRow[]; readonly next: Place | undefined }

async function pageAfter(db: Db, log: LogId, place: Place, compacted: Compacted): Promise<Page> {
  const rows = await nextPage(db, { log, ...place })
  // Kills are small, and which of them are over is read from their texts.
  const droppable = rows.filter(
    ({ kind, bytes, written, replaced }) =>
      kind !== 'kill' && bytes !== null && replaced !== null && mayBeDropped(compacted, written, replaced),
  )
  return { droppable, next: rows.length < PAGE ? undefined : rows.at(-1) }
}

const sumOf = (rows: readonly PageRow[]) => rows.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0)

/** Walks a log's versions, and does something with those that may be dropped, page by page. */
async function forEachPage(
  run: <T>(work: (db: Db) => Promise<T>) => Promise<T>,
  log: LogId,
  compacted: Compacted,
  work: (db: Db, droppable: readonly PageRow[]) => Promise<void>,
): Promise<Dropped> {
  let [versions, bytes] = [0, 0]
  for (let place: Place | undefined = START; place !== undefined; ) {
    const from: Place = place
    place = await run(async (db) => {
      const { droppable, next } = await pageAfter(db, log, from, compacted)
      await work(db, droppable)
      versions += droppable.length
      bytes += sumOf(droppable)
      return next
    })
  }
  return { versions, bytes }
}

/**
 * Drops what a compaction may drop. It needs the rights of the schema's owner; commits go on meanwhile, and wait for
 * nothing longer than for one of their own.
 * @returns what was dropped from each log, or in a dry run would be
 */
export async function compact(database: Database, request: CompactRequest): Promise<Dropped> {
  const { before, keep, only = () => true, dryRun = false, onLog } = request
  const logs = await database.survey((db) => readLogRows(db, {}))
  let total: Dropped = { versions: 0, bytes: 0 }
  for (const log of logs.filter((row) => !row.closed && only(row))) {
    const known = await database.survey((db) => compactionsOf(db, log.id))
    const wanted = { before: new Date(before).toISOString(), keep }
    const isNew = !covers(compactedBy(known), keep, before)
    const compacted = compactedBy([...known, wanted])
    const found = await database.survey((db) =>
      forEachPage(
        (work) => work(db),
        log.id,
        compacted,
        async () => {},
      ),
    )
    if (!dryRun && found.versions > 0) {
      if (isNew) await record(database, log, { ...wanted, ...found }, request)
      await forEachPage(
        (work) => database.transact('migration', async (db) => ({ keep: true, value: await work(db) })),
        log.id,
        compacted,
        (db, rows) => drop(db, log.id, rows),
      )
    }
    onLog?.(log, found)
    total = { versions: total.versions + found.versions, bytes: total.bytes + found.bytes }
  }
  return total
}

async function compactionsOf(db: Db, log: LogId): Promise<readonly Compaction[]> {
  return (await readCompactions(db, { log })).map(({ compaction }) => JSON.parse(compaction) as Compaction)
}

async function drop(db: Db, log: LogId, rows: readonly PageRow[]): Promise<void> {
  if (rows.length === 0) return
  await dropTexts(db, {
    log,
    kinds: rows.map(({ kind }) => kind),
    keys: rows.map(({ key }) => key),
    revisions: rows.map(({ revision }) => revision),
  })
}

/** Before anything is dropped: a compaction that is cut short is one that verification knows of. */
async function record(
  database: Database,
  log: LogRow,
  compaction: Compaction,
  { actor, comment, now, mint }: CompactRequest,
): Promise<void> {
  await database.transact('migration', async (db) => {
    const [row] = await lockLogs(db, { path: [log.id] })
    if (row === undefined) throw new Error(`The log ${log.id} was not locked`)
    const at = Math.max(now, row.changedAt)
    const signature = { change: mint(), at, actor, action: 'history.compact', comment }
    const { epoch, revision, digest, headHash, bytes } = row
    const base = { log: log.id, state: { epoch, revision, digest, entries: new Map() }, headHash, bytes }
    const plan = planRecord(base, [], signature, { compaction })
    await write(db, {
      at,
      writes: [{ signature, plans: [plan], openings: [] }],
      heads: [
        { log: log.id, epoch, revision: revision + 1, headHash: plan.hash, bytes, digest, closes: false },
      ],
      notice: (notice) => noticeText(notice, 'history.compact'),
    })
    return { keep: true, value: undefined }
  })
}

/**
 * Reading logs: heads, whole logs, and what is newer than a held state. Rows become states here and nowhere else.
 */
import { type DeltaEntry, type Entry, entryDigest, type Json, type State } from '@halyard/sdk/core'
import { and, inArray, isNotNull, isNull, sql } from 'drizzle-orm'
import type { Actor, LogId } from '../domain/change.ts'
import { type Db, statement, value } from './database.ts'
import { endedOf, idsIn, killsIn, readEndedKills } from './ended-kills.ts'
import { entries, logs } from './schema.ts'
import type { Head, Loaded, Newer, Provenance } from './store.ts'

/** Every open log's head. */
export async function readHeads(db: Db): Promise<readonly Head[]> {
  return db
    .select({
      log: logs.id,
      kind: logs.kind,
      parent: logs.parentId,
      epoch: logs.epoch,
      revision: logs.revision,
    })
    .from(logs)
    .where(isNull(logs.closedAt))
}

/**
 * Whole logs; closed and unknown ones are left out. Run it in one snapshot.
 * @param now epoch milliseconds
 */
export async function readLogs(db: Db, ids: readonly LogId[], now: number): Promise<readonly Loaded[]> {
  if (ids.length === 0) return []
  const heads = await db
    .select()
    .from(logs)
    .where(and(inArray(logs.id, [...ids]), isNull(logs.closedAt)))
  const open = heads.map((head) => head.id)
  if (open.length === 0) return []
  const documents = await db
    .select({
      log: entries.logId,
      kind: entries.kind,
      key: entries.key,
      revision: entries.revision,
      text: entries.text,
    })
    .from(entries)
    .where(and(inArray(entries.logId, open), isNull(entries.supersededAtRevision), isNotNull(entries.digest)))
  const records = (await recordsOfCurrent(db, { logs: open })).map((record) => ({
    ...record,
    revision: Number(record.revision),
  }))
  const ended = await readEndedKills(db, open, now)

  const documentsOf = grouped(documents)
  const recordsOf = grouped(records)
  return heads.map((head) => {
    const held = entriesOf(documentsOf.get(head.id) ?? [])
    return {
      log: head.id,
      kind: head.kind,
      parent: head.parentId,
      epoch: head.epoch,
      revision: head.revision,
      state: stateFrom(head, held, new Set(endedOf(ended.get(head.id) ?? [], killsIn(held)))),
      provenance: new Map(
        (recordsOf.get(head.id) ?? []).map((record) => [
          record.revision,
          { at: Math.round(Number(record.at)), by: actorOf(record) },
        ]),
      ),
    }
  })
}

// From the current entries to their records, and not the other way round: there are far more records.
const recordsOfCurrent = statement<{
  readonly log: LogId
  readonly revision: string
  readonly at: string
  readonly actorKind: Actor['kind']
  readonly actorId: string
  readonly actorName: string
}>(
  'halyard_records_of_current',
  sql`SELECT written.log_id AS log, written.revision, c.*
      FROM (
        SELECT DISTINCT log_id, revision FROM halyard.entries
        WHERE log_id = ANY(${value('logs', 'text[]')}) AND superseded_at_revision IS NULL AND digest IS NOT NULL
      ) AS written CROSS JOIN LATERAL (
        SELECT (extract(epoch FROM at) * 1000)::text AS at,
          actor_kind AS "actorKind", actor_id AS "actorId", actor_name AS "actorName"
        FROM halyard.changes WHERE log_id = written.log_id AND revision = written.revision
        LIMIT 1
      ) AS c`,
)

type NewerRow = {
  readonly closed: boolean
  readonly epoch: string
  readonly revision: string
  readonly digest: string
  readonly kind: string | null
  readonly key: string | null
  readonly written: string | null
  readonly text: string | null
  /** Where it is a kill's: what was written since, and is not there any more. */
  readonly ended: readonly string[] | null
  readonly at: string | null
  readonly actorKind: Actor['kind'] | null
  readonly actorId: string | null
  readonly actorName: string | null
}

const newerThan = statement<NewerRow>(
  'halyard_newer',
  sql`SELECT l.closed_at IS NOT NULL AS closed, l.epoch, l.revision, l.digest, e.kind, e.key, e.revision AS written, e.text, k.ended,
        (extract(epoch FROM c.at) * 1000)::text AS at,
        c.actor_kind AS "actorKind", c.actor_id AS "actorId", c.actor_name AS "actorName"
      FROM halyard.logs l
      LEFT JOIN LATERAL (
        SELECT * FROM halyard.entries WHERE log_id = l.id AND superseded_at_revision IS NULL AND revision > 0
          AND l.epoch = ${value('epoch', 'bigint')} AND revision > ${value('revision', 'bigint')}
        OFFSET 0
      ) AS e ON true
      LEFT JOIN LATERAL (
        SELECT array_agg(text ORDER BY revision) AS ended FROM halyard.entries
        WHERE e.kind = 'kill' AND log_id = e.log_id AND kind = 'kill' AND key = e.key
          AND revision > ${value('revision', 'bigint')} AND superseded_at_revision IS NOT NULL AND text IS NOT NULL
      ) AS k ON true
      LEFT JOIN LATERAL (
        SELECT * FROM halyard.changes WHERE log_id = e.log_id AND revision = e.revision LIMIT 1
      ) AS c ON true
      WHERE l.id = ${value('log', 'text')}`,
)

/**
 * What is newer than a revision of this epoch, in one statement and so in one snapshot; `other` where the log is
 * in another epoch or behind, and must be loaded whole.
 */
export async function readNewer(
  db: Db,
  log: LogId,
  since: { readonly epoch: number; readonly revision: number },
): Promise<Exclude<Newer, { kind: 'reload' }> | { readonly kind: 'other' }> {
  const rows = await newerThan(db, { log, epoch: since.epoch, revision: since.revision })
  const head = rows[0]
  if (head === undefined) return { kind: 'missing' }
  if (head.closed) return { kind: 'closed' }
  const revision = Number(head.revision)
  if (Number(head.epoch) !== since.epoch || revision < since.revision) return { kind: 'other' }
  if (revision === since.revision) return { kind: 'current' }
  const changed: DeltaEntry[] = []
  const ended: string[] = []
  const provenance = new Map<number, Provenance>()
  for (const row of rows) {
    if (row.kind === null || row.key === null || row.written === null) continue
    changed.push({
      kind: row.kind,
      key: row.key,
      revision: Number(row.written),
      definition: definitionOf(row.text),
    })
    ended.push(...(row.ended ?? []).flatMap(idsIn))
    if (row.actorKind !== null && row.actorId !== null && row.actorName !== null) {
      provenance.set(Number(row.written), {
        at: Math.round(Number(row.at)),
        by: { kind: row.actorKind, id: row.actorId, name: row.actorName },
      })
    }
  }
  const delta = {
    epoch: since.epoch,
    base: since.revision,
    revision,
    entries: changed,
    digest: Number(head.digest),
  }
  const kills = changed.filter(({ kind }) => kind === 'kill').map(({ definition }) => definition)
  return { kind: 'delta', delta, provenance, endedKills: endedOf(ended, kills) }
}

/** Rows of entries with their definitions parsed, by kind and key. */
export function entriesOf(
  rows: readonly {
    readonly kind: string
    readonly key: string
    readonly revision: number
    readonly text: string | null
  }[],
): State['entries'] {
  const byKind: Entries = new Map()
  for (const row of rows) addEntry(byKind, row)
  return byKind
}

export type Entries = Map<string, Map<string, Entry>>

/** Takes in one row, its definition parsed. */
export function addEntry(
  byKind: Entries,
  {
    kind,
    key,
    revision,
    text,
  }: {
    readonly kind: string
    readonly key: string
    readonly revision: number
    readonly text: string | null
  },
): void {
  const ofKind = byKind.get(kind) ?? new Map<string, Entry>()
  byKind.set(kind, ofKind)
  ofKind.set(key, { revision, definition: definitionOf(text) })
}

/**
 * A state made of entries; the digest is theirs, whatever a row may say.
 * @param endedKills ids of kills that are over; none where that does not matter
 */
export function stateFrom(
  head: {
    readonly project: string
    readonly environment: string
    readonly epoch: number
    readonly revision: number
  },
  held: State['entries'],
  endedKills: State['endedKills'] = new Set(),
): State {
  return {
    project: head.project,
    environment: head.environment,
    epoch: head.epoch,
    revision: head.revision,
    digest: digestOf(held),
    entries: held,
    pending: new Map(),
    endedKills,
  }
}

/** As the wire defines it: the sum of all entries' digests modulo 2^32. */
function digestOf(held: State['entries']): number {
  let digest = 0
  for (const [kind, ofKind] of held) {
    for (const [key, { revision }] of ofKind) digest = (digest + entryDigest(kind, key, revision)) >>> 0
  }
  return digest
}

/** The definition in a version's text; null in one that removes. */
export const definitionOf = (text: string | null): Json => (text === null ? null : (JSON.parse(text) as Json))

const actorOf = (row: {
  readonly actorKind: Actor['kind']
  readonly actorId: string
  readonly actorName: string
}): Actor => ({ kind: row.actorKind, id: row.actorId, name: row.actorName })

/** Rows by their log. */
export function grouped<Row extends { readonly log: LogId }>(
  rows: readonly Row[],
): ReadonlyMap<LogId, readonly Row[]> {
  const groups = new Map<LogId, Row[]>()
  for (const row of rows) {
    const group = groups.get(row.log)
    if (group === undefined) groups.set(row.log, [row])
    else group.push(row)
  }
  return groups
}

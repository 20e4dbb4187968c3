/**
 * Locking logs for a commit, top-down and siblings by id, so that no two commits wait for each other; and the
 * states under those locks, read only where the caller does not hold them.
 */
import { apply, type State } from '@halyard/sdk/core'
import { sql } from 'drizzle-orm'
import type { LogId, LogKind } from '../domain/change.ts'
import { MissingLog } from '../domain/epochs.ts'
import { Problem } from '../domain/problem.ts'
import { type Db, statement, value } from './database.ts'
import { unavailable } from './faults.ts'
import { definitionOf, entriesOf, grouped, stateFrom } from './read.ts'
import type { Scope } from './store.ts'

/** A log's row under its lock. */
export type LockedRow = {
  readonly id: LogId
  readonly parent: LogId | null
  readonly kind: LogKind
  readonly project: string
  readonly environment: string
  readonly epoch: number
  readonly revision: number
  readonly headHash: string
  readonly bytes: number
  readonly digest: number
  readonly closed: boolean
  /** Epoch milliseconds of the newest change record; 0 where that is not known. */
  readonly changedAt: number
}

const COLUMNS = sql`id, parent_id AS parent, kind, project, environment, epoch, revision,
  head_hash AS "headHash", bytes, digest, closed_at IS NOT NULL AS closed,
  coalesce(extract(epoch FROM changed_at) * 1000, 0)::bigint AS "changedAt"`
const TOP_DOWN = sql`ORDER BY CASE kind WHEN 'system' THEN 0 WHEN 'project' THEN 1 ELSE 2 END, id FOR NO KEY UPDATE`

// The row lock serialises commits, so a revision is taken in the order of commits although it is written later,
// with all else, in one statement: an edit that changes nothing then leaves no dead row behind.
const lockPath = statement<LockedRow>(
  'halyard_lock_path',
  sql`SELECT ${COLUMNS} FROM halyard.logs WHERE id = ANY(${value('ids', 'text[]')}) ${TOP_DOWN}`,
)
// A statement of its own, after the path's locks: a child opened by the former holder must be seen.
const lockChildren = statement<LockedRow>(
  'halyard_lock_children',
  sql`SELECT ${COLUMNS} FROM halyard.logs
      WHERE parent_id = ANY(${value('parents', 'text[]')}) AND closed_at IS NULL ${TOP_DOWN}`,
)

/**
 * Locks the logs of a scope.
 * @throws Problem `project-not-found` or `environment-not-found` where one of the path is closed, `unavailable` where the
 *   database does not know it
 */
export async function lockLogs(db: Db, scope: Scope): Promise<readonly LockedRow[]> {
  const found = (await lockPath(db, { ids: scope.path })).map(withNumbers)
  for (const id of scope.path) {
    const row = found.find((candidate) => candidate.id === id)
    if (row === undefined) throw unavailable(new MissingLog(id))
    if (row.closed) throw closed(row)
  }
  const locked = [...found]
  let parents = scope.descendants ? found.filter((row) => row.id === scope.path.at(-1)) : []
  while (parents.some((row) => row.kind !== 'environment')) {
    parents = (await lockChildren(db, { parents: parents.map((row) => row.id) })).map(withNumbers)
    locked.push(...parents.filter((row) => !locked.some((known) => known.id === row.id)))
  }
  return locked
}

/** Locks one log, be it closed: its history is still there. */
export async function lockAnyLog(db: Db, id: LogId): Promise<LockedRow> {
  const [row] = await lockPath(db, { ids: [id] })
  if (row === undefined) throw unavailable(new MissingLog(id))
  return withNumbers(row)
}

// Drivers give 64-bit integers as text.
const withNumbers = (row: LockedRow): LockedRow => ({
  ...row,
  epoch: Number(row.epoch),
  revision: Number(row.revision),
  bytes: Number(row.bytes),
  digest: Number(row.digest),
  changedAt: Number(row.changedAt),
})

function closed({ kind }: LockedRow): Problem {
  return kind === 'project'
    ? new Problem('project-not-found', 'There is no such project; it may have been deleted meanwhile.')
    : new Problem(
        'environment-not-found',
        'There is no such environment; it may have been deleted meanwhile.',
      )
}

type EntryRow = {
  readonly log: LogId
  readonly kind: string
  readonly key: string
  readonly revision: string
  readonly text: string | null
}
const readOnto = statement<EntryRow>(
  'halyard_read_onto',
  sql`SELECT held.log_id AS log, newer.*
      FROM unnest(${value('logs', 'text[]')}, ${value('since', 'bigint[]')}) AS held (log_id, revision)
      CROSS JOIN LATERAL (
        SELECT e.kind, e.key, e.revision, e.text FROM halyard.entries e
        WHERE e.log_id = held.log_id AND e.superseded_at_revision IS NULL AND e.revision > 0
          AND e.revision > held.revision AND (held.revision > 0 OR e.digest IS NOT NULL)
        OFFSET 0
      ) AS newer`,
)

/**
 * The states of locked logs. At most one query, and none where the caller holds all of them.
 * @param known the newest state that the caller holds of a log
 */
export async function readStates(
  db: Db,
  rows: readonly LockedRow[],
  known: (log: LogId) => State | undefined,
): Promise<(row: LockedRow) => State> {
  const states = new Map<LogId, State>()
  const bases = new Map<LogId, State>()
  for (const row of rows) {
    const held = known(row.id)
    if (held === undefined || held.epoch !== row.epoch || held.revision > row.revision) continue
    if (held.revision < row.revision) bases.set(row.id, held)
    else if (held.digest === row.digest) states.set(row.id, held)
  }
  const stale = rows.filter((row) => !states.has(row.id))
  if (stale.length > 0) {
    const since = stale.map((row) => bases.get(row.id)?.revision ?? 0)
    const read = await readOnto(db, { logs: stale.map((row) => row.id), since })
    const newer = grouped(read.map((entry) => ({ ...entry, revision: Number(entry.revision) })))
    for (const row of stale) {
      const base = bases.get(row.id)
      const entries = newer.get(row.id) ?? []
      const state =
        base === undefined ? stateFrom(row, entriesOf(entries)) : broughtForward(base, row, entries)
      states.set(row.id, state ?? (await wholeState(db, row)))
    }
  }
  return (row) => {
    const state = states.get(row.id)
    if (state === undefined) throw new Error(`Log ${row.id} was locked and not read`)
    return state
  }
}

type Newer = {
  readonly kind: string
  readonly key: string
  readonly revision: number
  readonly text: string | null
}

/** undefined where the held state is not what the log once was: it must be read whole. */
function broughtForward(base: State, row: LockedRow, newer: readonly Newer[]): State | undefined {
  const next = apply(base, {
    epoch: row.epoch,
    base: base.revision,
    revision: row.revision,
    digest: row.digest,
    entries: newer.map(({ text, ...entry }) => ({ ...entry, definition: definitionOf(text) })),
  })
  return 'refused' in next ? undefined : next
}

async function wholeState(db: Db, row: LockedRow): Promise<State> {
  const all = await readOnto(db, { logs: [row.id], since: [0] })
  return stateFrom(row, entriesOf(all.map((entry) => ({ ...entry, revision: Number(entry.revision) }))))
}

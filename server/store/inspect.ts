/**
 * What a look at a database tells of an installation, whatever its schema: it may be older or newer than this release,
 * or not there yet. Reads only what the first migration made, and asks whether the rest is there.
 */
import type { State } from '@halyard/sdk/core'
import { sql } from 'drizzle-orm'
import type { LogId } from '../domain/change.ts'
import { type Database, type Db, rowsOf } from './database.ts'
import { appliedNames } from './migrate.ts'
import { entriesOf, stateFrom } from './read.ts'
import type { KeyUse } from './store.ts'

export type Inspection = {
  /** Of the server. */
  readonly version: string
  /** It takes no writes: a standby, or set so. */
  readonly readOnly: boolean
  readonly migrations: readonly string[]
  /** Machines that other processes of Halyard are connected from. */
  readonly machines: number
  readonly environments: readonly { readonly name: string; readonly bytes: number }[]
}

export async function inspect(database: Database): Promise<Inspection> {
  return database.survey(async (db) => {
    const [server] = rowsOf<{
      readonly version: string
      readonly readOnly: boolean
      readonly machines: number
    }>(
      await db.execute(sql`
        SELECT current_setting('server_version') AS version,
          pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS "readOnly",
          (SELECT count(DISTINCT coalesce(host(client_addr), ''))::int FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'halyard' AND pid <> pg_backend_pid()) AS machines`),
    )
    if (server === undefined) throw new Error('The database did not say what it is')
    const migrations = [...(await appliedNames(db))].sort()
    const environments = migrations.length === 0 ? [] : await readSizes(db)
    return { ...server, migrations, environments }
  })
}

async function readSizes(db: Db): Promise<Inspection['environments']> {
  return rowsOf(
    await db.execute(sql`
      SELECT project || '/' || environment AS name, bytes::float8 AS bytes FROM halyard.logs
      WHERE kind = 'environment' AND closed_at IS NULL ORDER BY bytes DESC, 1`),
  )
}

/** How far the server's clock is from ours, and how long it took to ask: milliseconds. */
export async function timeOf(
  database: Database,
  now: () => number,
): Promise<{ readonly skewMs: number; readonly tookMs: number }> {
  return database.read(async (db) => {
    await db.execute(sql`SELECT 1`)
    const before = now()
    const [row] = rowsOf<{ readonly at: string }>(
      await db.execute(sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::text AS at`),
    )
    const after = now()
    return { skewMs: Math.round(Number(row?.at) - (before + after) / 2), tookMs: Math.round(after - before) }
  })
}

/** As whom the service's sessions work, and whether they could rewrite the history. */
export async function rightsOf(
  database: Database,
): Promise<{ readonly role: string; readonly rewrites: boolean }> {
  return database.read(async (db) => {
    const [row] = rowsOf<{ readonly role: string; readonly rewrites: boolean }>(
      await db.execute(sql`
        SELECT current_user::text AS role, has_table_privilege('halyard.changes', 'UPDATE')
          OR has_table_privilege('halyard.changes', 'DELETE') OR has_table_privilege('halyard.entries', 'DELETE') AS rewrites`),
    )
    return row ?? { role: '', rewrites: true }
  })
}

/** An environment, with those who use its server keys. */
export type Audience = { readonly log: LogId; readonly name: string; readonly uses: readonly KeyUse[] }

/** Who used server keys since a time (epoch milliseconds), by environment; undefined where that is not noted yet. */
export async function audiencesOf(db: Db, since: number): Promise<readonly Audience[] | undefined> {
  const [there] = rowsOf<{ readonly there: boolean }>(
    await db.execute(sql`SELECT to_regclass('halyard.key_uses') IS NOT NULL AS there`),
  )
  if (there?.there !== true) return undefined
  const rows = rowsOf<
    Omit<KeyUse, 'at'> & { readonly at: string; readonly log: LogId; readonly name: string }
  >(
    await db.execute(sql`
      SELECT l.id AS log, l.project || '/' || l.environment AS name, u.key_id AS key, u.app, u.version, u.sdk,
        (extract(epoch FROM u.at) * 1000)::text AS at
      FROM halyard.entries k
      JOIN halyard.logs l ON l.id = k.text::json ->> 'environment' AND l.closed_at IS NULL
      JOIN halyard.key_uses u ON u.key_id = k.key AND u.sdk <> '' AND u.at >= to_timestamp(${since}::float8 / 1000)
      WHERE k.kind = 'sdk-key' AND k.superseded_at_revision IS NULL AND k.digest IS NOT NULL
        AND k.text::json ->> 'kind' = 'server'
      ORDER BY name, l.id, u.at DESC`),
  )
  const audiences = new Map<LogId, { log: LogId; name: string; uses: KeyUse[] }>()
  for (const { log, name, ...use } of rows) {
    const audience = audiences.get(log) ?? { log, name, uses: [] }
    audiences.set(log, audience)
    audience.uses.push({ ...use, at: Math.round(Number(use.at)) })
  }
  return [...audiences.values()]
}

/** The current flags and segments of an environment, without their members. */
export async function readRules(db: Db, log: LogId): Promise<State> {
  const rows = rowsOf<{ readonly kind: string; readonly key: string; readonly text: string }>(
    await db.execute(sql`
      SELECT kind, key, text FROM halyard.entries
      WHERE log_id = ${log} AND kind IN ('flag', 'segment') AND superseded_at_revision IS NULL AND digest IS NOT NULL`),
  )
  const held = entriesOf(rows.map((row) => ({ ...row, revision: 1 })))
  return stateFrom({ project: '', environment: '', epoch: 1, revision: 1 }, held)
}

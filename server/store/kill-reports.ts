/** How far each kill came, kept beside its change record. The last word on a kill wins. */
import { sql } from 'drizzle-orm'
import type { LogId } from '../domain/change.ts'
import { type Db, statement, value } from './database.ts'

export type KeptKillReport = {
  /** The kill's id. */
  readonly kill: string
  /** That recorded the kill. */
  readonly revision: number
  /** JSON. */
  readonly report: string
  /** When it was so, epoch milliseconds. */
  readonly at: number
}

const save = statement(
  'halyard_save_kill_report',
  sql`INSERT INTO halyard.kill_reports (log_id, kill_id, revision, report, at)
      VALUES (${sql.placeholder('log')}, ${sql.placeholder('kill')}, ${value('revision', 'bigint')},
        ${sql.placeholder('report')}, to_timestamp(${value('at', 'bigint')} / 1000.0))
      ON CONFLICT (log_id, kill_id) DO UPDATE SET report = excluded.report, at = excluded.at
      WHERE kill_reports.at < excluded.at`,
)

export async function saveKillReport(db: Db, log: LogId, kept: KeptKillReport): Promise<void> {
  await save(db, { log, ...kept })
}

type Row = { readonly revision: string; readonly report: string; readonly at: string }
const read = statement<Row>(
  'halyard_kill_report',
  sql`SELECT revision::text, report, (extract(epoch FROM at) * 1000)::text AS at FROM halyard.kill_reports
      WHERE log_id = ${sql.placeholder('log')} AND kill_id = ${sql.placeholder('kill')}`,
)

export async function readKillReport(db: Db, log: LogId, kill: string): Promise<KeptKillReport | undefined> {
  const [row] = await read(db, { log, kill })
  if (row === undefined) return undefined
  return { kill, revision: Number(row.revision), report: row.report, at: Math.round(Number(row.at)) }
}

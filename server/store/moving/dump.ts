/**
 * Everything of the schema as the lines of a backup: logs, changes, documents, uses of keys, names of migrations. Run
 * in one snapshot it is what the database was at one moment; its memory is the same for any history.
 */
import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { type Db, rowsOf } from '../database.ts'
import { appliedNames } from '../migrate.ts'
import { BackupError, FORMAT, type Footer, type Header, type LogHead, type Section } from './format.ts'
import { pagesOf, readTables, speakPlainly, waitForOthers } from './tables.ts'

export type About = {
  /** The release's. */
  readonly version: string
  /** Epoch milliseconds. */
  readonly at: number
}

/**
 * The lines, several at a time, each with its line break.
 * @param ended hears of the footer, after all that it counts
 * @throws BackupError where there is nothing to back up
 */
export async function* backupOf(
  db: Db,
  { version, at }: About,
  ended: (footer: Footer) => void = () => {},
): AsyncGenerator<string> {
  await waitForOthers(db)
  await speakPlainly(db)
  const tables = await readTables(db)
  const migrations = [...(await appliedNames(db))].sort()
  if (migrations.length === 0) {
    throw new BackupError('This database has no Halyard in it: there is nothing to back up.')
  }
  const hash = createHash('sha256')
  const written = (...lines: readonly (Header | Section | readonly unknown[])[]): string => {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    hash.update(text)
    return text
  }
  const logs = await readHeads(db)
  yield written({
    halyard: 'backup',
    format: FORMAT,
    version,
    at: new Date(at).toISOString(),
    migrations,
    logs,
  })
  const rows: Record<string, number> = {}
  for (const table of tables) {
    rows[table.name] = 0
    yield written({ table: table.name, columns: table.columns.map(({ name }) => name) })
    for await (const page of pagesOf(db, table)) {
      rows[table.name] = (rows[table.name] ?? 0) + page.length
      yield written(...page)
    }
  }
  const footer: Footer = { rows, sha256: hash.digest('hex') }
  yield `${JSON.stringify(footer)}\n`
  ended(footer)
}

/** Connections of other Halyard processes to this database, as of now: in a transaction the first answer is kept. */
export async function otherSessions(db: Db): Promise<number> {
  await db.execute(sql`SELECT pg_stat_clear_snapshot()`)
  const [row] = rowsOf<{ readonly count: number }>(
    await db.execute(sql`
      SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'halyard' AND pid <> pg_backend_pid()`),
  )
  return row?.count ?? 0
}

async function readHeads(db: Db): Promise<readonly LogHead[]> {
  return rowsOf<LogHead>(
    await db.execute(sql`
      SELECT id, project, environment, epoch::text, revision::text, head_hash AS hash FROM halyard.logs ORDER BY id COLLATE "C"`),
  )
}

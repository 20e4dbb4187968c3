/**
 * A backup into an empty database: the schema as it was, every row, then the migrations that are missing. All of it in
 * the transaction at hand, so that whatever is wrong with the backup, nothing is left of it.
 */
import { type SQL, sql } from 'drizzle-orm'
import { type Db, rowsOf } from '../database.ts'
import { driverError, sqlState } from '../faults.ts'
import { appliedNames, type Migration, runMigration, shippedMigrations } from '../migrate.ts'
import { lockMigrations } from '../migration-lock.ts'
import {
  BackupError,
  FORMAT,
  type Footer,
  type Header,
  isWhole,
  type Line,
  lineOf,
  type Row,
  type Section,
} from './format.ts'
import { linesOf } from './lines.ts'
import { filledTables, readTables, speakPlainly, type Table, tableName, waitForOthers } from './tables.ts'

/** SQLSTATE, where the database's encoding lacks a character. */
const UNTRANSLATABLE = '22P05'
/** Rows and characters that are inserted at once. */
const BATCH = { rows: 500, characters: 1024 * 1024 }

export type Restored = {
  readonly header: Header
  readonly rows: Footer['rows']
  /** Migrations that the backup did not have yet. */
  readonly migrated: readonly string[]
}

/**
 * @param chunks the backup, however it is cut
 * @param shipped the migrations that this release knows
 * @throws BackupError where the database is not empty, or the backup is none, damaged, cut short, or of a newer release
 */
export async function restoreFrom(
  db: Db,
  chunks: AsyncIterable<string | Uint8Array>,
  shipped: readonly Migration[] = shippedMigrations(),
): Promise<Restored> {
  await waitForOthers(db)
  const lines = linesOf(chunks)
  const reading = readingOf(lines)
  const first = await reading.next()
  const header = headerOf(first, shipped)
  await lockMigrations(db)
  await speakPlainly(db)
  await expectEmpty(db)
  await makeSchema(db, header, shipped)

  const references = await dropReferences(db)
  const { rows, footer } = await loadRows(db, reading, await readTables(db))
  if (footer.sha256 !== lines.sha256()) throw damaged('its check sum is not that of its lines')
  for (const [table, count] of [...Object.entries(footer.rows), ...Object.entries(rows)]) {
    if (rows[table] !== count || footer.rows[table] !== count) throw damaged(`rows of ${table} are missing`)
  }
  for (const reference of references) await db.execute(reference)

  const missing = shipped.filter(({ name }) => !header.migrations.includes(name))
  for (const migration of missing) await runMigration(db, migration)
  return { header, rows, migrated: missing.map(({ name }) => name) }
}

const damaged = (why: string): BackupError =>
  new BackupError(`The backup is damaged: ${why}. Nothing was restored; take another one.`)

type Reading = { next(): Promise<Line | undefined> }

function readingOf(lines: AsyncIterable<string>): Reading {
  const iterator = lines[Symbol.asyncIterator]()
  let count = 0
  return {
    async next() {
      const { done, value } = await iterator.next()
      if (done) return undefined
      count += 1
      const line = lineOf(value)
      if (line !== undefined) return line
      throw count === 1
        ? new BackupError('This is no backup of Halyard.')
        : damaged(`line ${count} is none of ours`)
    },
  }
}

function headerOf(line: Line | undefined, shipped: readonly Migration[]): Header {
  if (line?.is !== 'header') throw new BackupError('This is no backup of Halyard.')
  const { header } = line
  if (header.format > FORMAT) {
    throw new BackupError(
      `This backup has the format ${header.format}, of a newer release (${header.version}); this one reads ${FORMAT}. Restore it with that release.`,
    )
  }
  if (!isWhole(header)) throw damaged('its header lacks something')
  const unknown = header.migrations.filter((name) => !shipped.some((migration) => migration.name === name))
  if (unknown.length > 0) {
    throw new BackupError(
      `This backup is of a newer release (${header.version}): its schema has ${unknown.join(', ')}, which this release does not know. Restore it with that release.`,
    )
  }
  return header
}

/**
 * Nobody may begin a history while one is restored, so what is there is locked before it is looked at. But first it is
 * looked at without a lock: a service that works on it, whose database this was not meant to be, waits for nothing.
 */
async function expectEmpty(db: Db): Promise<void> {
  const tables = await readTables(db)
  if (tables.length === 0) return
  const kept = tables.filter(({ name }) => name !== 'migrations')
  const expectNone = async () => {
    if ((await filledTables(db, kept)).length === 0) return
    throw new BackupError(
      'This database is not empty: there is a history of Halyard in it (a service that was started on it once has begun one). Restoring never overwrites: make a new database, and restore into that.',
    )
  }
  await expectNone()
  await db.execute(sql`LOCK TABLE ${sql.join(tables.map(tableName), sql`, `)} IN ACCESS EXCLUSIVE MODE`)
  await expectNone()
}

/** The schema as it was when the backup was made. One without rows that is another is made anew. */
async function makeSchema(db: Db, { migrations }: Header, shipped: readonly Migration[]): Promise<void> {
  const there = await appliedNames(db)
  const same = there.size === migrations.length && migrations.every((name) => there.has(name))
  if (there.size > 0 && !same) await db.execute(sql`DROP SCHEMA halyard CASCADE`)
  for (const migration of same ? [] : shipped) {
    if (migrations.includes(migration.name)) await runMigration(db, migration)
  }
  await db.execute(sql`DELETE FROM halyard.migrations`)
}

/**
 * Rows come table by table, so references between tables are put back when all are there, and checked then.
 * @returns the statements that put them back
 */
async function dropReferences(db: Db): Promise<readonly SQL[]> {
  const found = rowsOf<{ readonly table: string; readonly name: string; readonly definition: string }>(
    await db.execute(sql`
      SELECT c.relname AS table, k.conname AS name, pg_get_constraintdef(k.oid) AS definition
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
      WHERE k.contype = 'f' AND k.connamespace = to_regnamespace('halyard')`),
  )
  const back: SQL[] = []
  for (const { table, name, definition } of found) {
    const alter = sql`ALTER TABLE ${tableName({ name: table })}`
    await db.execute(sql`${alter} DROP CONSTRAINT ${sql.identifier(name)}`)
    back.push(sql`${alter} ADD CONSTRAINT ${sql.identifier(name)} ${sql.raw(definition)}`)
  }
  return back
}

type Loaded = { readonly rows: Record<string, number>; readonly footer: Footer }

async function loadRows(db: Db, reading: Reading, tables: readonly Table[]): Promise<Loaded> {
  const rows: Record<string, number> = {}
  let into: Target | undefined
  let batch: Row[] = []
  let characters = 0
  const flush = async () => {
    if (into !== undefined && batch.length > 0) await insert(db, into, batch)
    batch = []
    characters = 0
  }
  for (;;) {
    const line = await reading.next()
    switch (line?.is) {
      case 'section':
        await flush()
        into = targetOf(line.section, tables)
        if (rows[into.table.name] !== undefined) throw damaged(`the table ${into.table.name} is there twice`)
        rows[into.table.name] = 0
        break
      case 'row':
        if (into?.columns.length !== line.row.length) throw damaged('a row does not fit its table')
        batch.push(line.row)
        characters += line.row.reduce((sum, cell) => sum + (cell?.length ?? 0), 0)
        rows[into.table.name] = (rows[into.table.name] ?? 0) + 1
        if (batch.length >= BATCH.rows || characters >= BATCH.characters) await flush()
        break
      case 'footer':
        await flush()
        if ((await reading.next()) !== undefined) throw damaged('something follows its end')
        return { rows, footer: line.footer }
      default:
        throw new BackupError(
          'The backup is cut short: its end is missing. Nothing was restored; take another one.',
        )
    }
  }
}

type Target = { readonly table: Table; readonly columns: Table['columns'] }

function targetOf({ table: name, columns }: Section, tables: readonly Table[]): Target {
  const table = tables.find((known) => known.name === name)
  if (table === undefined) throw damaged(`its schema has no table ${JSON.stringify(name)}`)
  return {
    table,
    columns: columns.map((named) => {
      const column = table.columns.find((known) => known.name === named)
      if (column === undefined) throw damaged(`the table ${name} has no column ${JSON.stringify(named)}`)
      return column
    }),
  }
}

async function insert(db: Db, { table, columns }: Target, rows: readonly Row[]): Promise<void> {
  const each = <T extends SQL>(made: (column: Table['columns'][number], index: number) => T) =>
    sql.join(columns.map(made), sql`, `)
  const cell = (index: number) => sql.identifier(`c${index}`)
  try {
    await db.execute(sql`
      INSERT INTO ${tableName(table)} (${each(({ name }) => sql`${sql.identifier(name)}`)})
      SELECT ${each(({ type }, index) => sql`${cell(index)}::${sql.raw(type)}`)}
      FROM unnest(${each((_, index) => sql`${sql.param(rows.map((row) => row[index] ?? null))}::text[]`)})
        AS given (${each((_, index) => sql`${cell(index)}`)})`)
  } catch (error) {
    if (sqlState(driverError(error)) === UNTRANSLATABLE) {
      throw new BackupError(
        'This database has an encoding that not every text can be written in. Nothing was restored; make one with ENCODING UTF8 (CREATE DATABASE … ENCODING UTF8 TEMPLATE template0), and restore into that.',
      )
    }
    // Values that are none of their type, or twice there: nothing that a sound backup has.
    if (/^(22|23)/.test(sqlState(driverError(error)) ?? '')) {
      throw damaged(`rows of ${table.name} are not as they were written`)
    }
    throw error
  }
}

/** Migrations: once, in order, by one of those who try; and the tables are those that the code reads. */
import { sql } from 'drizzle-orm'
import { getTableConfig } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { rowsOf } from '../../../server/store/database.ts'
import { applyMigrations, shippedMigrations } from '../../../server/store/migrate.ts'
import { migrate, postgresDatabase } from '../../../server/store/postgres.ts'
import { changes, entries, logs } from '../../../server/store/schema.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'

const fresh: FreshDatabase[] = []
const database = async (): Promise<string> => {
  const made = await freshDatabase()
  fresh.push(made)
  return made.url
}
afterEach(async () => {
  for (const made of fresh.splice(0)) await made.drop()
})

describe('migrations', () => {
  it('are applied by one of two migrators at once; the other finds them done', async () => {
    const url = await database()
    const names = shippedMigrations().map(({ name }) => name)
    const done = await Promise.all([migrate(url), migrate(url), migrate(url)])
    expect(done.flat().sort()).toEqual(names)
    expect(await migrate(url)).toEqual([])
  })

  it('leave nothing behind where one fails half-way, and go on from there once it is mended', async () => {
    const url = await database()
    const shipped = shippedMigrations()
    const broken = {
      name: '9998-broken',
      statements: ['CREATE TABLE halyard.half (id int)', 'SELEKT 1'],
    }
    const driver = postgresDatabase({ url })
    await expect(applyMigrations(driver, [...shipped, broken])).rejects.toThrow('SQLSTATE 42601')
    const there = async (table: string) =>
      driver.read(async (db) =>
        rowsOf<{ there: boolean }>(await db.execute(sql`SELECT to_regclass(${table}) IS NOT NULL AS there`)),
      )
    expect(await there('halyard.half')).toEqual([{ there: false }])
    expect(await there('halyard.logs')).toEqual([{ there: true }])
    const mended = { name: '9998-broken', statements: ['CREATE TABLE halyard.half (id int)'] }
    expect(await applyMigrations(driver, [...shipped, mended])).toEqual(['9998-broken'])
    await driver.close()
  })

  it('do not stand in line behind a long reader of a table, where everyone else would line up behind them', async () => {
    const url = await database()
    await migrate(url)
    const reader = new pg.Client({ connectionString: url })
    await reader.connect()
    await reader.query('BEGIN')
    await reader.query('SELECT * FROM halyard.logs')
    const driver = postgresDatabase({ url })
    const alter = { name: '9999-alter', statements: ['ALTER TABLE halyard.logs ADD COLUMN extra int'] }
    await expect(applyMigrations(driver, [alter])).rejects.toMatchObject({
      type: 'unavailable',
      message: expect.stringMatching(
        /^The migration 9999-alter needs a table .*pg_stat_activity.* try again\.$/,
      ),
      details: { cause: { code: '55P03' } },
    })
    await reader.query('COMMIT')
    expect(await applyMigrations(driver, [alter])).toEqual(['9999-alter'])
    await reader.end()
    await driver.close()
  })

  it('make the tables that the code reads by drizzle', async () => {
    const url = await database()
    await migrate(url)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query<{ table: string; column: string; type: string; required: boolean }>(
      `SELECT table_name AS table, column_name AS column, data_type AS type, is_nullable = 'NO' AS required
       FROM information_schema.columns
       WHERE table_schema = 'halyard' AND table_name IN ('logs', 'changes', 'entries')`,
    )
    const { rows: indexes } = await client.query<{ name: string }>(
      `SELECT indexname AS name FROM pg_indexes
       WHERE schemaname = 'halyard' AND tablename IN ('logs', 'changes', 'entries') AND indexname NOT LIKE '%_pkey'`,
    )
    await client.end()
    const tables = [logs, changes, entries].map((table) => getTableConfig(table))
    const known = tables.flatMap(({ name, columns }) =>
      columns.map((column) => ({
        table: name,
        column: column.name,
        type: column.getSQLType().replace(/\(\d\)/, ''),
        required: column.notNull,
      })),
    )
    const sorted = <T>(list: readonly T[]) => list.map((item) => JSON.stringify(item)).sort()
    expect(sorted(known)).toEqual(sorted(rows))
    expect(tables.flatMap((table) => table.indexes.map((index) => index.config.name)).sort()).toEqual(
      indexes.map(({ name }) => name).sort(),
    )
  })

  it('make tables that a backup can carry: each with a primary key, and no sequences', async () => {
    const url = await database()
    await migrate(url)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query(
      `SELECT relname FROM pg_class c WHERE relnamespace = 'halyard'::regnamespace AND (relkind = 'S' OR relkind IN ('r', 'p')
         AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary))`,
    )
    await client.end()
    expect(rows).toEqual([])
  })

  it('are numbered without a gap', () => {
    for (const [index, { name }] of shippedMigrations().entries()) {
      expect(name).toMatch(new RegExp(`^${String(index + 1).padStart(4, '0')}-[a-z0-9-]+$`))
    }
  })
})

/** Statements go by index from the first day: plans made for small tables, without statistics, hold for large ones. */
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { expect, it } from 'vitest'
import { type Db, rowsOf } from '../../../server/store/database.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import { ANN, edit, flag, loadOne, openFamily, subjectOn, write } from '../../contract/store.support.ts'
import { freshDatabase } from '../../support/postgres.ts'

const MANY = 4000

it('reads about as many rows as a commit concerns, however many there are', async () => {
  const database = await freshDatabase()
  const admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
  // One connection, which keeps the plans that it made while the tables were small.
  const { store } = subjectOn(postgresDatabase({ url: database.url, connections: 1 }))
  const { environments } = await openFamily(store, 2)
  const [small, large] = environments as [string, string]
  for (let n = 0; n < 20; n++) {
    await write(store, small, flag('a', n))
    await store.newer(small, await loadOne(store, small))
  }
  await admin.query('ALTER TABLE halyard.entries SET (autovacuum_enabled = off)')

  const everything = (round: number) => Array.from({ length: MANY }, (_, n) => flag(`f${n}`, { round, n }))
  for (const round of [1, 2, 3]) await write(store, large, ...everything(round))
  const held = await loadOne(store, large)
  for (let n = 0; n < 50; n++) {
    await store.commit({
      scope: { path: [large] },
      actor: ANN,
      known: () => held.state,
      edit: edit(large, flag('f1', { n })),
    })
    await write(store, small, flag('a', -n))
    await store.newer(large, held)
  }
  // Counters are complete when the sessions have ended.
  await store.close()
  const sessions = async () =>
    (
      await admin.query(
        `SELECT 1 FROM pg_stat_activity WHERE application_name = 'halyard' AND datname = current_database()`,
      )
    ).rowCount
  while ((await sessions()) !== 0) await new Promise(setImmediate)
  const { rows } = await admin.query<{ read: string }>(
    'SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS read FROM pg_stat_user_tables',
  )
  // A scan of the log for each document, or of all documents for each commit, would be millions.
  expect(Number(rows[0]?.read)).toBeLessThan(20 * MANY)
  // Records are looked up by their revision (each version refers to one), and not by what stands beside it. A
  // session plans a statement anew the first five times, on tables that are small then.
  const { rows: strange } = await admin.query(
    `SELECT indexrelname, idx_scan FROM pg_stat_user_indexes
     WHERE indexrelname IN ('changes_by_time', 'changes_by_actor', 'changes_by_action') AND idx_scan > 5`,
  )
  expect(strange).toEqual([])
  await admin.end()
  await database.drop()
})

it('compiles no statement: what is short by index would only wait for it', async () => {
  const database = await freshDatabase()
  const driver = postgresDatabase({ url: database.url })
  const jit = (db: Db) => db.execute(sql`SHOW jit`)
  for (const ask of [driver.read(jit), driver.snapshot(jit), driver.survey(jit)]) {
    expect(rowsOf(await ask)).toEqual([{ jit: 'off' }])
  }
  await driver.close()
  await database.drop()
})

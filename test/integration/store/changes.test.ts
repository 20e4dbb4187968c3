/** Changes in a long log: no question goes through all of it, and none loses what it did not get to. */
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import type { ChangesQuery } from '../../../server/store/store.ts'
import { NOW, openEnvironment, type Subject, subjectOn } from '../../contract/store.support.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'

const MANY = 30_000
let database: FreshDatabase
let subject: Subject
let log: string

/** Ann enables in even revisions, Bob disables in odd ones; only in the first ten did Bob enable. */
beforeAll(async () => {
  database = await freshDatabase()
  subject = subjectOn(postgresDatabase({ url: database.url }))
  log = await openEnvironment(subject.store)
  const admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
  await admin.query(
    `INSERT INTO halyard.changes (log_id, revision, epoch, change_id, actor_kind, actor_id, actor_name, action, comment, at, documents, previous_hash, hash)
     SELECT $1, n, 1, n::text, 'api-key', CASE WHEN n % 2 = 0 THEN 'ann' ELSE 'bob' END, CASE WHEN n % 2 = 0 THEN 'Ann' ELSE 'Bob' END,
       CASE WHEN n % 2 = 0 OR n < 10 THEN 'flag.enable' ELSE 'flag.disable' END, NULL, to_timestamp($2::bigint / 1000.0),
       '[["flag","f-' || n % 300 || '","x"]]', '', '' FROM generate_series(2, $3::bigint) AS n`,
    [log, NOW, MANY],
  )
  await admin.query(
    `INSERT INTO halyard.entries (log_id, kind, key, revision, text, digest, superseded_at_revision)
     SELECT $1, 'flag', 'f-' || n % 300, n, '1', 'x', n + 300 FROM generate_series(2, $2::bigint) AS n`,
    [log, MANY],
  )
  await admin.query('UPDATE halyard.logs SET revision = $2 WHERE id = $1', [log, MANY])
  await admin.end()
})
afterAll(async () => {
  await subject.store.close()
  await database.drop()
})

async function all(query: Omit<ChangesQuery, 'limit'>): Promise<{ revisions: number[]; pages: number }> {
  const revisions: number[] = []
  let before: number | undefined
  for (let pages = 1; ; pages++) {
    const page = await subject.store.changes(log, { limit: 50, ...query, before })
    revisions.push(...page.records.map(({ revision }) => revision))
    if (page.next === null) return { revisions, pages }
    if (before !== undefined) expect(page.next).toBeLessThan(before)
    before = page.next
  }
}

it('what two conditions find far back is found over short pages, without a gap', async () => {
  const { revisions, pages } = await all({ actor: 'bob', action: 'flag.enable' })
  expect(revisions).toEqual([9, 7, 5, 3])
  expect(pages).toBeGreaterThan(1)
  expect(pages).toBeLessThan(10)
})

it('one narrow condition is enough to find it at once', async () => {
  expect(await all({ actor: 'bob', flag: 'f-7', until: NOW + 1 })).toMatchObject({ pages: 2 })
  expect((await all({ action: 'flag', key: 'f-8', actor: 'Ann' })).revisions).toHaveLength(MANY / 300)
  expect(await all({ flag: 'f-7', actor: 'ann' })).toEqual({ revisions: [], pages: 1 })
})

it('a kind of more keys than are gone through is found in the records', async () => {
  const page = await subject.store.changes(log, { limit: 50, kind: 'flag' })
  expect(page.records.map(({ revision }) => revision)).toEqual(Array.from({ length: 50 }, (_, n) => MANY - n))
  expect(await all({ kind: 'flag', since: NOW + 1 })).toEqual({ revisions: [], pages: 1 })
  expect((await subject.store.changes(log, { limit: 50, kind: 'segment' })).records).toEqual([])
})

it('records that list very many documents make shorter pages, and none is lost', async () => {
  const { store } = subject
  const large = await openEnvironment(store)
  const admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
  const documents = JSON.stringify(
    Array.from({ length: 40_000 }, (_, n) => ['flag', `a-flag-${n}`, 'x'.repeat(64)]),
  )
  await admin.query(
    `INSERT INTO halyard.changes (log_id, revision, epoch, change_id, actor_kind, actor_id, actor_name, action, at, documents, previous_hash, hash)
     SELECT $1, n, 1, n::text, 'api-key', 'ann', 'Ann', 'flag.put', now(), CASE WHEN n % 2 = 0 THEN $2 ELSE '[]' END, '', '' FROM generate_series(2, 7) AS n`,
    [large, documents],
  )
  await admin.end()
  const pages: number[][] = []
  for (let before: number | undefined, more = true; more; ) {
    const page = await store.changes(large, { limit: 10, before })
    pages.push(page.records.map(({ revision }) => revision))
    before = page.next ?? undefined
    more = page.next !== null
  }
  // 3.5 MB each.
  expect(pages).toEqual([
    [7, 6, 5],
    [4, 3],
    [2, 1],
  ])
})

it('a page reads no more rows than its bound, whatever is asked', async () => {
  const counting = new pg.Client({ connectionString: database.url })
  await counting.connect()
  const rowsRead = async () => {
    // Counters are complete when the sessions have ended.
    const { rows } = await counting.query<{ read: string }>(
      'SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes) AS read FROM pg_stat_user_tables',
    )
    return Number(rows[0]?.read)
  }
  const idle = async () => {
    const sessions = () =>
      counting.query(
        `SELECT 1 FROM pg_stat_activity WHERE application_name = 'halyard' AND datname = current_database()`,
      )
    while ((await sessions()).rowCount !== 0) await new Promise(setImmediate)
  }
  await subject.store.close()
  await idle()
  const before = await rowsRead()
  const { store } = subjectOn(postgresDatabase({ url: database.url, connections: 1 }))
  const questions = [
    {},
    { flag: 'f-7' },
    { actor: 'Bob' },
    { action: 'flag' },
    { since: NOW, until: NOW },
    { kind: 'kill' },
  ]
  for (const question of questions) await store.changes(log, { limit: 50, ...question })
  await store.close()
  await idle()
  expect((await rowsRead()) - before).toBeLessThan(questions.length * 500)
  await counting.end()
})

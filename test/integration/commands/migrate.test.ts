/** `migrate` as a step before each start: it stops what must not start, and nothing else. */
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { command } from '../../support/edge.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'

let database: FreshDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

const migrate = (url: string, ...options: string[]) => command(['migrate', ...options], { DATABASE_URL: url })
const AWAY = 'postgres://halyard@127.0.0.1:1/none'

it('lets a start go on without the database where it is asked to, and says so', async () => {
  expect(await migrate(AWAY)).toMatchObject({ code: 75, told: expect.stringContaining('ECONNREFUSED') })
  expect(await migrate(AWAY, '--unless-away')).toMatchObject({
    code: 0,
    said: '',
    told: expect.stringMatching(/ECONNREFUSED.*Nothing was migrated/),
  })
})

it('migrates all the same', async () => {
  const { code, said } = await migrate(database.url, '--unless-away')
  expect([code, said]).toEqual([0, expect.stringContaining('Applied 0001-logs')])
})

it('lets nobody start on a schema that a database which answers did not let it migrate', async () => {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    await client.query(
      'DELETE FROM halyard.migrations WHERE name = (SELECT max(name) FROM halyard.migrations)',
    )
    const name = new URL(database.url).pathname.slice(1)
    await client.query(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`)
    const { code, told } = await migrate(database.url, '--unless-away')
    expect([code, told]).toEqual([75, expect.stringContaining('read-only')])
  } finally {
    await client.end()
  }
})

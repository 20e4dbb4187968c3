/** `migrate` as a step before each start: it stops what must not start, and nothing else. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

describe('where DATABASE_URL leads nowhere', () => {
  const at = (change: Partial<Pick<URL, 'username' | 'password' | 'pathname'>>) =>
    Object.assign(new URL(database.url), { password: 'canary', ...change }).href

  it.each([
    [
      'the database that it names',
      { pathname: '/nosuch' },
      /^halyard: The database that DATABASE_URL names does not exist \(database "nosuch"/,
    ],
    [
      'its user',
      { username: 'nobody_at_all' },
      /^halyard: Postgres does not let the user of DATABASE_URL in \(.*check the user and the password/,
    ],
  ])('says what to check of %s, and that the settings are wrong (78)', async (_, change, sentence) => {
    for (const args of [
      ['migrate'],
      ['migrate', '--unless-away'],
      ['backup'],
      ['restore', '-'],
      ['verify'],
    ]) {
      const { code, said, told } = await command(args, { DATABASE_URL: at(change) })
      expect([args, code, said]).toEqual([args, 78, ''])
      expect(told).toMatch(sentence)
      expect(told).not.toContain('canary')
    }
    const { code, said } = await command(['doctor'], { DATABASE_URL: at(change) })
    expect([code, said]).toEqual([1, expect.stringContaining('DATABASE_URL')])
    expect(said).not.toContain('canary')
  })

  it('names --to where that does', async () => {
    const to = at({ pathname: '/nosuch' })
    const { code, told } = await command(['move', '--to', to], { DATABASE_URL: database.url })
    expect([code, told]).toEqual([78, expect.stringContaining('The database that --to names does not exist')])
  })
})

/** The role that the service runs as: it serves all that is asked, and cannot rewrite the history. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../../../server/store/postgres.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const ENVIRONMENT = '/api/v1/projects/default/environments/development'
const LOGIN = `halyard_login_${randomBytes(4).toString('hex')}`

let database: FreshDatabase
let owner: pg.Client
/** The database by way of a login role that is a member of the application's, and nothing else. */
let asLogin: string

beforeAll(async () => {
  database = await freshDatabase()
  owner = new pg.Client({ connectionString: database.url })
  await owner.connect()
  await migrate(database.url)
  await owner.query(`CREATE ROLE ${LOGIN} LOGIN PASSWORD 'a-password' IN ROLE halyard_app`)
  const url = new URL(database.url)
  url.username = LOGIN
  url.password = 'a-password'
  asLogin = url.href
})
afterAll(async () => {
  await owner.query(`DROP ROLE ${LOGIN}`)
  await owner.end()
  await database.drop()
})

async function serves(service: TestService): Promise<void> {
  const key = `flag-${randomBytes(4).toString('hex')}`
  const made = await service.ask('POST', '/api/v1/projects/default/flags', { body: { key, type: 'boolean' } })
  const enabled = await service.ask('POST', `${ENVIRONMENT}/flags/${key}/enable`, {
    headers: { 'idempotency-key': key },
  })
  const killed = await service.ask('PUT', `${ENVIRONMENT}/flags/${key}/kill`)
  const project = await service.ask('POST', '/api/v1/projects', { body: { key } })
  const gone = await service.ask('DELETE', `/api/v1/projects/${key}`, { headers: { 'if-match': '*' } })
  expect([made, enabled, killed, project, gone].map(({ status }) => status)).toEqual([
    201, 200, 200, 201, 200,
  ])
  const changes = await service.ask('GET', `${ENVIRONMENT}/changes?flag=${key}`)
  expect(changes.body.items).toHaveLength(3)
}

describe('the application’s role', () => {
  it('is what the service runs as, though its URL names the owner', async () => {
    const service = await startService({ database: database.url })
    await serves(service)
    // With a right less it is refused, which the owner would not be.
    await owner.query('REVOKE INSERT ON halyard.changes FROM halyard_app')
    const { status } = await service.ask('POST', '/api/v1/projects', { body: { key: 'refused' } })
    await owner.query('GRANT INSERT ON halyard.changes TO halyard_app')
    expect(status).toBe(503)
    await service.close()
  })

  it('is enough for a service that has no other, on a schema that its owner migrated', async () => {
    const service = await startService({ database: asLogin })
    await serves(service)
    await service.close()
  })

  it.each([
    ['rewrite a text', 'UPDATE halyard.entries SET text = NULL'],
    ['rewrite a digest', "UPDATE halyard.entries SET digest = ''"],
    ['rewrite a record', "UPDATE halyard.changes SET comment = 'nothing happened'"],
    ['remove records', 'DELETE FROM halyard.changes'],
    ['remove versions', 'DELETE FROM halyard.entries'],
    ['remove logs', 'DELETE FROM halyard.logs'],
    ['rename a log', "UPDATE halyard.logs SET id = 'other'"],
    ['empty a table', 'TRUNCATE halyard.entries'],
    ['change a table', 'ALTER TABLE halyard.entries DISABLE TRIGGER ALL'],
    ['drop a table', 'DROP TABLE halyard.key_uses'],
    ['make a table', 'CREATE TABLE halyard.other (id int)'],
    ['say what was migrated', 'DELETE FROM halyard.migrations'],
    ['become a superuser', `ALTER ROLE ${LOGIN} SUPERUSER`],
  ])('cannot %s, whatever it resets', async (_, statement) => {
    const client = await session(asLogin)
    try {
      for (const first of ['SELECT 1', 'RESET ROLE', 'RESET SESSION AUTHORIZATION']) {
        await client.query(first)
        await expect(client.query(statement)).rejects.toMatchObject({
          code: expect.stringMatching(/^(42501|22023)$/),
        })
      }
    } finally {
      await client.end()
    }
  })

  it('cannot become the owner', async () => {
    const { rows } = await owner.query<{ name: string }>('SELECT current_user AS name')
    const client = await session(asLogin)
    await client.query('RESET ROLE')
    await expect(client.query(`SET ROLE "${rows[0]?.name}"`)).rejects.toMatchObject({ code: '42501' })
    await client.end()
  })

  it('is made once, however many migrate databases of one cluster at the same time', async () => {
    const fresh = await Promise.all(Array.from({ length: 4 }, () => freshDatabase()))
    await Promise.all(fresh.map(({ url }) => migrate(url)))
    for (const { url } of fresh) {
      const client = await session(url)
      expect((await client.query('SELECT current_user AS name')).rows).toEqual([{ name: 'halyard_app' }])
      await client.end()
    }
    await Promise.all(fresh.map(({ drop }) => drop()))
  })

  it.each([
    ['may make roles is let in', 'CREATEROLE', 'halyard_app', []],
    ['may not is told so, and serves with its own rights', '', 'itself', [/may not take the role/]],
  ] as const)('an owner who is no superuser and %s', async (_, attributes, takes, warns) => {
    const fresh = await freshDatabase()
    const name = `halyard_owner_${randomBytes(4).toString('hex')}`
    await owner.query(`CREATE ROLE ${name} LOGIN ${attributes}`)
    await owner.query(`ALTER DATABASE ${new URL(fresh.url).pathname.slice(1)} OWNER TO ${name}`)
    const url = new URL(fresh.url)
    url.username = name
    const service = await startService({ database: url.href })
    await serves(service)
    const client = await session(url.href)
    const { rows } = await client.query<{ name: string }>('SELECT current_user AS name')
    expect(rows[0]?.name).toBe(takes === 'itself' ? name : takes)
    await client.end()
    const warned = service.logged.filter((line) => line.includes('halyard_app'))
    expect(warned).toEqual(warns.map((text) => expect.stringMatching(text)))
    await service.close()
    await fresh.drop()
    await owner.query(`DROP ROLE ${name}`)
  })

  it('that lacks a right is unavailable, and never the caller’s fault', async () => {
    const service = await startService({ database: asLogin })
    await owner.query('REVOKE INSERT ON halyard.changes FROM halyard_app')
    const { status, body } = await service.ask('POST', '/api/v1/projects', { body: { key: 'refused' } })
    expect([status, body.detail]).toEqual([503, expect.stringContaining('run the migrations')])
    await owner.query('GRANT INSERT ON halyard.changes TO halyard_app')
    await service.close()
  })
})

/** A session as the service opens it. */
async function session(url: string): Promise<pg.Client> {
  const { TAKE_ROLE } = await import('../../../server/store/application-role.ts')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(TAKE_ROLE)
  return client
}

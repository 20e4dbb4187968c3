/**
 * What apps tell, to two instances on one Postgres: it adds up, once, with the database away and back; old days go; and
 * lists say which flags nobody needs any more.
 */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canStartPostgres, type PostgresProcess, startPostgres } from '../support/postgres.ts'
import { processes, type Server } from '../support/process.ts'
import { DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { until } from '../support/until.ts'

const all = processes()
type Usage = { readonly evaluations: { readonly total: number } }
type Item = {
  readonly key: string
  readonly stale: { readonly why: string; readonly since: string; readonly evidence: object } | null
}
type List = { readonly items: readonly Item[] }

const SAVES_WITHIN_MS = 30_000
const MINUTE = Math.floor(Date.now() / 60_000)

describe.skipIf(!canStartPostgres())('two instances', () => {
  let postgres: PostgresProcess
  let database: string
  let servers: readonly [Server, Server]
  let api: Rest
  let key: string

  beforeAll(async () => {
    postgres = await startPostgres()
    database = await all.freshDatabase(postgres.url)
    const settings = { HALYARD_USAGE_RETENTION_DAYS: '2' }
    const first = await all.startServer({ database, settings })
    servers = [first, await all.startServer({ database, settings, adminKey: first.adminKey })]
    api = rest(first.url, first.adminKey)
    for (const flag of ['read', 'unread', 'same']) {
      await api.must('POST', `${PROJECT}/flags`, { key: flag, type: 'boolean', temporary: true })
    }
    key = await sdkKey(api, 'server')
  })
  afterAll(() => postgres?.remove())

  const batchOf = (count: number, flag = 'read') => ({
    batch: crypto.randomUUID(),
    counts: [{ flag, variant: 'off', version: 1, minute: MINUTE, count }],
  })
  const tell = async (server: Server, body: object) => {
    const { status } = await fetch(`${server.url}/sdk/v1/telemetry`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return status
  }
  const total = async (flag = 'read') =>
    (await api.must<Usage>('GET', `${DEVELOPMENT}/flags/${flag}/usage`)).evaluations.total
  const query = async <Row extends pg.QueryResultRow>(text: string) => {
    const client = new pg.Client({ connectionString: database })
    await client.connect()
    const { rows } = await client.query<Row>(text).finally(() => client.end())
    return rows
  }

  it('add up what apps told either, and a batch once that came to both', async () => {
    const twice = batchOf(100)
    for (const server of servers) {
      expect(await tell(server, twice)).toBe(202)
      expect(await tell(server, batchOf(1))).toBe(202)
    }
    await until('all is saved', async () => (await total()) === 102, SAVES_WITHIN_MS)
  })

  it('keep what comes while the database is away, and never tell an app of it', async () => {
    await postgres.stop()
    for (const server of servers) expect(await tell(server, batchOf(10))).toBe(202)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await postgres.start()
    await until(
      'the database is back',
      async () => (await api.ask('GET', `${DEVELOPMENT}/keys`)).status === 200,
    )
    await until('all is saved', async () => (await total().catch(() => 0)) === 122, SAVES_WITHIN_MS)
  })

  it('have tables of days as a role that may make none, and let go of old ones', async () => {
    const days = await query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
       WHERE inhparent = 'halyard_usage.counts'::regclass ORDER BY 1`,
    )
    const today = new Date().toISOString().slice(0, 10).replaceAll('-', '')
    const names = days.map(({ name }) => name)
    expect(names).toContain(`counts_${today}`)
    // Two days that are kept, this one and three ahead; another where it has turned midnight meanwhile.
    expect([6, 7]).toContain(names.length)
    const [may] = await query<{ make: boolean; drop: boolean }>(
      `SELECT has_schema_privilege('halyard_app', 'halyard_usage', 'CREATE') AS make,
         pg_has_role('halyard_app', (SELECT relowner FROM pg_class WHERE relname = 'counts'), 'USAGE') AS drop`,
    )
    expect(may).toEqual({ make: false, drop: false })
  })

  it('say which flags nobody needs any more, by what apps have told for long', async () => {
    await query(
      `INSERT INTO halyard.flag_reads SELECT log_id, 'unread', 'off', 'shop', '1', now() - interval '80 days',
         now() - interval '40 days' FROM halyard.flag_reads LIMIT 1`,
    )
    await query(
      `INSERT INTO halyard.flag_reads SELECT log_id, 'same', 'off', 'shop', '1', now() - interval '50 days',
         now() - interval '1 hour' FROM halyard.flag_reads LIMIT 1`,
    )
    const other = rest(servers[1].url, servers[0].adminKey)
    const { items } = await other.must<List>('GET', `${DEVELOPMENT}/flags?fields=stale`)
    expect(items).toMatchObject([
      { key: 'read', stale: null },
      { key: 'same', stale: { why: 'one-variant', evidence: { variant: 'off' } } },
      { key: 'unread', stale: { why: 'unread' } },
    ])
    expect(items[2]?.stale?.evidence).toMatchObject({ lastEvaluatedAt: items[2]?.stale?.since })
    const filtered = await other.must<List>('GET', `${PROJECT}/flags?stale=unread&fields=stale`)
    expect(filtered.items.map((item) => item.key)).toEqual(['unread'])
  })

  it('say so where the database is away and nothing is known, and list all the same', async () => {
    await postgres.stop()
    const { items } = await api.must<List>('GET', `${DEVELOPMENT}/flags?fields=stale,staleIncomplete`)
    expect(items[0]).toEqual({ key: 'read', stale: null, staleIncomplete: true })
    const usage = await api.ask('GET', `${DEVELOPMENT}/flags/read/usage`)
    expect(usage.status).toBe(503)
    await postgres.start()
  })
})

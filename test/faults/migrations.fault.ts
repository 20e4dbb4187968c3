/** Migrations are killed at every point, raced, and held up by a long reader while the release before serves. */
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, onTestFinished } from 'vitest'
import { shippedMigrations } from '../../server/store/migrate.ts'
import { freshDatabase, type PostgresProcess, startPostgres } from '../support/postgres.ts'
import { type Ended, MAIN, processes, type Running } from '../support/process.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { APPS } from './rig/apps.ts'
import { CLIENTS, startBaseLoad, through } from './rig/base-load.ts'
import type { Member } from './rig/fleet.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { AS_THIS, asRelease, BEFORE, buildRelease, whyNotBuilt } from './rig/release.ts'
import { row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()
const NAMES = shippedMigrations().map(({ name }) => name)
/** Each message of a migrator is a point to kill it at; fewer of them while the row is being written. */
const EVERY = CLIENTS >= 100 ? 1 : 5
/** EX_TEMPFAIL: try again. */
const TRY_AGAIN = 75
/** Migrations wait so long for a table, and writers behind them, plus a busy machine's own. */
const LOCKED_MS = 2_000 + 500

const migrator = (url: string): Running => all.startScript(MAIN, { DATABASE_URL: url }, ['migrate'])

async function postgresOfOwn(): Promise<PostgresProcess> {
  const postgres = await startPostgres()
  onTestFinished(() => postgres.remove())
  return postgres
}

/** The schema as `pg_dump` tells it, but for what it makes up each time. */
async function schemaOf(url: string): Promise<string> {
  const { stdout } = await promisify(execFile)('pg_dump', ['--schema-only', '--no-owner', url], {
    maxBuffer: 2 ** 26,
  })
  return stdout.replace(/^\\(un)?restrict .*$/gm, '')
}

async function appliedIn(url: string): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const table = await client.query(`SELECT to_regclass('halyard.migrations') IS NOT NULL AS there`)
    if (!table.rows[0].there) return []
    const { rows } = await client.query('SELECT name FROM halyard.migrations ORDER BY name')
    return rows.map(({ name }) => name as string)
  } finally {
    await client.end()
  }
}

/** A proxy that lets a migrator's messages through until one that it must stop at, and then nothing more. */
async function stoppingAt(url: string, isLast: (bytes: Buffer, asked: number) => boolean) {
  let asked = 0
  let stopped = false
  const proxy = await tcpProxy(url, {
    treatment: () => ({
      up: (bytes, pass) => {
        asked += 1
        stopped ||= isLast(bytes, asked)
        if (!stopped) pass(bytes)
      },
    }),
  })
  return { proxy, url: proxy.via(url), asked: () => asked, isStopped: () => stopped }
}

const stoppingAfter = (messages: number, url: string) => stoppingAt(url, (_, asked) => asked > messages)

/** All of that migration was done, in a transaction that its name is missing in. */
const stoppingWithin = (migration: string, url: string) =>
  stoppingAt(url, (bytes) => bytes.includes(migration))

/** Nobody but us has a session on it: what was not committed is rolled back. */
async function untilAlone(postgres: PostgresProcess, database: string): Promise<void> {
  const name = new URL(database).pathname.slice(1)
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  await until('no session is left', async () => {
    const { rows } = await client.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [name])
    return rows.length === 0
  })
  await client.end()
}

/** Starts a migrator, and kills it when it has sent so many messages. @returns whether it had more to send */
async function killedAfter(messages: number, database: string): Promise<boolean> {
  const { proxy, url, isStopped } = await stoppingAfter(messages, database)
  const one = migrator(url)
  let ended: Ended | undefined
  void one.ended.then((end) => {
    ended = end
  })
  await until('it is stopped, or done', () => isStopped() || ended !== undefined)
  const killed = ended === undefined
  await one.kill()
  await proxy.close()
  return killed
}

row(
  'migration-killed',
  {
    fault:
      'a migrator killed (`kill -9`) after each message that it sends to Postgres, from the first to the last; killed while another waits for it; five at once',
    pass: 'each migration wholly or not at all; the next run goes on to the same schema; one winner; a server starts on it',
    timeoutMs: 600_000,
  },
  async (report) => {
    const postgres = await postgresOfOwn()
    const fresh = async () => (await freshDatabase(postgres.url)).url
    const undisturbed = await fresh()
    const counting = await stoppingAfter(Number.POSITIVE_INFINITY, undisturbed)
    expect((await migrator(counting.url).ended).code).toBe(0)
    await counting.proxy.close()
    const schema = await schemaOf(undisturbed)
    const counts = new Set<number>()
    let kills = 0
    const killAfter = async (messages: number) => {
      const url = await fresh()
      if (!(await killedAfter(messages, url))) return
      kills += 1
      await untilAlone(postgres, url)
      const applied = await appliedIn(url)
      expect(applied, `after ${messages} messages`).toEqual(NAMES.slice(0, applied.length))
      counts.add(applied.length)
      const again = migrator(url)
      expect([messages, (await again.ended).code, again.stderr()]).toEqual([messages, 0, ''])
      for (const name of NAMES.slice(applied.length)) expect(again.stdout()).toContain(name)
      expect(await appliedIn(url)).toEqual(NAMES)
      expect(await schemaOf(url)).toBe(schema)
    }
    const points = Array.from({ length: counting.asked() }, (_, index) => index)
    for (const messages of points.filter((point) => point % EVERY === 0)) await killAfter(messages)
    report.figure(
      'killed',
      `at ${kills} of ${points.length} points, with ${[...counts].sort((a, b) => a - b).join(', ')} of ${NAMES.length} migrations done`,
    )
    expect(counts.size).toBeGreaterThanOrEqual(NAMES.length)

    // The winner dies half-way, and who waited for it does the work.
    const raced = await fresh()
    const half = Math.floor(NAMES.length / 2)
    const { proxy, url, isStopped } = await stoppingWithin(NAMES[half] as string, raced)
    const winner = migrator(url)
    await until('the first is half-way', isStopped)
    expect(await appliedIn(raced)).toEqual(NAMES.slice(0, half))
    const waiting = migrator(raced)
    await sleep(1_500)
    expect(waiting.child.exitCode, 'it waits').toBeNull()
    const from = now()
    await winner.kill()
    expect([(await waiting.ended).code, waiting.stderr()]).toEqual([0, ''])
    report.figure('the next one was done', `${milliseconds(now() - from)} after the winner was killed`)
    await proxy.close()
    expect(await schemaOf(raced)).toBe(schema)

    const many = await fresh()
    const five = Array.from({ length: 5 }, () => migrator(many))
    const ends = await Promise.all(five.map(({ ended }) => ended))
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0])
    const done = five.map((one) => NAMES.filter((name) => one.stdout().includes(name)))
    expect(done.flat().sort()).toEqual(NAMES)
    report.figure('five at once', `each of ${NAMES.length} migrations by one of them`)
    expect(await schemaOf(many)).toBe(schema)
    const server = await all.startServer({ database: many })
    await server.stop()
  },
)

row(
  'migration-behind-a-reader',
  {
    fault: `a transaction of 12 s or more that has read every table, while servers of the release before (${BEFORE}) serve; \`migrate\`, and a server of this release that starts`,
    pass: 'the migrator fails ≤ 4 s with 75 and says why; no write waits > 2 s for it; both get through once the reader is gone',
    waits: whyNotBuilt(BEFORE),
    timeoutMs: 300_000,
  },
  async (report) => {
    const before = buildRelease(BEFORE)
    const load = await startBaseLoad(all, {
      as: asRelease(before),
      unkeyed: true,
      apps: { scripts: [before.apps, APPS] },
    })
    const { databaseUrl, members } = load.fleet
    const last = members.at(-1) as Member
    const reader = new pg.Client({ connectionString: databaseUrl })
    reader.on('error', () => {})
    await reader.connect()
    onTestFinished(() => reader.end().catch(() => {}))
    const refusals: string[] = []
    let ready = 0
    const verdict = await through(load, async () => {
      await reader.query('BEGIN')
      for (const table of ['logs', 'changes', 'entries'])
        await reader.query(`SELECT count(*) FROM halyard.${table}`)
      const from = now()
      while (refusals.length < 2 || now() - from < 6_000) {
        const one = migrator(databaseUrl)
        const { code } = await one.ended
        if (code === 0) throw new Error(`it migrated under a reader:\n${one.stdout()}`)
        refusals.push(`${code}: ${one.stderr().trim()}`)
        await sleep(500)
      }
      await last.stop()
      const starting = last.start({ ...AS_THIS, until: 'live' })
      await sleep(6_000)
      await starting
      await reader.query('COMMIT')
      const at = now()
      await until('the new server is ready', async () => (await fetch(`${last.url}/health/ready`)).ok)
      ready = now() - at
      const again = migrator(databaseUrl)
      expect([(await again.ended).code, again.stdout().trim()]).toEqual([0, 'The schema is up to date.'])
      await sleep(1_000)
    })
    const during = load.writer.writes
      .flatMap(({ tries }) => tries)
      .filter(({ target }) => target !== last.name)
    const slowest = Math.max(...during.map(({ ms }) => ms))
    report.figure('refused', `${refusals.length} times, with ${refusals[0]}`)
    report.figure('slowest write', milliseconds(slowest))
    report.figure('through after the reader', milliseconds(ready))
    expectGates(load, verdict, report, { staleness: 4_000, away: [last.name], latency: 50, kill: LOCKED_MS })
    expect(refusals.length).toBeGreaterThan(1)
    for (const refusal of refusals)
      expect(refusal).toMatch(new RegExp(`^${TRY_AGAIN}: .*a long transaction uses`))
    expect(slowest).toBeLessThanOrEqual(LOCKED_MS)
  },
)

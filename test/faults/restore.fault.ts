/** An older backup is restored while apps are connected: by Postgres's own tools and by the service's, however it ran. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { compareStates } from '@halyard/sdk/core'
import pg from 'pg'
import { expect, onTestFinished } from 'vitest'
import { MAIN, processes } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT } from '../support/rest.ts'
import { until } from '../support/until.ts'
import { type BaseLoad, startBaseLoad, through, untilWritten } from './rig/base-load.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()
const run = promisify(execFile)
/** Killed after the backup, and so not in it. */
const STAYS = 'killed-after-the-backup'
const WRITTEN_ON_MS = 5_000

type Backup = {
  /** Takes it, while the service runs. */
  readonly take: (load: BaseLoad, file: string) => Promise<void>
  /** Puts it in the place of what is there. */
  readonly restore: (load: BaseLoad, file: string) => Promise<void>
}

const nameOf = (url: string) => new URL(url).pathname.slice(1)
/** For sessions that write where the database is read-only. */
const WRITING = { ...process.env, PGOPTIONS: '-c default_transaction_read_only=off' }

async function sql(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: '-c default_transaction_read_only=off' })
  client.on('error', () => {})
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

const terminate = (name: string) =>
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' AND pid <> pg_backend_pid()`

/** Nothing more is written: it must be known what the database had. */
async function stopWrites({ fleet }: BaseLoad): Promise<void> {
  const name = nameOf(fleet.databaseUrl)
  await sql(
    fleet.postgres.url,
    `ALTER DATABASE ${name} SET default_transaction_read_only = on`,
    terminate(name),
  )
}

async function letWrite({ fleet }: BaseLoad): Promise<void> {
  const name = nameOf(fleet.databaseUrl)
  await sql(fleet.postgres.url, `ALTER DATABASE ${name} RESET default_transaction_read_only`, terminate(name))
}

/** An empty one in its place, whoever is connected. */
async function makeAnew({ fleet }: BaseLoad): Promise<void> {
  const name = nameOf(fleet.databaseUrl)
  await sql(fleet.postgres.url, `DROP DATABASE ${name} WITH (FORCE)`, `CREATE DATABASE ${name}`)
}

const dump = (more: readonly string[]) => async (load: BaseLoad, file: string) => {
  await run('pg_dump', [...more, '--file', file, load.fleet.databaseUrl])
}
const psql = (url: string, file: string, more: readonly string[] = []) =>
  run('psql', ['-q', '-v', 'ON_ERROR_STOP=1', ...more, '-f', file, url], { env: WRITING, maxBuffer: 2 ** 26 })

async function halyard({ fleet }: BaseLoad, args: readonly string[]): Promise<void> {
  const one = all.startScript(MAIN, { DATABASE_URL: fleet.databaseUrl }, args)
  expect([args, (await one.ended).code, one.stderr()]).toEqual([args, 0, ''])
}

const BACKUPS: Readonly<Record<string, Backup>> = {
  'in one transaction': {
    // Of tables that are partitions, pg_dump 15 writes a DROP CONSTRAINT that Postgres refuses; the service makes them anew.
    take: dump(['--clean', '--if-exists', '--exclude-table=halyard_usage.counts_*']),
    restore: async (load, file) => {
      await psql(load.fleet.databaseUrl, file, ['--single-transaction'])
      await letWrite(load)
    },
  },
  'table by table into an empty database': {
    take: dump([]),
    restore: async (load, file) => {
      await makeAnew(load)
      await psql(load.fleet.databaseUrl, file)
    },
  },
  'by halyard-server': {
    take: (load, file) => halyard(load, ['backup', '--out', file]),
    restore: async (load, file) => {
      await makeAnew(load)
      await halyard(load, ['restore', file])
    },
  },
}

/** Polls all flags over OFREP for ever, as a page does, with the ETag of its last answer. */
function startPoller({ fleet, key }: BaseLoad) {
  const { url } = fleet.members[0] ?? { url: '' }
  const ask = (etag?: string) =>
    fetch(`${url}/ofrep/v1/evaluate/flags`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        ...(etag !== undefined && { 'if-none-match': etag }),
      },
      body: '{"context":{"targetingKey":"user-0"}}',
    })
  let held = { etag: '', body: '' }
  let over = false
  const answered = { new: 0, unchanged: 0 }
  const polling = (async () => {
    while (!over) {
      const answer = await ask(held.etag).catch(() => undefined)
      if (answer?.status === 200) {
        held = { etag: answer.headers.get('etag') ?? '', body: await answer.text() }
        answered.new += 1
      } else {
        await answer?.body?.cancel()
        if (answer?.status === 304) answered.unchanged += 1
      }
      await sleep(100)
    }
  })()
  onTestFinished(() => {
    over = true
  })
  return {
    answered,
    end: async () => {
      over = true
      await polling
    },
    /** What it holds, and what one gets who holds nothing, when both are of the same state. */
    holds: () => held.body,
    isCurrent: async () => held.body === (await (await ask()).text()),
  }
}

type RestoreRow = {
  readonly how: keyof typeof BACKUPS
  readonly servers: string
  readonly pass?: string
  /** Servers run on where neither is given. */
  readonly stop?: (load: BaseLoad) => Promise<void>
  readonly start?: (load: BaseLoad) => Promise<void>
}

function restoreRow(name: string, { how, servers, stop, start }: RestoreRow): void {
  const backup = BACKUPS[how] as Backup
  const stopped = stop !== undefined
  row(
    name,
    {
      fault: `a backup is taken, 5 s are written on, and it is restored ${how}; ${servers}`,
      pass: 'no client, and no poller by ETag, below what it saw; a new epoch; a kill after the backup stays; it is in the history and in /health/ready',
      timeoutMs: 300_000,
    },
    async (report) => {
      const load = await startBaseLoad(all, { redis: true })
      const { fleet, api, apps } = load
      await api.must('POST', `${PROJECT}/flags`, { key: STAYS, type: 'boolean' })
      await api.must('PUT', `${DEVELOPMENT}/flags/${STAYS}/fallthrough`, { variant: 'on' }, ANY)
      await api.must('POST', `${DEVELOPMENT}/flags/${STAYS}/enable`)
      const poller = startPoller(load)
      const file = join(all.freshFolder(), 'backup')
      let seen = { epoch: 0, revision: 0 }
      let back = 0
      const verdict = await through(load, async () => {
        await backup.take(load, file)
        await api.must('PUT', `${DEVELOPMENT}/flags/${STAYS}/kill`, { comment: 'INC-7' })
        await sleep(WRITTEN_ON_MS)
        await stopWrites(load)
        // What is written is heard of, and kept.
        await sleep(1_500)
        await load.remember()
        seen = apps.held().reduce((most, one) => (compareStates(one, most) > 0 ? one : most))
        await stop?.(load)
        await backup.restore(load, file)
        const from = now()
        await start?.(load)
        await untilWritten(load)
        await until(
          'every client is in a new epoch',
          () => apps.held().every(({ epoch }) => epoch > seen.epoch),
          60_000,
        )
        back = now() - from
        await sleep(1_000)
      })
      await until('the poller is up to date', poller.isCurrent)
      await poller.end()

      const { items } = await api.must<{ items: { action: string; comment?: string | null }[] }>(
        'GET',
        `${DEVELOPMENT}/changes?action=log.epoch`,
      )
      const kills = await Promise.all(
        fleet.members.map(
          async ({ api }) => (await api.must<{ kill: unknown }>('GET', `${DEVELOPMENT}/flags/${STAYS}`)).kill,
        ),
      )
      const told = await Promise.all(
        fleet.members.map(async ({ url }) => {
          const { environments } = (await (await fetch(`${url}/health/ready`)).json()) as {
            environments: { environment: string; wentBack?: unknown }[]
          }
          return environments.some(({ wentBack }) => wentBack !== undefined)
        }),
      )
      report.figure('all clients in the new epoch', `${milliseconds(back)} after the restore`)
      report.figure('in the history', `${items.length}: ${items[0]?.comment}`)
      report.figure(
        'OFREP by ETag',
        `${poller.answered.new} new answers, ${poller.answered.unchanged} times unchanged`,
      )
      expectGates(load, verdict, report, {
        staleness: stopped ? 45_000 : 10_000,
        latency: stopped ? Number.POSITIVE_INFINITY : 50,
        away: stopped ? fleet.members.map(({ name }) => name) : [],
      })
      expect(items).toEqual([expect.objectContaining({ action: 'log.epoch' })])
      expect(items[0]?.comment).toContain(`${seen.epoch}-${seen.revision} was seen`)
      for (const kill of kills) expect(kill).toMatchObject({ comment: 'INC-7' })
      expect(poller.holds()).toMatch(new RegExp(`"key":"${STAYS}","value":false[^}]*"killed":true`))
      expect(told).toEqual(told.map(() => true))
    },
  )
}

const each = (load: BaseLoad, work: (member: BaseLoad['fleet']['members'][number]) => Promise<void>) =>
  Promise.all(load.fleet.members.map(work)).then(() => {})
const stopAll = (load: BaseLoad) => each(load, (member) => member.stop())

restoreRow('restored-backup-while-running', { how: 'in one transaction', servers: 'servers run on' })
restoreRow('restored-backup-piecemeal', {
  how: 'table by table into an empty database',
  servers: 'servers run on, and see it half restored',
})
restoreRow('restored-backup-by-halyard', {
  how: 'by halyard-server',
  servers: 'every server is stopped before, and started after',
  stop: stopAll,
  start: (load) => each(load, (member) => member.start()),
})
restoreRow('restored-backup-redis-knows', {
  how: 'in one transaction',
  servers: 'every server is stopped and starts without its disk: Redis alone knows what was seen',
  stop: stopAll,
  start: (load) => each(load, (member) => member.start({ dataDir: all.freshFolder() })),
})
restoreRow('restored-backup-disk-knows', {
  how: 'table by table into an empty database',
  servers: 'every server is stopped, Redis is flushed; one starts that has its disk, then two without theirs',
  stop: async (load) => {
    await stopAll(load)
    await load.fleet.redis?.cli('FLUSHALL')
  },
  start: async ({ fleet }) => {
    const [knows, ...others] = fleet.members
    // Where others wrote meanwhile, nobody could tell what they wrote from what was lost (ADR 14).
    await knows?.start()
    await Promise.all(others.map((member) => member.start({ dataDir: all.freshFolder() })))
  },
})

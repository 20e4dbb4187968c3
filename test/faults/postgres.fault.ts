/** Postgres goes away, falls silent, loses answers, refuses and fills up, under the base load. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished } from 'vitest'
import { giveToPostgres } from '../support/postgres-process.ts'
import { processes } from '../support/process.ts'
import { ANY, DEVELOPMENT } from '../support/rest.ts'
import { losingAnswers } from '../support/treatments.ts'
import { type BaseLoad, startBaseLoad, through, triesOf, untilWritten } from './rig/base-load.ts'
import { FILLING } from './rig/flags.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { readHistory } from './rig/history.ts'
import { row } from './rig/row.ts'
import { canMountDisks, smallDisk } from './rig/small-disk.ts'

const all = processes()
/** What a busy machine may add to a bound of the service's own. */
const SLACK_MS = 500

/** How many of the writes and kills that were sent during the fault were refused. */
const refusals = (load: BaseLoad) => triesOf(load).filter(({ status }) => status === 503)

async function admin(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end().catch(() => {}))
  return client
}
const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'halyard'`

row(
  'postgres-killed',
  {
    fault: '`kill -9` of the postmaster and all its children, started again 5 s later',
    pass: 'reads unaffected; writes 503; recovery ≤ 5 s without a restart',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    const { postgres } = load.fleet
    let recovery = 0
    const verdict = await through(load, async () => {
      await postgres.kill()
      await sleep(5_000)
      await postgres.start()
      recovery = await untilWritten(load)
    })
    report.figure('refused with 503', `${refusals(load).length}`)
    report.figure('writes again after', milliseconds(recovery))
    expectGates(load, verdict, report, { staleness: 2_000 })
    expect(refusals(load).length).toBeGreaterThan(0)
    expect(recovery).toBeLessThanOrEqual(5_000)
  },
)

row(
  'postgres-frozen',
  {
    fault: 'SIGSTOP of all its processes for 30 s',
    pass: 'writes fail ≤ 3 s; the pool recovers ≤ 3 s after SIGCONT',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    const { postgres } = load.fleet
    let recovery = 0
    const verdict = await through(load, async () => {
      postgres.freeze()
      await sleep(30_000)
      postgres.thaw()
      recovery = await untilWritten(load)
    })
    const slowest = Math.max(...refusals(load).map(({ ms }) => ms))
    report.figure('slowest 503', milliseconds(slowest))
    report.figure('writes again after', milliseconds(recovery))
    expectGates(load, verdict, report, { staleness: 2_000 })
    expect(slowest).toBeLessThanOrEqual(3_000 + SLACK_MS)
    expect(recovery).toBeLessThanOrEqual(3_000)
  },
)

row(
  'postgres-answer-lost',
  {
    fault:
      'after COMMIT nothing that Postgres says arrives: at one server silence, at another a reset; for 12 s',
    pass: 'a retry with the same key: one revision, one change record',
  },
  async (report) => {
    const load = await startBaseLoad(all, { proxies: { back: true } })
    const [silent, cut] = load.fleet.members
    const atCommit = (bytes: Buffer) => bytes.includes('COMMIT\0')
    const verdict = await through(load, async () => {
      silent?.back?.treat(losingAnswers(atCommit))
      cut?.back?.treat(losingAnswers(atCommit, (client) => client.resetAndDestroy()))
      await sleep(12_000)
      for (const { back } of load.fleet.members) back?.heal()
    })
    // Refused, in the log all the same, and then acknowledged as what it was.
    const doubtful = load.writer.writes.filter(({ tries }) => tries.some(({ status }) => status === 503))
    const { records } = await readHistory(load.fleet.databaseUrl)
    const committed = doubtful.filter(({ id }) => records.some(({ idempotencyKey }) => idempotencyKey === id))
    const repeated = committed.filter(({ acknowledged }) => acknowledged !== undefined)
    report.figure(
      'answers lost',
      `${doubtful.length}, of which repeated with the same key and acknowledged ${repeated.length}`,
    )
    expectGates(load, verdict, report, { staleness: 2_000 })
    expect(repeated.length).toBeGreaterThan(3)
  },
)

row(
  'postgres-backends-terminated',
  {
    fault: '`pg_terminate_backend` of every session of the service, each second for 12 s',
    pass: 'at most one 503 each; G3',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    const client = await admin(load.fleet.databaseUrl)
    const verdict = await through(load, async () => {
      for (let second = 0; second < 12; second += 1) {
        await client.query(TERMINATE)
        await sleep(1_000)
      }
    })
    const during = load.writer.writes.filter(
      ({ tries }) => load.timeline.phaseAt(tries[0]?.at ?? 0) === 'fault',
    )
    const most = Math.max(...during.map(({ tries }) => tries.filter(({ status }) => status === 503).length))
    report.figure(
      'refused with 503',
      `${refusals(load).length} of ${triesOf(load).length}, at most ${most} times the same`,
    )
    expectGates(load, verdict, report, { staleness: 2_000 })
    expect(most).toBeLessThanOrEqual(1)
  },
)

row(
  'postgres-read-only',
  {
    fault: '`default_transaction_read_only` for 8 s, as after a failover to a replica',
    pass: 'clear 503, no partial write',
  },
  async (report) => {
    const load = await startBaseLoad(all)
    const client = await admin(load.fleet.databaseUrl)
    let refusal = ''
    const verdict = await through(load, async () => {
      await client.query('ALTER SYSTEM SET default_transaction_read_only = on')
      await client.query('SELECT pg_reload_conf()')
      await sleep(4_000)
      refusal = await refusalOf(load)
      await sleep(4_000)
      await client.query('ALTER SYSTEM RESET default_transaction_read_only')
      await client.query('SELECT pg_reload_conf()')
      await untilWritten(load)
    })
    report.figure('refused with 503', `${refusals(load).length}`)
    expectGates(load, verdict, report, { staleness: 2_000 })
    expect(refusal).toContain('read-only')
  },
)

row(
  'postgres-disk-full',
  {
    fault: 'the tablespace of the database is a tmpfs of 48 MB without a byte left, for 8 s',
    pass: 'clear 503, no partial write',
    waits: canMountDisks() ? undefined : 'this process may not mount a small disk',
  },
  async (report) => {
    const disk = smallDisk(48)
    if (disk === undefined) throw new Error('the small disk cannot be mounted')
    onTestFinished(() => disk.remove())
    giveToPostgres(disk.folder)
    const load = await startBaseLoad(all, { tablespace: disk.folder })
    let refusal = ''
    const verdict = await through(load, async () => {
      disk.fill()
      refusal = await refusalOf(load)
      await sleep(8_000)
      disk.empty()
      await untilWritten(load)
    })
    report.figure('refused with 503', `${refusals(load).length}`)
    expectGates(load, verdict, report, { staleness: 2_000 })
    expect(refusal).toContain('no disk space')
  },
)

row(
  'postgres-connections-exhausted',
  {
    fault: 'every connection is taken by somebody else, the service’s own are ended, for 8 s',
    pass: 'clear 503, no partial write',
  },
  async (report) => {
    const load = await startBaseLoad(all, {
      postgres: { max_connections: '50', superuser_reserved_connections: '0' },
    })
    let refusal = ''
    let taken = 0
    const verdict = await through(load, async () => {
      const client = await admin(load.fleet.databaseUrl)
      const greedy = greed(load.fleet.databaseUrl)
      await client.query(TERMINATE)
      await sleep(1_000)
      await client.query(TERMINATE)
      refusal = await refusalOf(load)
      await sleep(6_000)
      taken = await greedy.end()
      await untilWritten(load)
    })
    report.figure('connections taken', `${taken} of 50`)
    report.figure('refused with 503', `${refusals(load).length}`)
    // A server that is left without any connection cannot learn what another one still wrote.
    expectGates(load, verdict, report)
    expect(refusal).toContain('no connection free')
  },
)

/** Writes until it is refused. @returns what the refusal says */
async function refusalOf({ fleet }: BaseLoad): Promise<string> {
  for (let number = 0; ; number += 1) {
    const { api } = fleet.members[number % fleet.members.length] ?? {}
    const body = { when: { attribute: 'plan', op: 'in', values: [`${number}`, 'x'.repeat(5_000)] } }
    const path = `${DEVELOPMENT}/segments/${FILLING}`
    const answer = await api?.ask<{ detail: string }>('PUT', path, body, ANY)
    if (answer === undefined || answer.status < 300) continue
    expect(answer).toMatchObject({ status: 503, body: { type: expect.stringContaining('unavailable') } })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    return answer.body.detail
  }
}

/** Takes every connection that becomes free, until it is told to give them all back. */
function greed(url: string): { readonly end: () => Promise<number> } {
  const held: pg.Client[] = []
  let over = false
  const taking = (async () => {
    while (!over) {
      const client = new pg.Client({ connectionString: url })
      client.on('error', () => {})
      await client.connect().then(
        () => held.push(client),
        () => sleep(5),
      )
    }
  })()
  return {
    end: async () => {
      over = true
      await taking
      await Promise.all(held.map((client) => client.end()))
      return held.length
    },
  }
}

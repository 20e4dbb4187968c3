/** One fault after another, and then a minute of health: what the servers still hold in memory. `--memory` asks it of each row. */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect } from 'vitest'
import { processes } from '../support/process.ts'
import { ANY, DEVELOPMENT } from '../support/rest.ts'
import { until } from '../support/until.ts'
import { type BaseLoad, CLIENTS, startBaseLoad, through, untilWritten } from './rig/base-load.ts'
import { FILLING } from './rig/flags.ts'
import { expectGates } from './rig/gates.ts'
import { row } from './rig/row.ts'

const all = processes()
/** Until what grows once has grown: compiled code, and the histories that servers keep in memory. */
const WARM_MS = 40_000

row(
  'memory-back',
  {
    fault:
      'Redis killed, Postgres killed, its sessions ended, every stream cut five times, 300 streams that are never read, 50 writes of 100 KB, 100 bodies that are too deep; then a minute of health',
    pass: 'G6: live memory of each server within 10 % of what it was',
    timeoutMs: 300_000,
  },
  async (report) => {
    const load = await startBaseLoad(all, { redis: true, proxies: { front: true } })
    await large(load, 50)
    const verdict = await through(
      load,
      async () => {
        for (const fault of [redisKilled, postgresKilled, sessionsEnded, streamsCut, streamsStuck])
          await fault(load)
        await large(load, 50)
        await tooDeep(load, 100)
        await untilWritten(load)
      },
      { memory: true, warmMs: WARM_MS },
    )
    expectGates(load, verdict, report, { latency: Number.POSITIVE_INFINITY })
    expect(verdict.memory).toHaveLength(load.fleet.members.length)
  },
)

async function redisKilled({ fleet: { redis } }: BaseLoad): Promise<void> {
  await redis?.kill()
  await sleep(3_000)
  await redis?.start()
}

async function postgresKilled(load: BaseLoad): Promise<void> {
  await load.fleet.postgres.kill()
  await sleep(3_000)
  await load.fleet.postgres.start()
  await untilWritten(load)
}

async function sessionsEnded(load: BaseLoad): Promise<void> {
  const client = new pg.Client({ connectionString: load.fleet.databaseUrl })
  await client.connect()
  try {
    for (let second = 0; second < 3; second += 1) {
      await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'halyard'`,
      )
      await sleep(1_000)
    }
  } finally {
    await client.end()
  }
}

async function streamsCut({ fleet, apps }: BaseLoad): Promise<void> {
  for (let time = 0; time < 5; time += 1) {
    for (const { front } of fleet.members) front?.cut()
    await sleep(500)
  }
  await until('every stream is open again', () => apps.states().connected === CLIENTS, 60_000)
}

/** Opened, never read, and left: as by an app whose machine is gone. */
async function streamsStuck({ fleet, key }: BaseLoad): Promise<void> {
  const stuck = fleet.members.flatMap(({ server }) =>
    Array.from({ length: 100 }, () => {
      const socket = connect(server().port, '127.0.0.1').pause()
      socket.on('error', () => {})
      socket.write(
        `GET /sdk/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nAccept: text/event-stream\r\n\r\n`,
      )
      return socket
    }),
  )
  await sleep(4_000)
  for (const socket of stuck) socket.destroy()
}

/** The last of them leaves the state as large as it was. */
async function large({ api }: BaseLoad, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    const values = Array.from({ length: 50 }, (_, index) => `${number}-${index}-${'x'.repeat(2_000)}`)
    const when = number === count ? null : { attribute: 'plan', op: 'in', values }
    await api.must('PUT', `${DEVELOPMENT}/segments/${FILLING}`, { when }, ANY)
  }
}

async function tooDeep({ fleet }: BaseLoad, count: number): Promise<void> {
  const body = `{"when":${'{"not":'.repeat(20_000)}0${'}'.repeat(20_000)}}`
  for (let number = 0; number < count; number += 1) {
    const { api } = fleet.members[number % fleet.members.length] ?? {}
    const answer = await api?.ask('PUT', `${DEVELOPMENT}/segments/${FILLING}`, body, ANY)
    expect(answer?.status).toBe(400)
  }
}

/** A server starts while Postgres is stopped, with what the others have kept for it or with nothing, under the base load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { processes } from '../support/process.ts'
import { until } from '../support/until.ts'
import { type BaseLoad, startBaseLoad, through, untilWritten } from './rig/base-load.ts'
import { NUMBERED } from './rig/flags.ts'
import type { Member } from './rig/fleet.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()
const SERVES_WITHIN_MS = 2_000
/** On a busy machine: by how much longer it may take than the same start with Postgres at hand. */
const SLOWER = 2
const WHOLE_WITHIN_MS = 5_000
/** What was written last is on every shelf within a second; then nothing more is written. */
const KEPT_MS = 3_000
/** How long a server is looked at that must not serve: longer than it takes to serve a snapshot. */
const LOOKED_AT_MS = 4_000

type Readiness = {
  readonly status: string
  readonly environments: readonly { readonly ok: boolean; readonly source?: string }[]
}
/** How a server stands; undefined where it does not answer yet. */
async function readinessOf({ url }: Member): Promise<(Readiness & { readonly http: number }) | undefined> {
  const answer = await fetch(`${url}/health/ready`).catch(() => undefined)
  return answer && { http: answer.status, ...((await answer.json()) as Readiness) }
}

async function evaluationOf({ url }: Member, key: string): Promise<number | undefined> {
  const answer = await fetch(`${url}/ofrep/v1/evaluate/flags/${NUMBERED[0]}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{"context":{"targetingKey":"user-1"}}',
  }).catch(() => undefined)
  await answer?.body?.cancel()
  return answer?.status
}

/** Of every environment alike: which rung they are served from. */
const sourcesIn = ({ environments }: Readiness): string =>
  [...new Set(environments.map(({ source }) => source ?? 'none'))].join(' and ')

type BootRow = {
  readonly fault: string
  readonly redis?: boolean
  /** Nothing that the process kept itself is there when it starts. */
  readonly emptyDisk: boolean
  /** The rung; undefined where there is none to serve from. */
  readonly from: 'redis' | 'disk' | undefined
}

function bootRow(name: string, { fault, redis = false, emptyDisk, from }: BootRow): void {
  const pass =
    from === undefined
      ? `up and not ready, neither "no flags" nor 401; whole ≤ 5 s after Postgres is back`
      : `evaluates ≤ 2 s after its start, from the ${from} snapshot; whole ≤ 5 s after Postgres is back`
  row(name, { fault, pass }, async (report) => {
    const load = await startBaseLoad(all, { redis })
    const [starting] = load.fleet.members
    if (starting === undefined) throw new Error('there is no server')
    let whole = 0
    const serving = () =>
      until('it evaluates', async () => (await evaluationOf(starting, load.key)) === 200, 30_000)
    const verdict = await through(load, async () => {
      await starting.kill()
      const healthy = now()
      const restarted = starting.start()
      await serving()
      const usual = now() - healthy
      await restarted
      report.figure('start with Postgres', milliseconds(usual))

      await load.fleet.postgres.stop()
      await sleep(KEPT_MS)
      await starting.kill()
      const started = now()
      const up = starting.start({ until: 'live', ...(emptyDisk && { dataDir: all.freshFolder() }) })
      if (from === undefined) {
        await up
        report.figure('up after', milliseconds(now() - started))
        await servesNobody(load, starting)
      } else {
        await serving()
        const serves = now() - started
        await up
        report.figure('serves after', milliseconds(serves))
        const { http, ...readiness } = (await readinessOf(starting)) ?? {
          http: 0,
          status: '',
          environments: [],
        }
        report.figure('serves from', sourcesIn(readiness))
        expect([http, sourcesIn(readiness)]).toEqual([200, from])
        expect(serves).toBeLessThanOrEqual(Math.max(SERVES_WITHIN_MS, SLOWER * usual))
      }
      await load.fleet.postgres.start()
      const back = now()
      await until('it is whole again', async () => {
        const readiness = await readinessOf(starting)
        return readiness?.status === 'ready' && sourcesIn(readiness) === 'database'
      })
      whole = now() - back
      report.figure('whole after', milliseconds(whole))
      await untilWritten(load)
    })
    // A process that starts takes cores from the others of this machine.
    expectGates(load, verdict, report, { staleness: 5_000, latency: 50, away: [starting.name] })
    expect(whole).toBeLessThanOrEqual(WHOLE_WITHIN_MS)
  })
}

/** For as long as it is looked at, it says that it is not ready, and nothing of what it does not know. */
async function servesNobody({ key }: BaseLoad, starting: Member): Promise<void> {
  const answers = new Set<string>()
  for (const from = now(); now() - from < LOOKED_AT_MS; await sleep(100)) {
    const readiness = await readinessOf(starting)
    const ruleset = await fetch(`${starting.url}/sdk/v1/ruleset`, {
      headers: { authorization: `Bearer ${key}` },
    })
    await ruleset.body?.cancel()
    answers.add(
      `${readiness?.http} ${readiness?.status} ${await evaluationOf(starting, key)} ${ruleset.status}`,
    )
  }
  expect([...answers], 'readiness, and an evaluation, and a ruleset').toEqual(['503 starting 503 503'])
}

bootRow('boot-without-postgres-from-redis', {
  fault: 'Postgres stopped; one of three servers killed and started with an empty disk; Redis has snapshots',
  redis: true,
  emptyDisk: true,
  from: 'redis',
})
bootRow('boot-without-postgres-from-disk', {
  fault: 'Postgres stopped; one of three servers killed and started on its own disk; there is no Redis',
  emptyDisk: false,
  from: 'disk',
})
bootRow('boot-without-postgres-from-nothing', {
  fault: 'Postgres stopped; one of three servers killed and started with an empty disk; there is no Redis',
  emptyDisk: true,
  from: undefined,
})

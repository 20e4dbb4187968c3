/** Postgres goes away, falls silent, refuses and loses answers, under the base load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { processes } from '../support/process.ts'
import { until } from '../support/until.ts'
import { type BaseLoad, startBaseLoad } from './rig/base-load.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { type Report, row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()
const BASELINE_MS = 6_000
const AFTER_MS = 4_000

/** Health, the fault, health again; then the verdict. */
async function through(load: BaseLoad, fault: () => Promise<void>) {
  const { timeline } = load
  await timeline.during('baseline', () => sleep(BASELINE_MS))
  await timeline.during('fault', fault)
  await timeline.during('after', () => sleep(AFTER_MS))
  return await load.end()
}

/** From this moment until a write is answered 2xx again. */
async function untilWritten({ writer }: BaseLoad, report: Report): Promise<number> {
  const from = now()
  await until(
    'a write is taken again',
    () => writer.writes.some(({ acknowledged }) => acknowledged !== undefined && acknowledged.at > from),
    20_000,
  )
  const took = now() - from
  report.figure('writes again after', milliseconds(took))
  return took
}

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
      recovery = await untilWritten(load, report)
    })
    expectGates(load, verdict, report, { staleness: 2_000 })
    expect(recovery).toBeLessThanOrEqual(5_000)
  },
)

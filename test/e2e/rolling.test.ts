/**
 * A new release is rolled out: three instances, one after another, are told to go and come back, while apps evaluate
 * and people write. Nothing fails, and nothing that was answered is lost. `npm run test:faults` rolls five times.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { startBaseLoad, untilWritten } from '../faults/rig/base-load.ts'
import { haproxyIsHere, startHaproxy } from '../faults/rig/haproxy.ts'
import { isTaken } from '../faults/rig/writer.ts'
import { canStartPostgres } from '../support/postgres.ts'
import { processes } from '../support/process.ts'
import { until } from '../support/until.ts'

const all = processes()
const CLIENTS = 9

it.skipIf(!canStartPostgres())(
  'a rolling restart of three instances: no evaluation fails, and no change is lost',
  { timeout: 90_000 },
  async () => {
    // Requests from outside need something before the instances that sends them on; SDKs need nothing.
    const behind = haproxyIsHere() ? startHaproxy : undefined
    const load = await startBaseLoad(all, {
      clients: CLIENTS,
      pace: { killEveryMs: 500, pauseMs: 200 },
      ...(behind && { behind }),
    })
    await untilWritten(load)
    for (const member of load.fleet.members) {
      await member.stop()
      await member.start()
      await untilWritten(load)
      // As an orchestrator does: the next one goes when the proxy has seen this one come.
      if (behind) await sleep(1_000)
    }
    await until('every app has a stream again', () => load.apps.states().connected === CLIENTS)
    const { wrongEvaluations, lostWrites, wrong, checked, acknowledged } = await load.end()
    expect({ wrongEvaluations, lostWrites, wrong, accidents: load.fleet.accidents() }).toEqual({
      wrongEvaluations: [],
      lostWrites: [],
      wrong: [],
      accidents: [],
    })
    expect(load.apps.evaluations()).toBeGreaterThan(1_000)
    expect(checked.local).toBeGreaterThan(1_000)
    expect(acknowledged).toBeGreaterThan(10)
    if (behind === undefined) return
    const refused = load.writer.writes.flatMap(({ what, tries }) =>
      tries.filter(({ status }) => !isTaken(status)).map(({ status }) => `${what}: ${status}`),
    )
    expect({ refused, failed: load.evaluations.failures }).toEqual({ refused: [], failed: [] })
    expect(load.evaluations.outcomes.length).toBeGreaterThan(100)
  },
)

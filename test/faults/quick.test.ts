/**
 * The quick part of the fault tests, for every run of the tests: each dependency is killed once under a small base load,
 * and so is a server; then the oracle judges. `npm run test:faults` has the whole matrix, with its times.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { canStartPostgres } from '../support/postgres.ts'
import { processes } from '../support/process.ts'
import { canStartRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startBaseLoad, untilWritten } from './rig/base-load.ts'

const all = processes()
const CLIENTS = 12

it.skipIf(!canStartPostgres() || !canStartRedis())(
  'Postgres, Redis and a server killed under load: no wrong answer, no lost write, no step back',
  { timeout: 90_000 },
  async () => {
    const load = await startBaseLoad(all, {
      servers: 2,
      clients: CLIENTS,
      redis: true,
      pace: { killEveryMs: 1_000, pauseMs: 250 },
    })
    const { postgres, redis, members } = load.fleet
    await untilWritten(load)

    await redis?.kill()
    await untilWritten(load)
    await postgres.kill()
    const refused = () => load.writer.writes.some(({ tries }) => tries.some(({ status }) => status === 503))
    await until('a write is refused', refused)
    await Promise.all([redis?.start(), postgres.start()])
    await untilWritten(load)

    await members[0]?.kill()
    await until('every client has gone to the other server', () => load.apps.states().connected < CLIENTS)
    await until('every client has a stream again', () => load.apps.states().connected === CLIENTS)
    await members[0]?.start()
    await untilWritten(load)
    await sleep(500)

    const { wrongEvaluations, lostWrites, wrong, falseClaims, checked, acknowledged, claims } =
      await load.end()
    expect({ wrongEvaluations, lostWrites, wrong, falseClaims, accidents: load.fleet.accidents() }).toEqual({
      wrongEvaluations: [],
      lostWrites: [],
      wrong: [],
      falseClaims: [],
      accidents: [],
    })
    expect(checked.local).toBeGreaterThan(1_000)
    expect(checked.remote).toBeGreaterThan(100)
    expect(acknowledged).toBeGreaterThan(10)
    expect(claims).toBeGreaterThan(0)
  },
)

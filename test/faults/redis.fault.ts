/** Redis goes away, forgets, falls silent, and loses, repeats and mixes up what it was told, under the base load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { processes } from '../support/process.ts'
import { manglingMessages } from '../support/treatments.ts'
import { type BaseLoad, type BaseLoadOptions, startBaseLoad, through } from './rig/base-load.ts'
import { expectGates } from './rig/gates.ts'
import { row } from './rig/row.ts'
import { isTaken } from './rig/writer.ts'

const all = processes()
/** RELIABILITY, G3: with pub/sub lost. */
const WITHOUT_SIGNALS_MS = 2_000

type RedisRow = {
  readonly fault: string
  readonly options?: BaseLoadOptions
  readonly inject: (
    load: BaseLoad & { readonly redis: NonNullable<BaseLoad['fleet']['redis']> },
  ) => Promise<void>
}

/** Nobody is refused anything: Redis is no place where the truth is. */
function redisRow(name: string, { fault, options, inject }: RedisRow): void {
  const pass = 'evaluations and writes unaffected; staleness ≤ 2 s; no flag lost'
  row(name, { fault, pass }, async (report) => {
    const load = await startBaseLoad(all, { redis: true, ...options })
    const { redis } = load.fleet
    if (redis === undefined) throw new Error('there is no Redis')
    const verdict = await through(load, () => inject({ ...load, redis }))
    const refused = load.writer.writes.flatMap(({ tries }) => tries.filter(({ status }) => !isTaken(status)))
    report.figure('writes refused', `${refused.length}`)
    expectGates(load, verdict, report, { staleness: WITHOUT_SIGNALS_MS })
    expect(refused.slice(0, 5)).toEqual([])
  })
}

redisRow('redis-killed', {
  fault: '`kill -9`, started again empty 6 s later',
  inject: async ({ redis }) => {
    await redis.kill()
    await sleep(6_000)
    await redis.start()
    await sleep(4_000)
  },
})

redisRow('redis-flushed', {
  fault: '`FLUSHALL` each second for 8 s',
  inject: async ({ redis }) => {
    for (let second = 0; second < 8; second += 1) {
      await redis.cli('FLUSHALL')
      await sleep(1_000)
    }
  },
})

redisRow('redis-frozen', {
  fault: 'SIGSTOP for 10 s',
  inject: async ({ redis }) => {
    redis.freeze()
    await sleep(10_000)
    redis.thaw()
    await sleep(3_000)
  },
})

redisRow('redis-paused', {
  fault: '`CLIENT PAUSE` of all commands for 5 s, twice',
  inject: async ({ redis }) => {
    for (let time = 0; time < 2; time += 1) {
      await redis.cli('CLIENT', 'PAUSE', '5000', 'ALL')
      await sleep(7_000)
    }
  },
})

redisRow('redis-one-instance-cut-off', {
  fault: 'nothing gets through between one server and Redis for 10 s; the connections stay open',
  options: { proxies: { side: true } },
  inject: async ({ fleet }) => {
    const [one] = fleet.members
    one?.side?.freeze()
    await sleep(10_000)
    one?.side?.heal()
    await sleep(2_000)
  },
})

redisRow('redis-messages-mangled', {
  fault:
    'of what is published, each server loses a third, gets a third twice, and some of it out of order; for 12 s',
  options: { proxies: { side: true } },
  inject: async ({ fleet }) => {
    for (const { side } of fleet.members) {
      side?.treat(mangled())
      // A connection is read from its start.
      side?.cut()
    }
    await sleep(12_000)
    for (const { side } of fleet.members) side?.heal()
  },
})

function mangled() {
  let late: Buffer[] = []
  return manglingMessages((message) => {
    const chance = Math.random()
    const before = late
    late = []
    if (chance < 1 / 3) return before
    if (chance < 2 / 3) return [message, ...before, message]
    late = [message]
    return before
  })
}

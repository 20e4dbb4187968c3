/** Networks, proxies, files and clocks do their worst to apps, under the base load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { processes } from '../support/process.ts'
import type { TcpProxy } from '../support/tcp-proxy.ts'
import { answeringWith, corrupting, holdingBack, manglingChunks } from '../support/treatments.ts'
import { until } from '../support/until.ts'
import { type BaseLoad, type BaseLoadOptions, CLIENTS, startBaseLoad, through } from './rig/base-load.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { type Report, row } from './rig/row.ts'
import { now } from './rig/timeline.ts'

const all = processes()

type SdkRow = {
  readonly fault: string
  readonly pass: string
  /** Beyond which an app says that it is stale, where the row expects that it says so. */
  readonly maxStalenessMs?: number
  readonly staleness: number
  readonly options?: BaseLoadOptions
  readonly inject: (load: BaseLoad, fronts: readonly TcpProxy[], report: Report) => Promise<void>
}

/** The fault is between apps and servers alone: writers and remote callers have none, and so judge the apps. */
function sdkRow(name: string, { fault, pass, maxStalenessMs, staleness, options, inject }: SdkRow): void {
  row(
    name,
    { fault, pass: `${pass}; never throws; last known values; catches up by itself` },
    async (report) => {
      const load = await startBaseLoad(all, {
        servers: 2,
        proxies: { front: true },
        apps: maxStalenessMs === undefined ? {} : { options: { maxStalenessMs } },
        ...options,
      })
      const fronts = load.fleet.members.flatMap(({ front }) => front ?? [])
      const verdict = await through(load, () => inject(load, fronts, report))
      const during = load.apps.connections.filter(({ at }) => load.timeline.phaseAt(at) === 'fault')
      const [fewest, mostStale] = [
        Math.min(...during.map(({ connected }) => connected)),
        Math.max(...during.map(({ stale }) => stale)),
      ]
      report.figure('streams', `${CLIENTS}, at least ${fewest}`)
      report.figure('marked stale', `at most ${mostStale}`)
      expectGates(load, verdict, report, { staleness })
      if (maxStalenessMs !== undefined) expect(mostStale, 'all of them say that they are stale').toBe(CLIENTS)
      expect(load.apps.states().counts).toEqual({ closed: CLIENTS })
    },
  )
}

/** From now until every app has a working stream again. */
async function untilConnected({ apps }: BaseLoad, report: Report, withinMs: number): Promise<void> {
  const from = now()
  // What was just cut shows at the apps' next word.
  await sleep(500)
  await until('every stream is open again', () => apps.states().connected === CLIENTS, withinMs)
  report.figure('streams again after', milliseconds(now() - from))
}

sdkRow('sdk-outage', {
  fault: 'no server can be reached for 20 s',
  pass: 'marked stale',
  maxStalenessMs: 5_000,
  // The outage, and the longest wait of a backoff.
  staleness: 55_000,
  inject: async (load, fronts, report) => {
    await Promise.all(fronts.map((front) => front.takeAway()))
    await sleep(20_000)
    await Promise.all(fronts.map((front) => front.giveBack()))
    await untilConnected(load, report, 60_000)
  },
})

sdkRow('sdk-half-open', {
  fault: 'the far end of every connection vanishes without a FIN; new connections work',
  pass: 'marked stale; noticed after two and a half heartbeats',
  maxStalenessMs: 20_000,
  staleness: 41_000,
  inject: async (load, fronts, report) => {
    for (const front of fronts) front.vanish()
    await until('a stream is noticed as dead', () => load.apps.states().connected < CLIENTS, 60_000)
    await untilConnected(load, report, 60_000)
    await sleep(2_000)
  },
})

sdkRow('sdk-silent', {
  fault: 'nothing gets through in either direction for 45 s; connections stay open, and new ones are taken',
  pass: 'marked stale',
  maxStalenessMs: 10_000,
  staleness: 85_000,
  inject: async (load, fronts, report) => {
    for (const front of fronts) front.freeze()
    await sleep(45_000)
    for (const front of fronts) front.heal()
    await untilConnected(load, report, 60_000)
  },
})

sdkRow('sdk-buffering-proxy', {
  fault: 'a proxy holds streams back until 64 KB are there, for 40 s; polls go through',
  pass: 'staleness ≤ the poll interval + 1 s',
  staleness: 11_000,
  inject: async (load, fronts, report) => {
    for (const front of fronts) {
      front.treat(holdingBack(/text\/event-stream/i, 65_536))
      front.cut()
    }
    await sleep(40_000)
    for (const front of fronts) {
      front.heal()
      front.cut()
    }
    await untilConnected(load, report, 60_000)
  },
})

sdkRow('sdk-events-mangled', {
  fault:
    'of the events of each stream a quarter is lost, a quarter comes twice, some out of order, some with a byte changed; for 20 s',
  pass: 'staleness ≤ 5 s',
  staleness: 5_000,
  inject: async (load, fronts, report) => {
    for (const front of fronts) {
      front.treat(manglingChunks(mangled()))
      front.cut()
    }
    await sleep(20_000)
    for (const front of fronts) {
      front.heal()
      front.cut()
    }
    await untilConnected(load, report, 60_000)
  },
})

sdkRow('sdk-bytes-corrupted', {
  fault: 'one byte in each fifth piece of what servers send is changed, rulesets too; for 20 s',
  pass: 'nothing wrong is ever served',
  staleness: 45_000,
  inject: async (load, fronts, report) => {
    for (const front of fronts) front.treat(corrupting(0.2, Math.random))
    // What is open goes on with a byte changed here and there; what is opened gets it in its ruleset.
    for (let time = 0; time < 10; time += 1) {
      await sleep(2_000)
      for (const front of fronts) front.cut()
    }
    for (const front of fronts) {
      front.heal()
      front.cut()
    }
    await untilConnected(load, report, 60_000)
  },
})

sdkRow('sdk-html-200', {
  fault: 'a login page with status 200 answers everything, for 20 s',
  pass: 'marked stale',
  maxStalenessMs: 5_000,
  staleness: 55_000,
  inject: async (load, fronts, report) => {
    for (const front of fronts) {
      front.treat(answeringWith('<!doctype html><title>Log in</title><form action="/login"></form>'))
      front.cut()
    }
    await sleep(20_000)
    for (const front of fronts) {
      front.heal()
      front.cut()
    }
    await untilConnected(load, report, 60_000)
  },
})

sdkRow('sdk-clock-jumps', {
  fault: 'the wall clock of every app jumps a day ahead and two days back, ten times in 10 s',
  pass: 'unaffected',
  staleness: 500,
  options: { apps: { preload: new URL('./rig/jumping-clock.mjs', import.meta.url).href } },
  inject: async (load) => {
    for (let time = 0; time < 10; time += 1) {
      for (const { child } of load.apps.running) child.kill(time % 2 === 0 ? 'SIGWINCH' : 'SIGURG')
      await sleep(1_000)
    }
    expect(load.apps.states()).toEqual({ counts: { ready: CLIENTS }, connected: CLIENTS })
  },
})

function mangled(): (event: Buffer) => readonly Buffer[] {
  let late: Buffer[] = []
  return (event) => {
    const chance = Math.random()
    const before = late
    late = []
    if (chance < 0.25) return before
    if (chance < 0.5) return [event, ...before, event]
    if (chance < 0.65) {
      late = [...before, event]
      return []
    }
    if (chance < 0.75) {
      const at = Math.floor(Math.random() * event.length)
      event[at] = (event[at] ?? 0) ^ (1 + Math.floor(Math.random() * 127))
    }
    return [...before, event]
  }
}

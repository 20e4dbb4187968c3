/** Apps that start in the middle of it: no server answers, or what they have kept on disk is damaged, under the base load. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { seeded } from '../bench/workload.ts'
import { processes } from '../support/process.ts'
import { sdkKey } from '../support/rest.ts'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts'
import { answeringWith, stoppingAfter } from '../support/treatments.ts'
import { until } from '../support/until.ts'
import type { Apps, Position } from './rig/apps.ts'
import { type BaseLoad, startBaseLoad, through } from './rig/base-load.ts'
import { blackHole } from './rig/black-hole.ts'
import { damagedPlaces, type Place } from './rig/cache-damage.ts'
import { expectGates, milliseconds } from './rig/gates.ts'
import { type Report, row } from './rig/row.ts'
import { canMountDisks, smallDisk } from './rig/small-disk.ts'
import { now, quantile } from './rig/timeline.ts'

const all = processes()
/** What a busy machine may add to a start timeout: the apps say how late their timers are. */
const LATE_MS = 250
/** The longest pause of a backoff, and the attempt after it. */
const CATCHES_UP_WITHIN_MS = 60_000

async function proxyTo(url: string): Promise<TcpProxy> {
  const proxy = await tcpProxy(url)
  onTestFinished(() => proxy.close())
  return proxy
}

/** From now until every app holds what servers have, and its stream works. */
async function catchesUp(
  load: BaseLoad,
  apps: Apps,
  count: number,
  report: Report,
  figure: string,
): Promise<void> {
  const from = now()
  await until('every app has a working stream', () => apps.states().connected === count, CATCHES_UP_WITHIN_MS)
  report.figure(figure, milliseconds(now() - from))
  const newest = Math.max(...load.apps.held().map(({ revision }) => revision))
  await until('every app holds the newest state', () =>
    apps.held().every(({ revision }) => revision >= newest),
  )
}

type Way = {
  /** @returns makes the server answer again */
  readonly away: (front: TcpProxy) => Promise<() => unknown>
}
const WAYS: Readonly<Record<string, Way>> = {
  refused: {
    away: async (front) => {
      await front.takeAway()
      return () => front.giveBack()
    },
  },
  dropped: {
    away: async (front) => {
      await front.takeAway()
      const open = await blackHole(all, front.port)
      return async () => {
        await open()
        await front.giveBack()
      }
    },
  },
  silent: {
    away: async (front) => {
      front.freeze()
      return () => front.heal()
    },
  },
  'half-open': {
    away: async (front) => {
      front.treat(stoppingAfter(100))
      return () => {
        front.vanish()
        front.heal()
      }
    },
  },
  'a login page': {
    away: async (front) => {
      front.treat(answeringWith('<!doctype html><title>Log in</title><form action="/login"></form>'))
      return () => front.heal()
    },
  },
}

row(
  'sdk-unreachable-at-start',
  {
    fault:
      'apps start while their server refuses connections, drops them, is silent, stops within an answer’s head, or is a login page; for 15 s',
    pass: '`connect` resolves by its start timeout and never throws; defaults; current by themselves once it answers',
  },
  async (report) => {
    const load = await startBaseLoad(all, { servers: 2 })
    const [first] = load.fleet.members
    const timeouts = [0, 500, 2_000]
    const verdict = await through(load, async () => {
      const opened: (() => unknown)[] = []
      const clients: { urls: string[]; startTimeoutMs: number }[] = []
      for (const { away } of Object.values(WAYS)) {
        const front = await proxyTo(first?.url ?? '')
        opened.push(await away(front))
        for (const startTimeoutMs of timeouts)
          clients.push({ urls: [front.via(first?.url ?? '')], startTimeoutMs })
      }
      const apps = await load.startMore({ clients })
      const late = apps.connects.map(({ client, ms }) => {
        const { startTimeoutMs = 0 } = clients[Number(client.split('-').at(-1))] ?? {}
        return ms - startTimeoutMs
      })
      report.figure('connect beyond its timeout', `at most ${milliseconds(Math.max(...late))}`)
      await sleep(15_000 - Math.max(...timeouts))
      const held = apps.held().filter(({ epoch }) => epoch > 0)
      const { counts } = apps.states()
      await Promise.all(opened.map((open) => open()))
      await catchesUp(load, apps, clients.length, report, 'caught up after')
      const answers = new Set(
        apps.outcomes.filter(({ unserved }) => unserved).map(({ errorCode }) => errorCode),
      )
      report.figure('meanwhile', `${[...answers]} with the default`)
      expect(Math.max(...late)).toBeLessThanOrEqual(LATE_MS + lateness(load))
      expect(held, 'nobody holds what no server said').toEqual([])
      expect(counts).toEqual({ starting: clients.length })
      expect([...answers]).toEqual(['PROVIDER_NOT_READY'])
    })
    expectGates(load, verdict, report, { staleness: 500 })
  },
)

/** What each of them holds, once it has evaluated. */
async function heldBy(apps: Apps, count: number): Promise<readonly Position[]> {
  await until('every app has evaluated', () => apps.evaluations() >= count)
  return apps.held()
}

/** How late timers were at most, by the word of the load's own apps. */
function lateness({ apps, timeline }: BaseLoad): number {
  return quantile(
    apps.lags.filter(({ at }) => timeline.phaseAt(at) === 'fault').map(({ ms }) => ms),
    1,
  )
}

row(
  'sdk-cache-corrupted',
  {
    fault:
      'apps start from cache files that were cut or changed anywhere, are another key’s, older, empty, huge, a directory, a pipe, or cannot be written: without a server, then with one',
    pass: 'never throws; the state that was kept, or the defaults; current once a server answers, and kept anew',
  },
  async (report) => {
    const load = await startBaseLoad(all, { servers: 2 })
    const url = load.fleet.members[0]?.url ?? ''
    const folder = all.freshFolder()
    const disk = canMountDisks() ? smallDisk(1) : undefined
    onTestFinished(() => disk?.remove())
    const kept = async (name: string, key?: string) => {
      const path = join(folder, name)
      const app = await load.startMore({ clients: [{ urls: [url], cacheFile: path }], ...(key && { key }) })
      await app.close()
      return path
    }
    const otherKey = await sdkKey(load.api, 'server')
    const verdict = await through(load, async () => {
      const older = await kept('older.json')
      const foreign = await kept('foreign.json', otherKey)
      await sleep(2_000)
      const current = await kept('current.json')
      disk?.fill()
      const random = seeded(20_260_101)
      const places = (round: string) => {
        const own = join(folder, round)
        mkdirSync(own)
        return damagedPlaces({ folder: own, current, older, foreign, full: disk?.folder, random })
      }
      const clientsOf = (list: readonly Place[], urls: string[]) =>
        list.map(({ path }) => ({ urls, cacheFile: path, startTimeoutMs: 1_000 }))

      const front = await proxyTo(url)
      await front.takeAway()
      const alone = places('alone')
      const apps = await load.startMore({ clients: clientsOf(alone, [front.via(url)]) })
      const slowest = Math.max(...apps.connects.map(({ ms }) => ms))
      const held = await heldBy(apps, alone.length)
      const unlike = alone.flatMap(({ what, whole }, index) => {
        const { epoch = 0, revision = 0 } = held[index] ?? {}
        return whole === epoch > 0 ? [] : [`${what}: ${epoch}-${revision}`]
      })
      await front.giveBack()
      await catchesUp(load, apps, alone.length, report, 'caught up after')
      await sleep(1_500)
      await apps.close()
      report.figure(
        'files',
        `${alone.length}, of which ${alone.filter(({ whole }) => whole).length} with a state`,
      )
      report.figure('slowest connect', milliseconds(slowest))
      expect(unlike, 'a state is held where one was kept, and nowhere else').toEqual([])
      expect(slowest).toBeLessThanOrEqual(1_000 + LATE_MS + lateness(load))

      // What they kept when they were closed is what the next start has, wherever a file can be.
      await front.takeAway()
      const again = await load.startMore({ clients: clientsOf(alone, [front.via(url)]) })
      const newest = Math.max(...held.map(({ revision }) => revision))
      const mended = (await heldBy(again, alone.length)).flatMap(({ revision }, index) =>
        revision > newest ? [alone[index]?.what] : [],
      )
      await again.close()
      expect(mended).toEqual(alone.filter(({ mends }) => mends).map(({ what }) => what))

      const beside = places('beside')
      const reached = await load.startMore({ clients: clientsOf(beside, [url]) })
      await catchesUp(load, reached, beside.length, report, 'beside a server, current after')
    })
    expectGates(load, verdict, report, { staleness: 500 })
  },
)

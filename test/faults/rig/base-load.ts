/**
 * The base load of every row: a fleet, apps with SDKs that evaluate all the time, remote evaluations at a steady rate,
 * several writes a second and a kill every few seconds; and, when it ends, the oracle's verdict on all of it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import type { Processes } from '../../support/process.ts'
import { type Rest, rest, sdkKey } from '../../support/rest.ts'
import { until } from '../../support/until.ts'
import { type Apps, type AppsOptions, startApps } from './apps.ts'
import { type Claim, claimsDelivery, falseClaims } from './claims.ts'
import { type Evaluations, startEvaluations } from './evaluations.ts'
import { makeFlags } from './flags.ts'
import { type Fleet, type FleetOptions, startFleet } from './fleet.ts'
import { type History, readHistory } from './history.ts'
import { judge, type Verdict } from './oracle.ts'
import { createTimeline, now, type Timeline } from './timeline.ts'
import { type Pace, startWriter, type Target, type Tried, type Writer } from './writer.ts'

const BASELINE_MS = 6_000
const AFTER_MS = 4_000
/** RELIABILITY, G6: a minute later. Rows are asked for it one by one, since it costs each of them a minute. */
const MEMORY_AFTER_MS = 60_000
const MEMORY_ASKED_FOR = process.env.HALYARD_FAULTS_MEMORY === '1'
/** SDK clients: fewer while a row is being written. */
export const CLIENTS = Number(process.env.HALYARD_FAULTS_CLIENTS ?? 100)
const PROCESSES = 2
const REQUEST_TIMEOUT_MS = 10_000
/** All that is acknowledged is everywhere within this long after the last write. */
const SETTLES_WITHIN_MS = 20_000

export type BaseLoadOptions = FleetOptions & {
  readonly clients?: number
  readonly pace?: Pace
  /** Done before anybody evaluates or writes: servers may be restarted here. */
  readonly prepare?: (fleet: Fleet) => Promise<void>
  readonly perSecond?: number
  /** Servers of a release that keeps no Idempotency-Key take part. */
  readonly unkeyed?: boolean
  /** What stands before the servers: apps, callers and writers know its address alone. */
  readonly behind?: (ports: readonly number[]) => Promise<string>
  readonly apps?: Partial<Pick<AppsOptions, 'tickMs' | 'perTick' | 'options' | 'preload' | 'scripts'>>
}

export type MoreApps = Pick<AppsOptions, 'clients' | 'options' | 'probes' | 'perTick'> & {
  readonly key?: string
}

export type BaseLoad = {
  readonly fleet: Fleet
  readonly api: Rest
  /** A server key of the environment that the load is on. */
  readonly key: string
  readonly apps: Apps
  /** Starts apps of the row's own, beside those of the load: what they were answered is judged with the rest. */
  readonly startMore: (options: MoreApps) => Promise<Apps>
  readonly evaluations: Evaluations
  readonly writer: Writer
  readonly timeline: Timeline
  /** What the database has at this moment: before it is replaced by a backup, for instance. */
  readonly remember: () => Promise<void>
  /**
   * Stops writing, waits until all clients and servers have the newest state, ends the load, and judges.
   * @returns the verdict; it is the row's to expect something of it
   */
  readonly end: () => Promise<Judged>
}

export async function startBaseLoad(all: Processes, options: BaseLoadOptions = {}): Promise<BaseLoad> {
  const fleet = await startFleet(all, options)
  const [first] = fleet.members
  if (first === undefined) throw new Error('a load needs a server')
  const api = first.api
  await makeFlags(api)
  await options.prepare?.(fleet)
  const key = await sdkKey(api, 'server')
  const front = await options.behind?.(fleet.members.map(({ server }) => server().port))
  const reached = front === undefined ? fleet.members : [{ name: 'the proxy', url: front }]
  const urls = front === undefined ? fleet.members.map(({ url, front }) => front?.via(url) ?? url) : [front]
  const apps = await startApps(all, {
    // Each begins with another server, and goes on to the next when it fails.
    clients: Array.from({ length: options.clients ?? CLIENTS }, (_, client) => ({
      urls: urls.map((_url, turn) => urls[(client + turn) % urls.length] as string),
    })),
    processes: PROCESSES,
    key,
    ...options.apps,
  })
  await until('every stream is open', () => apps.states().connected === (options.clients ?? CLIENTS), 30_000)
  const evaluations = await startEvaluations(all, {
    targets: reached.map(({ name, url }) => ({ name, url, many: front !== undefined })),
    key,
    ...(options.perSecond !== undefined && { perSecond: options.perSecond }),
  })
  const targets = reached.map(
    ({ name, url }): Target => ({
      name,
      rest: rest(url, fleet.adminKey, REQUEST_TIMEOUT_MS),
      evaluate: evaluateAt(url, key),
      many: front !== undefined,
    }),
  )
  const writer = startWriter(targets, options.pace)
  onTestFinished(() => writer.stop().catch(() => {}))
  const others: Apps[] = []
  async function startMore(more: MoreApps): Promise<Apps> {
    const apps = await startApps(all, { key, processes: 1, ...more })
    others.push(apps)
    return apps
  }
  const timeline = createTimeline()
  const histories: History[] = []
  const remember = async () => {
    histories.unshift(await readHistory(fleet.databaseUrl))
  }

  async function end(): Promise<Judged> {
    await writer.stop()
    await remember()
    await settled(histories[0] as History)
    const everybody = [apps, ...others]
    await Promise.all([...everybody.map(({ close }) => close()), evaluations.close()])
    const seen = {
      local: everybody.flatMap(({ outcomes }) => outcomes),
      remote: evaluations.outcomes,
      writes: writer.writes,
      wrong: [...everybody.flatMap(({ wrong }) => wrong), ...evaluations.wrong, ...writer.wrong],
    }
    const claims = claimsOf(writer, timeline).filter(claimsDelivery)
    return {
      ...judge(seen, histories, options.unkeyed),
      claims: claims.length,
      falseClaims: falseClaims(claims, {
        clients: everybody.flatMap(({ names }) => names),
        past: everybody.flatMap(({ past }) => past),
        heard: everybody.flatMap(({ heard }) => heard),
        kills: everybody.flatMap(({ kills }) => kills),
        streams: everybody.flatMap(({ streams }) => streams),
        servers: fleet.members,
        served: evaluations.served,
      }),
    }
  }

  /** Every client and every server has the newest state. */
  async function settled({ head }: History): Promise<void> {
    const newest = `${head.epoch}-${head.revision}`
    const open = [apps, ...others].filter(({ running }) =>
      running.every(({ child }) => child.exitCode === null),
    )
    const behind = () =>
      open.flatMap(({ held }) => held()).filter(({ epoch, revision }) => `${epoch}-${revision}` !== newest)
    await until(`every client holds ${newest}`, () => behind().length === 0, SETTLES_WITHIN_MS).catch(
      (cause: unknown) => {
        throw new Error(`${cause}; ${behind().length} do not, such as ${JSON.stringify(behind()[0])}`)
      },
    )
    for (const { name, url } of fleet.members) {
      const held = await until(`${name} answers`, () => stateOf(url, key).catch(() => undefined))
      expect([name, held]).toEqual([name, newest])
    }
  }

  return { fleet, api, key, apps, startMore, evaluations, writer, timeline, remember, end }
}

/** What the kills of the load were answered. */
function claimsOf({ kills }: Writer, { phaseAt }: Timeline): readonly Claim[] {
  return kills.flatMap(({ flag, at, ms, tries, answer }) => {
    if (ms === undefined || answer === undefined) return []
    const answeredAt = at + ms
    const inHealth = [at, answeredAt].every((time) => phaseAt(time) === 'baseline')
    return [{ flag, sentAt: at, answeredAt, status: tries.at(-1)?.status ?? '', answer, inHealth }]
  })
}

function evaluateAt(url: string, key: string): Target['evaluate'] {
  return async (flag) => {
    const answer = await fetch(`${url}/ofrep/v1/evaluate/flags/${flag}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: '{"context":{"targetingKey":"user-0"}}',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    return (await answer.json()) as Awaited<ReturnType<Target['evaluate']>>
  }
}

/** The state that a server holds, as its ruleset says. */
async function stateOf(url: string, key: string): Promise<string> {
  const answer = await fetch(`${url}/sdk/v1/ruleset`, { headers: { authorization: `Bearer ${key}` } })
  const { epoch, revision } = (await answer.json()) as { epoch: number; revision: number }
  return `${epoch}-${revision}`
}

/** Live memory of a server in bytes, after full collections. */
export type Memories = readonly { readonly name: string; readonly before: number; readonly after: number }[]
export type Judged = Verdict & {
  /** Answers to kills that said how far they had come; and what of it was not true. */
  readonly claims: number
  readonly falseClaims: readonly string[]
  /** Where it was asked for. */
  readonly memory?: Memories
}

/**
 * Health, the fault, health again; then the verdict.
 * @param warmMs how long a health before that is to last in which memory comes to be what it is
 */
export async function through(
  load: BaseLoad,
  fault: () => Promise<void>,
  { memory = MEMORY_ASKED_FOR, warmMs = 0 }: { readonly memory?: boolean; readonly warmMs?: number } = {},
): Promise<Judged> {
  const { timeline } = load
  await sleep(warmMs)
  await timeline.during('baseline', () => sleep(BASELINE_MS))
  const before = memory ? await liveMemoryOf(load) : undefined
  await timeline.during('fault', fault)
  await timeline.during('after', () => sleep(AFTER_MS))
  if (before === undefined) return await load.end()
  await sleep(MEMORY_AFTER_MS - AFTER_MS)
  const after = await liveMemoryOf(load)
  const grown = [...before].map(([name, bytes]) => ({ name, before: bytes, after: after.get(name) ?? 0 }))
  return { ...(await load.end()), memory: grown }
}

async function liveMemoryOf({ fleet }: BaseLoad): Promise<ReadonlyMap<string, number>> {
  const all = new Map<string, number>()
  for (const { name, memory } of fleet.members) {
    const { heapUsed, external } = await memory()
    all.set(name, heapUsed + external)
  }
  return all
}

/** @returns milliseconds from now until a write that is sent from now on is answered 2xx */
export async function untilWritten({ writer }: BaseLoad): Promise<number> {
  const from = now()
  const written = ({ tries }: { readonly tries: readonly Tried[] }) =>
    tries.some(({ at, status }) => at > from && typeof status === 'number' && status < 300)
  await until('a write is taken again', () => writer.writes.some(written), 20_000)
  return now() - from
}

/** Every time that a write or a kill was sent while the fault lasted. */
export function triesOf({ writer, timeline }: BaseLoad): readonly Tried[] {
  return writer.writes.flatMap(({ tries }) => tries.filter(({ at }) => timeline.phaseAt(at) === 'fault'))
}

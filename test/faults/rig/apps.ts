/** Apps with SDKs, in processes of their own, as a row sees them: what they held when, and what they were answered. */
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Json } from '@halyard/sdk/core'
import type { Processes, Running } from '../../support/process.ts'
import { until } from '../../support/until.ts'
import { KILLED, PROBES, type Probe, USERS } from './flags.ts'

/** With the SDK of this build. */
export const APPS = fileURLToPath(new URL('./apps.mjs', import.meta.url))

export type Position = { readonly epoch: number; readonly revision: number }
/** One answer, by one state; however often it was given. `unserved`: no state was held, so it is the default. */
export type Outcome = {
  readonly probe: Probe
  readonly at: Position
  readonly value: Json
  readonly variant: string | null
  readonly reason: string
  readonly errorCode: string | null
  readonly unserved: boolean
}
/** A client came to hold a state. */
export type Hearing = Position & { readonly client: string; readonly at: number }

/** A client's stream worked from then on, or no longer. */
export type Streaming = { readonly client: string; readonly at: number; readonly open: boolean }
/** A client served that flag as killed from then on, or no longer. */
export type KillSeen = {
  readonly client: string
  readonly at: number
  readonly flag: string
  readonly killed: boolean
}

export type Apps = {
  /** The names that the clients give of themselves; what tells their processes apart is added to them. */
  readonly names: readonly string[]
  /** Of the names, those of clients of a release of the past: they give servers another one, and acknowledge nothing. */
  readonly past: readonly string[]
  readonly running: readonly Running[]
  readonly outcomes: readonly Outcome[]
  readonly heard: readonly Hearing[]
  readonly streams: readonly Streaming[]
  readonly kills: readonly KillSeen[]
  /** What must never be: a step back, an evaluation that threw. */
  readonly wrong: readonly string[]
  readonly evaluations: () => number
  /** Of one local evaluation in nanoseconds, with the time when it was measured. */
  readonly paces: readonly { readonly at: number; readonly ns: number }[]
  /** How late timers were in milliseconds: what a process of this machine has to wait for a core. */
  readonly lags: readonly { readonly at: number; readonly ms: number }[]
  /** How long `connect` took, in the order of the clients where there is one process. */
  readonly connects: readonly { readonly client: string; readonly ms: number }[]
  /** What the clients hold now, as they said last. */
  readonly held: () => readonly Position[]
  /** By the SDK's own state, and how many have a working stream. */
  readonly states: () => { readonly counts: Readonly<Record<string, number>>; readonly connected: number }
  /** How many had a working stream, and how many said that they are stale, over time. */
  readonly connections: readonly { readonly at: number; readonly connected: number; readonly stale: number }[]
  readonly close: () => Promise<void>
}

type Line = {
  readonly at: number
  readonly heard: readonly [client: number, epoch: number, revision: number, at: number][]
  readonly outcomes: readonly [number, number, number, Json, string | null, string, string | null, boolean][]
  readonly wrong: readonly string[]
  readonly evaluations: number
  readonly paces: readonly number[]
  readonly lags: readonly number[]
  readonly connects: readonly [client: number, ms: number][]
  readonly streams: readonly [client: number, open: boolean, at: number][]
  readonly kills: readonly [client: number, flag: number, killed: boolean, at: number][]
  readonly held: readonly Position[]
  readonly counts: Readonly<Record<string, number>>
  readonly connected: number
}

/** A client's addresses in the order in which it tries them, and what it has of its own among the options of `connect`. */
export type AppOptions = {
  readonly urls: readonly string[]
  readonly cacheFile?: string
  readonly startTimeoutMs?: number
}

export type AppsOptions = {
  readonly clients: readonly AppOptions[]
  readonly processes: number
  readonly key: string
  /** What they ask; the load's own questions unless it is given. */
  readonly probes?: readonly Probe[]
  /** Milliseconds between two rounds over all clients of a process; evaluations of each client in one. */
  readonly tickMs?: number
  readonly perTick?: number
  /** What each process runs, by turns: `apps.mjs`, where it stands beside another release of the SDK. */
  readonly scripts?: readonly string[]
  /** A module that each process loads first. */
  readonly preload?: string
  /** Options of `connect`. */
  readonly options?: Readonly<Record<string, Json>>
}

let started = 0

/** Starts them; resolves when every SDK has resolved. */
export async function startApps(
  { startScript }: Pick<Processes, 'startScript'>,
  {
    clients,
    processes,
    key,
    probes = PROBES,
    tickMs = 100,
    perTick = 6,
    preload,
    scripts = [APPS],
    options = {},
  }: AppsOptions,
): Promise<Apps> {
  started += 1
  const group = started
  const nameOf = (index: number, client: number): string => `${group}-${index}-${client}`
  const names: string[] = []
  const past: string[] = []
  const streams: Streaming[] = []
  const kills: KillSeen[] = []
  const outcomes: Outcome[] = []
  const heard: Hearing[] = []
  const wrong: string[] = []
  const paces: { at: number; ns: number }[] = []
  const lags: { at: number; ms: number }[] = []
  const connects: { client: string; ms: number }[] = []
  const connections: { at: number; connected: number; stale: number }[] = []
  const last: (Line | undefined)[] = Array.from({ length: processes })

  function took(index: number, line: Line): void {
    last[index] = line
    for (const [client, epoch, revision, at] of line.heard)
      heard.push({ client: nameOf(index, client), epoch, revision, at })
    for (const [client, open, at] of line.streams) streams.push({ client: nameOf(index, client), at, open })
    for (const [client, flag, killed, at] of line.kills)
      kills.push({ client: nameOf(index, client), at, flag: KILLED[flag] as string, killed })
    for (const [probe, epoch, revision, value, variant, reason, errorCode, unserved] of line.outcomes) {
      const at = { epoch, revision }
      outcomes.push({ probe: probes[probe] as Probe, at, value, variant, reason, errorCode, unserved })
    }
    wrong.push(...line.wrong)
    for (const ns of line.paces) paces.push({ at: line.at, ns })
    for (const ms of line.lags) lags.push({ at: line.at, ms })
    for (const [client, ms] of line.connects) connects.push({ client: nameOf(index, client), ms })
    connections.push({
      at: line.at,
      connected: sum((one) => one.connected),
      stale: sum((one) => one.counts.stale ?? 0),
    })
  }
  const sum = (count: (line: Line) => number): number =>
    last.reduce((total, line) => total + (line === undefined ? 0 : count(line)), 0)

  const running = Array.from({ length: processes }, (_, index) => {
    const own = clients
      .filter((_client, client) => client % processes === index)
      .map((client, at) => ({ ...client, name: nameOf(index, at) }))
    const script = scripts[index % scripts.length] as string
    names.push(...own.map(({ name }) => name))
    if (script !== APPS) past.push(...own.map(({ name }) => name))
    const config = { clients: own, key, probes, users: USERS, killed: KILLED, tickMs, perTick, options }
    const settings = preload === undefined ? {} : { NODE_OPTIONS: `--import=${preload}` }
    const one = startScript(script, settings, [JSON.stringify(config)])
    if (one.child.stdout === null) throw new Error('the apps have no output')
    createInterface({ input: one.child.stdout }).on('line', (line) => took(index, JSON.parse(line) as Line))
    return one
  })
  await until('every SDK has started', () => {
    for (const one of running) {
      if (one.child.exitCode !== null) throw new Error(`apps ended as they started:\n${one.stderr()}`)
    }
    return last.every((line) => line !== undefined)
  })
  return {
    names,
    past,
    running,
    streams,
    kills,
    outcomes,
    heard,
    wrong,
    paces,
    lags,
    connects,
    connections,
    evaluations: () => sum((line) => line.evaluations),
    held: () => last.flatMap((line) => line?.held ?? []),
    states: () => {
      const counts: Record<string, number> = {}
      for (const line of last)
        for (const [state, count] of Object.entries(line?.counts ?? {}))
          counts[state] = (counts[state] ?? 0) + count
      return { counts, connected: sum((line) => line.connected) }
    },
    close: async () => {
      for (const one of running) one.child.stdin?.end()
      await Promise.all(running.map(({ ended }) => ended))
    },
  }
}

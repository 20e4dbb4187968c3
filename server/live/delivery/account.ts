/**
 * What each instance accounts for of a kill, and what all of them together know: pure. Nothing is counted that nobody
 * said: who is silent is named, and never taken for one that has applied it.
 */
import { compareStates } from '@halyard/sdk/core'
import type { LogId } from '../../domain/change.ts'
import { isObject } from '../../domain/reading.ts'
import type { Position } from './roster.ts'

/** A process of an app that has not applied a kill yet. */
export type Waiting = {
  readonly app: string
  readonly version: string
  /** Tells it from other processes of that app. */
  readonly instance: string
  /** What it is known to hold; 0, of epoch 0, for nothing. An instance of a version before this one does not say the epoch. */
  readonly epoch?: number
  readonly revision: number
  /** Since it was heard last, milliseconds. */
  readonly silentMs: number
}

/** Durations in milliseconds, to two digits, and how many there were of each. */
export type Latencies = Readonly<Record<string, number>>

/** What one instance knows of those SDKs that are connected to it. */
export type SdksAccount = {
  readonly known: number
  readonly applied: number
  /** As many as `MOST_WAITING`, those that were silent longest first. `away`: has no stream there any more. */
  readonly waiting: readonly (Waiting & { readonly away?: true })[]
  readonly latencies: Latencies
  /** Processes that hold it, and are another instance's to count: it may wait for them in vain. */
  readonly arrived: readonly string[]
  /**
   * Processes that are counted here, and that another instance may count too: those who wait are named anyway, the others
   * have applied it. And those that closed here shortly before it, or since.
   */
  readonly moved: readonly string[]
  /** Of `moved`, those that closed. Absent in what an instance of an older version says, which names nobody who has applied it. */
  readonly closed?: readonly string[]
}

/** Clients that ask now and then, without a stream. */
export type PollersAccount = {
  readonly known: number
  readonly applied: number
  /** The longest time from one poll to the next that was seen of them, milliseconds. */
  readonly worstCaseMs: number
}

/** The same, as one instance says it: with the names of some, since others may have been asked by the same. */
export type PollersSaid = PollersAccount & {
  readonly has?: readonly string[]
  readonly waits?: readonly string[]
}

/** What one instance says of an environment. */
export type EnvironmentAccount = Position & {
  /** Why it cannot hold what is newer, where that is so. */
  readonly refused?: string
  /** By the kill's id. */
  readonly kills: Readonly<Record<string, { readonly sdks: SdksAccount; readonly pollers: PollersSaid }>>
  /** Kills that it serves and counts nobody for, since it found them when it started: ids of those without a revision. */
  readonly found?: readonly string[]
}

export type ServerAccount = {
  readonly server: string
  readonly environments: Readonly<Record<LogId, EnvironmentAccount>>
  /** When it said so, by its own clock, epoch milliseconds. An instance of an older version does not say it. */
  readonly at?: number
}

export type KillReport = {
  readonly servers: {
    /** Instances that serve, as far as is known. */
    readonly live: number
    readonly applied: number
    readonly refused: readonly { readonly server: string; readonly reason: string }[]
    /** Those that have not said that they applied it. */
    readonly missing: readonly string[]
    /** Where those of both are reached, as far as they said so. */
    readonly addresses?: Readonly<Record<string, string>>
  }
  readonly sdks: {
    readonly known: number
    readonly applied: number
    readonly waiting: readonly Waiting[]
    /** From the kill's acceptance to its being applied in an app; absent where nobody has applied it. */
    readonly p50Ms?: number
    readonly p99Ms?: number
    readonly slowestMs?: number
    /** No instance counts them for this kill (any more): nothing is known of them. */
    readonly uncounted?: true
  }
  readonly pollers: PollersAccount
}

/** An instance that should be there. */
export type KnownServer = {
  readonly id: string
  /** The state of the environment that it said it serves, of whichever time. */
  readonly serves?: Position | undefined
  /** Where it said that it is reached. */
  readonly address?: string | undefined
}

/** Of those who wait, this many are named. */
export const MOST_WAITING = 1_000

/**
 * @param kill its id
 * @param at the state that it made; undefined for one that has no revision yet, which shows by its id alone
 * @param servers the instances that are known to be there, whether they have said something or not
 */
export function reportOf(
  environment: LogId,
  kill: string,
  at: Position | undefined,
  servers: readonly KnownServer[],
  accounts: readonly ServerAccount[],
): KillReport {
  const said = new Map(accounts.map((account) => [account.server, account.environments[environment]]))
  const known = new Map(servers.map((server) => [server.id, server]))
  const everyone = [...new Set([...known.keys(), ...said.keys()])]
  const refused: { server: string; reason: string }[] = []
  const missing: string[] = []
  for (const server of everyone) {
    const account = said.get(server)
    if (account?.kills[kill] !== undefined || account?.found?.includes(kill)) continue
    if ([account, known.get(server)?.serves].some((state) => isReached(state, at))) continue
    if (account?.refused !== undefined) refused.push({ server, reason: account.refused })
    else missing.push(server)
  }
  const addresses = [...missing, ...refused.map(({ server }) => server)].flatMap((server) => {
    const address = known.get(server)?.address
    return address === undefined ? [] : [[server, address] as const]
  })
  const parts = [...said.values()].flatMap((account) => account?.kills[kill] ?? [])
  const { sdks, pollers } = togetherOf(parts)
  return {
    servers: {
      live: everyone.length,
      applied: everyone.length - refused.length - missing.length,
      refused,
      missing,
      ...(addresses.length > 0 && { addresses: Object.fromEntries(addresses) }),
    },
    sdks: { ...sdks, ...(parts.length === 0 && { uncounted: true as const }) },
    pollers,
  }
}

/** What an instance told; undefined for what none did. Other versions of the service may tell more. */
export function readAccount(text: string): ServerAccount | undefined {
  try {
    const told: unknown = JSON.parse(text)
    if (!isObject(told) || typeof told.server !== 'string' || !isObject(told.environments)) return undefined
    const whole = Object.values(told.environments).every(
      (said) =>
        isObject(said) &&
        isObject(said.kills) &&
        Object.values(said.kills).every(isKillAccount) &&
        (said.found === undefined || Array.isArray(said.found)),
    )
    return whole ? (told as ServerAccount) : undefined
  } catch {
    return undefined
  }
}

function isKillAccount(said: unknown): boolean {
  if (!isObject(said) || !isObject(said.sdks) || !isObject(said.pollers)) return false
  const { known, applied, waiting, latencies, arrived, moved, closed = [] } = said.sdks
  const counts = [known, applied, said.pollers.known, said.pollers.applied, said.pollers.worstCaseMs]
  return (
    counts.every((count) => typeof count === 'number') &&
    Array.isArray(waiting) &&
    waiting.every(isObject) &&
    Array.isArray(arrived) &&
    Array.isArray(moved) &&
    Array.isArray(closed) &&
    isObject(latencies)
  )
}

/** Whether nothing is left to wait for. */
export function isComplete({ servers, sdks }: KillReport, of: 'servers' | 'sdks'): boolean {
  const everywhere = servers.applied === servers.live
  return of === 'servers' ? everywhere : everywhere && !sdks.uncounted && sdks.applied === sdks.known
}

function isReached(state: Position | undefined, at: Position | undefined): boolean {
  return state !== undefined && at !== undefined && compareStates(state, at) >= 0
}

type KillAccount = EnvironmentAccount['kills'][string]

/**
 * Each process with a name counts once, whichever instances count it; the others as often as they were counted. Wherever
 * it says that it holds the kill, it does; of one that is waited for counts what it said last.
 */
function togetherOf(parts: readonly KillAccount[]): Pick<KillReport, 'sdks' | 'pollers'> {
  const closed = new Set<string>()
  const holding = new Set<string>()
  const counted = new Map<string, Waiting | undefined>()
  let known = 0
  let applied = 0
  for (const { sdks, pollers } of parts) {
    const waits = new Set(sdks.waiting.map(({ instance }) => instance))
    const left = new Set(sdks.closed ?? sdks.moved.filter((instance) => !waits.has(instance)))
    const has = sdks.moved.filter((instance) => !waits.has(instance) && !left.has(instance))
    for (const instance of left) closed.add(instance)
    for (const instance of [...has, ...sdks.arrived, ...(pollers.has ?? [])]) holding.add(instance)
    for (const instance of has) counted.set(instance, counted.get(instance))
    for (const { away: _, ...one } of sdks.waiting) {
      counted.set(one.instance, latest(one, counted.get(one.instance)))
    }
    known += sdks.known - sdks.waiting.length - has.length
    applied += sdks.applied - has.length
  }
  for (const instance of closed) counted.delete(instance)
  const waiting = [...counted].flatMap(([instance, one]) => (one && !holding.has(instance) ? [one] : []))
  const latencies = merged(parts.map(({ sdks }) => sdks.latencies))
  return {
    sdks: {
      known: known + counted.size,
      applied: applied + counted.size - waiting.length,
      waiting: waiting.sort((a, b) => b.silentMs - a.silentMs).slice(0, MOST_WAITING),
      ...(latencies.length > 0 && {
        p50Ms: quantile(latencies, 0.5),
        p99Ms: quantile(latencies, 0.99),
        slowestMs: quantile(latencies, 1),
      }),
    },
    pollers: pollersOf(
      parts.map(({ pollers }) => pollers),
      (instance) => counted.has(instance) || closed.has(instance),
    ),
  }
}

/** The newer state, and the last word. */
function latest(one: Waiting, other: Waiting = one): Waiting {
  const at = ({ epoch = 0, revision }: Waiting): Position => ({ epoch, revision })
  const newer = compareStates(at(one), at(other)) > 0 ? one : other
  return { ...newer, silentMs: Math.min(one.silentMs, other.silentMs) }
}

/**
 * Each of those with a name once; the others as often as they were counted.
 * @param elsewhere whether it is counted by its stream
 */
function pollersOf(parts: readonly PollersSaid[], elsewhere: (instance: string) => boolean): PollersAccount {
  const has = new Set(parts.flatMap((part) => part.has ?? []).filter((instance) => !elsewhere(instance)))
  const waits = parts.flatMap((part) => part.waits ?? []).filter((instance) => !elsewhere(instance))
  const named = new Set([...has, ...waits])
  const count = (names: readonly string[] | undefined): number => names?.length ?? 0
  return {
    known: named.size + sum(parts.map((part) => part.known - count(part.has) - count(part.waits))),
    applied: has.size + sum(parts.map((part) => part.applied - count(part.has))),
    worstCaseMs: Math.max(0, ...parts.map((part) => part.worstCaseMs)),
  }
}

type Counted = readonly (readonly [ms: number, count: number])[]

function merged(all: readonly Latencies[]): Counted {
  const counts = new Map<number, number>()
  for (const latencies of all) {
    for (const [ms, count] of Object.entries(latencies)) {
      counts.set(Number(ms), (counts.get(Number(ms)) ?? 0) + count)
    }
  }
  return [...counts].sort(([a], [b]) => a - b)
}

/** The nearest rank. */
function quantile(counted: Counted, share: number): number {
  let left = Math.ceil(sum(counted.map(([, count]) => count)) * share)
  for (const [ms, count] of counted) {
    left -= count
    if (left <= 0) return ms
  }
  return 0
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

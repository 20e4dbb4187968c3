/**
 * Keeps the hub at the store's truth: loads everything at first, then asks for the heads of all logs about once a
 * second, for ever. Notices only make it sooner. Hides retries, jitter, and one broken log harming no other.
 */
import { compareStates } from '@halyard/sdk/core'
import { type LogId, SYSTEM } from '../domain/change.ts'
import type { Notice } from '../domain/notice.ts'
import type { Head, Store } from '../store/store.ts'
import { subjectOf } from './catch-up.ts'
import type { Conditions } from './conditions.ts'
import type { HeldLog } from './held-log.ts'
import type { Hub } from './hub.ts'
import type { LiveMetrics } from './metrics.ts'
import type { Signal } from './signal.ts'
import { singleFlight } from './single-flight.ts'

export type Poll = {
  /**
   * Resolves after the first whole load (or `stop`); polls from then on.
   * @param prepare what must be done on that load before it counts
   */
  start(prepare: () => Promise<void>): Promise<void>
  /**
   * One round now, single flight: what it reads is read after the call. Resolves when the system's and the projects'
   * logs are up to date; environments follow, each at its own pace. Rejects where the store fails.
   */
  refresh(): Promise<void>
  /** Somebody says that there is something newer; where that is so, it is read. */
  notice(notice: Notice): void
  /** Logs that the store has and that could not be loaded, as their heads were read; why is their condition. */
  unloaded(): ReadonlyMap<LogId, Head>
  readonly loaded: boolean
  /** Epoch milliseconds of the last answer of the store. */
  readonly lastOkAt: number | undefined
  stop(): Promise<void>
}

export type PollDeps = {
  readonly store: Store
  readonly signal: Pick<Signal, 'listen'>
  readonly hub: Hub
  readonly conditions: Conditions
  readonly metrics: LiveMetrics
  readonly clock: { now(): number }
  readonly random: () => number
  /** Milliseconds between polls, before jitter of a fifth either way. */
  readonly pollMs: number
}

/** The conditions' subject for the store as a whole. */
export const STORE = 'store'
const DEFAULTS = 'defaults'
const NO_SYSTEM = 'the database has no system log: is a backup being restored?'
const NOTICES = 'change notices'
/** Logs caught up at the same time: after an outage many are behind, and the pool is for edits too. */
const ABREAST = 4
const RETRY = { first: 250, most: 3_000 }

/** Full jitter, after "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): milliseconds before try `n`. */
export function retryDelay(attempt: number, random: () => number, { first, most } = RETRY): number {
  return random() * Math.min(most, first * 2 ** Math.min(attempt, 30))
}

export function createPoll(deps: PollDeps): Poll {
  const { store, signal, hub, conditions, metrics, clock, random, pollMs } = deps
  const unloaded = new Map<LogId, Head>()
  const catchingUp = new Set<LogId>()
  let following: Promise<void> = Promise.resolve()
  let loaded = false
  let lastOkAt: number | undefined
  let stopped = false
  const pauses = new Set<() => void>()
  let unlisten: (() => Promise<void>) | undefined
  const tasks: Promise<void>[] = []

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        pauses.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      pauses.add(done)
    })
  }

  /** The heads, and every log brought to them. One log that fails is that log's condition alone. */
  async function round(): Promise<void> {
    metrics.polls++
    const before = new Map(hub.logs())
    let heads: readonly Head[]
    try {
      heads = await store.heads()
      if (!heads.some(({ log }) => log === SYSTEM)) throw new Error(NO_SYSTEM)
      await catchUpAll(heads, before)
    } catch (cause) {
      metrics.pollFailures++
      conditions.fail(STORE, 'the store does not answer; the last known states are served', cause)
      throw cause
    }
    lastOkAt = clock.now()
    conditions.clear(STORE)
  }

  /** The first load counts when what must be there is there. */
  async function load(prepare: () => Promise<void>): Promise<void> {
    await refresh()
    // Environments too: nobody is served an older state than the store's because it was at hand sooner.
    await following
    if (hub.held(SYSTEM) === undefined) return
    try {
      await prepare()
    } catch (cause) {
      conditions.fail(DEFAULTS, 'what a service begins with cannot be made yet; trying again', cause)
      throw cause
    }
    conditions.clear(DEFAULTS)
    loaded = true
  }

  async function catchUpAll(heads: readonly Head[], before: ReadonlyMap<LogId, HeldLog>): Promise<void> {
    const open = new Set<LogId>()
    const late: LogId[] = []
    const lateEnvironments: LogId[] = []
    const missing: Head[] = []
    const lateOf = ({ kind }: Head): LogId[] => (kind === 'environment' ? lateEnvironments : late)
    for (const head of heads) {
      open.add(head.log)
      const held = hub.held(head.log)
      const order = held === undefined ? 0 : compareStates(head, held.state)
      if (held === undefined) missing.push(head)
      else if (order > 0) lateOf(head).push(head.log)
      else if (order === 0) hub.confirm(head.log)
      // Older than what was held before it was read: the database went back, and not only the read came late.
      else if (isBehind(head, before.get(head.log))) lateOf(head).push(head.log)
    }
    for (const log of unloaded.keys()) if (!open.has(log)) unloaded.delete(log)
    if (missing.length > 0) await takeAll(missing)
    // Not waited for: one that hangs until its deadline must not keep the others from the next poll.
    const now = abreast(lateEnvironments, catchUp)
    // Resolves with nothing: what each round resolves with would hold that of the one before, for ever.
    following = following.then(() => now)
    await abreast(late, catchUp)
    // Last, so that what names a closed log is gone before it. A log that came to be held while the heads were
    // read is not in them either, and yet not closed.
    const absent = [...before.values()].filter(({ id }) => !open.has(id))
    for (const environments of [false, true]) {
      const logs = absent.filter(({ head }) => (head.kind === 'environment') === environments)
      await abreast(
        logs.map(({ id }) => id),
        catchUp,
      )
    }
  }

  /** What goes wrong is the log's condition, and tried again by the next poll. */
  async function catchUp(log: LogId): Promise<void> {
    if (catchingUp.has(log)) return
    catchingUp.add(log)
    try {
      await hub.catchUp(log)
    } catch {
      // The hub has noted it.
    } finally {
      catchingUp.delete(log)
    }
  }

  async function takeAll(heads: readonly Head[]): Promise<void> {
    try {
      for (const one of await store.load(heads.map((head) => head.log))) take(one)
    } catch (whole) {
      // One unreadable log fails them all: each for itself, then, unless it is the store that fails.
      await store.ping()
      if (heads.length === 1) notLoaded(heads[0] as Head, whole)
      else await abreast(heads, takeOne)
    }
  }

  async function takeOne(head: Head): Promise<void> {
    try {
      for (const one of await store.load([head.log])) take(one)
    } catch (cause) {
      await store.ping()
      notLoaded(head, cause)
    }
  }

  function take(one: Parameters<Hub['adopt']>[0]): void {
    hub.adopt(one)
    unloaded.delete(one.log)
  }

  function notLoaded(head: Head, cause: unknown): void {
    unloaded.set(head.log, head)
    metrics.catchUpFailures++
    conditions.fail(subjectOf(head.log), 'a log could not be loaded', cause)
  }

  const refresh = singleFlight(round)

  async function polling(): Promise<void> {
    while (!stopped) {
      await pause(pollMs * (0.8 + 0.4 * random()))
      if (!stopped) await refresh().catch(() => undefined)
    }
  }

  async function listening(): Promise<void> {
    for (let attempt = 0; !stopped; attempt++) {
      try {
        unlisten = await signal.listen(onNotice)
        conditions.clear(NOTICES)
        break
      } catch (cause) {
        conditions.fail(
          NOTICES,
          'no change notices; changes of other instances are seen at the next poll',
          cause,
        )
        await pause(retryDelay(attempt, random))
      }
    }
  }

  function onNotice(notice: Notice): void {
    if (stopped) return
    const held = hub.held(notice.log)
    if (held !== undefined && compareStates(notice, held.state) <= 0) return
    if (held?.head.kind === 'environment') hub.catchUp(notice.log).catch(() => undefined)
    // Elsewhere a change may have opened or closed other logs.
    else refresh().catch(() => undefined)
  }

  return {
    async start(prepare) {
      tasks.push(listening())
      for (let attempt = 0; !stopped && !loaded; attempt++) {
        await load(prepare).catch(() => undefined)
        if (!loaded && !stopped) await pause(retryDelay(attempt, random))
      }
      tasks.push(polling())
    },
    refresh,
    notice: onNotice,
    unloaded: () => unloaded,
    get loaded() {
      return loaded
    },
    get lastOkAt() {
      return lastOkAt
    },
    async stop() {
      stopped = true
      for (const done of pauses) done()
      await Promise.allSettled([...tasks, following])
      await unlisten?.()
    },
  }
}

async function abreast<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(ABREAST, items.length) }, worker))
}

function isBehind(head: Head, held: HeldLog | undefined): boolean {
  return held !== undefined && compareStates(head, held.state) < 0
}

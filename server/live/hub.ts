/**
 * Every log's newest state, held in memory: the one place where states are swapped. States only move forward,
 * in (epoch, revision); whatever fails, the last good one stays. Hides catching up, and the order of racing commits.
 */
import {
  advance,
  apply,
  type Compiled,
  compareStates,
  compile,
  type Delta,
  type State,
  withPending,
} from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import type { CommitRequest, Committed, Head, Loaded, Newer, Provenance, Store } from '../store/store.ts'
import type { Conditions } from './conditions.ts'
import type { Held, LiveMetrics, Source } from './live.ts'
import type { Signal } from './signal.ts'
import { singleFlight } from './single-flight.ts'

/** A log as held. `compiled` where the log is an environment's. */
export type HeldLog = Held & {
  readonly id: LogId
  readonly compiled: Compiled | undefined
  /** The database has it, too, as soon as that was seen. */
  readonly source: Source
}
export type HeldEnvironment = HeldLog & { readonly compiled: Compiled }

/** Who is told of every swap, at once and in order. */
export type Watcher = {
  /** `before` undefined: new here. `delta` undefined: taken whole. */
  changed(after: HeldLog, before: HeldLog | undefined, delta: Delta | undefined): void
  closed(log: HeldLog): void
}

export type Hub = {
  held(log: LogId): HeldLog | undefined
  environment(log: LogId): HeldEnvironment | undefined
  logs(): ReadonlyMap<LogId, HeldLog>
  commit<R>(request: Omit<CommitRequest<R>, 'known'>): Promise<Committed<R>>
  /** Reads what is newer than the held state, single flight per log. Rejects where the store fails. */
  catchUp(log: LogId): Promise<void>
  /** Takes a log whole, unless something as new is held. */
  adopt(loaded: Loaded, source?: Source): void
  /** The database has the very state that is held. */
  confirm(log: LogId): void
  /** The log was closed: it is no longer held. */
  drop(log: LogId): void
}

export type HubDeps = {
  readonly store: Store
  /** Told of every commit made here. */
  readonly signal: Pick<Signal, 'publish'>
  readonly clock: { now(): number }
  readonly conditions: Conditions
  readonly metrics: LiveMetrics
  readonly watcher: Watcher
}

/** The condition's subject for a log. */
export const subjectOf = (log: LogId): string => `log ${log}`

/** A held state can move on while its catch-up is read; each round ends nearer to the store's, so few are needed. */
const MOST_ROUNDS = 8
const QUICKLY_MS = 250

export function createHub({ store, signal, clock, conditions, metrics, watcher }: HubDeps): Hub {
  const logs = new Map<LogId, HeldLog>()
  const flights = new Map<LogId, () => Promise<void>>()

  function swap(before: HeldLog | undefined, after: HeldLog, delta: Delta | undefined): void {
    logs.set(after.id, after)
    conditions.clear(subjectOf(after.id))
    watcher.changed(after, before, delta)
  }

  function adopt(loaded: Loaded, source: Source = 'database'): void {
    const before = logs.get(loaded.log)
    if (before !== undefined && compareStates(loaded.state, before.state) <= 0) return
    const state = before === undefined ? loaded.state : withKillsOf(before.state, loaded.state)
    // Anew, not advanced: what is taken whole may have another history, in which a revision wrote something else.
    const compiled = loaded.kind === 'environment' ? compile(state) : undefined
    swap(before, holding(loaded, state, compiled, new Map(loaded.provenance), source), undefined)
  }

  function confirm(log: LogId): void {
    const held = logs.get(log)
    if (held === undefined) return
    conditions.clear(subjectOf(log))
    if (held.source !== 'database') logs.set(log, { ...held, source: 'database' })
  }

  /** 'held': the state that the delta leads to, or a newer one, is held now. */
  function absorb(
    log: LogId,
    delta: Delta,
    provenance: Iterable<[number, Provenance]>,
  ): 'held' | 'base' | 'broken' {
    const before = logs.get(log)
    if (before === undefined) return 'base'
    if (compareStates(delta, before.state) <= 0) return 'held'
    const state = apply(before.state, delta)
    if ('refused' in state) return state.refused === 'base' || state.refused === 'epoch' ? 'base' : 'broken'
    const compiled = before.compiled && advance(before.compiled, state, delta)
    swap(before, holding(before.head, state, compiled, recorded(before, state, provenance)), delta)
    return 'held'
  }

  function drop(log: LogId): void {
    const gone = logs.get(log)
    conditions.clear(subjectOf(log))
    flights.delete(log)
    if (gone === undefined) return
    logs.delete(log)
    watcher.closed(gone)
  }

  async function readNewer(log: LogId): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const { state } = logs.get(log) ?? {}
      if (state === undefined) return loadWhole(log)
      const newer = await store.newer(log, state)
      if (settle(log, state, newer)) return
      if (newer.kind === 'delta' && logs.get(log)?.state === state) return loadWhole(log)
    }
    throw new Error('the held state did not come to fit what the store sends')
  }

  /** True where nothing is left to do. */
  function settle(log: LogId, asked: State, newer: Newer): boolean {
    switch (newer.kind) {
      case 'current':
        confirm(log)
        return true
      case 'closed':
        drop(log)
        return true
      case 'reload':
        if (compareStates(newer.loaded.state, asked) < 0) throw new Error(behind(newer.loaded.state, asked))
        adopt(newer.loaded)
        return true
      case 'delta': {
        if (absorb(log, newer.delta, newer.provenance) !== 'held') return false
        conditions.clear(subjectOf(log))
        observe(newer)
        return true
      }
    }
  }

  function observe({ delta, provenance }: Extract<Newer, { kind: 'delta' }>): void {
    const at = provenance.get(delta.revision)?.at
    if (at !== undefined) metrics.observePropagation(Math.max(0, clock.now() - at) / 1000)
  }

  /** The delta does not lead to the store's state: the held one is not what the store has under that revision. */
  async function loadWhole(log: LogId): Promise<void> {
    // Compared with what was held before the load: a commit meanwhile is no going back.
    const held = logs.get(log)
    const [loaded] = await store.load([log])
    if (loaded === undefined) return drop(log)
    if (held !== undefined && compareStates(loaded.state, held.state) < 0) {
      throw new Error(behind(loaded.state, held.state))
    }
    adopt(loaded)
  }

  async function flight(log: LogId): Promise<void> {
    metrics.catchUps++
    try {
      await readNewer(log)
    } catch (cause) {
      metrics.catchUpFailures++
      conditions.fail(
        subjectOf(log),
        'a log could not be brought up to date; its last good state stays',
        cause,
      )
      throw cause
    }
  }

  function catchUp(log: LogId): Promise<void> {
    let fly = flights.get(log)
    if (fly === undefined) {
      fly = singleFlight(() => flight(log))
      flights.set(log, fly)
    }
    return fly()
  }

  /** A read that fails quickly lost its connection, which says nothing of the next; a slow one is not waited for twice. */
  async function catchUpPersistently(log: LogId): Promise<void> {
    const from = clock.now()
    await catchUp(log).catch((cause: unknown) => {
      if (clock.now() - from > QUICKLY_MS) throw cause
      return catchUp(log)
    })
  }

  /** What goes wrong in holding a commit must not make a refusal of it: catching up shows it, and mends it. */
  function tryToHold(log: LogId, hold: () => void): void {
    try {
      hold()
    } catch (cause) {
      conditions.fail(subjectOf(log), 'a committed change could not be held', cause)
    }
  }

  function isBehind(log: LogId, head: { readonly epoch: number; readonly revision: number }): boolean {
    const held = logs.get(log)
    return held === undefined || compareStates(held.state, head) < 0
  }

  /** At once: what this instance has yet to do for itself is no reason for others to wait. */
  function tellOthers({ opened, deltas, closed, heads }: Committed<unknown>): void {
    for (const log of new Set([...deltas.keys(), ...closed])) {
      const head = heads.get(log)
      if (head !== undefined) signal.publish({ log, ...head })
    }
    for (const { log, epoch, revision } of opened) signal.publish({ log, epoch, revision })
  }

  async function commit<R>(request: Omit<CommitRequest<R>, 'known'>): Promise<Committed<R>> {
    const committed = await store.commit<R>({ ...request, known: (log) => logs.get(log)?.state })
    if (request.dryRun) return committed
    const { opened, deltas, closed, heads, provenance } = committed
    if (!committed.repeated) tellOthers(committed)
    for (const loaded of opened) tryToHold(loaded.log, () => adopt(loaded))
    // What is answered again is old, and rebuilt: what it changed is read, not taken from here.
    for (const [log, delta] of committed.repeated ? [] : deltas) {
      tryToHold(log, () => absorb(log, delta, [[delta.revision, provenance]]))
    }
    for (const log of closed) drop(log)
    // Every locked log, not only those that changed: what an edit without effect was told must hold here too.
    const seen = [...heads].filter(([log]) => !closed.includes(log))
    const made = opened.map((loaded) => [loaded.log, loaded] as const)
    const overtaken = [...seen, ...made].filter(([log, head]) => isBehind(log, head))
    metrics.commitsOvertaken += overtaken.length
    // The write is committed whatever becomes of these reads: a failure is a condition, and the poll goes on.
    await Promise.allSettled(overtaken.map(([log]) => catchUpPersistently(log)))
    return committed
  }

  return {
    held: (log) => logs.get(log),
    confirm,
    environment(log) {
      const held = logs.get(log)
      return held !== undefined && isEnvironment(held) ? held : undefined
    },
    logs: () => logs,
    commit,
    catchUp,
    adopt,
    drop,
  }
}

function isEnvironment(held: HeldLog): held is HeldEnvironment {
  return held.compiled !== undefined
}

function holding(
  head: Head,
  state: State,
  compiled: Compiled | undefined,
  provenance: ReadonlyMap<number, Provenance>,
  source: Source = 'database',
): HeldLog {
  const { log, kind, parent } = head
  return {
    id: log,
    head: { log, kind, parent, epoch: state.epoch, revision: state.revision },
    state,
    compiled,
    provenance,
    source,
  }
}

/** A kill without a revision stays until the log settles it, whoever has not heard of it. */
function withKillsOf(before: State, next: State): State {
  const { pending, endedKills } = before
  if (pending.size + endedKills.size === 0) return next
  return withPending(next, Object.fromEntries(pending), [...endedKills])
}

/** Revisions that no current entry has are let go once they are as many as those that matter, and some. */
const SPARE_REVISIONS = 1_000

/** The provenance grows in place (a revision's never changes), so that a commit costs what it changes. */
function recorded(
  before: HeldLog,
  state: State,
  added: Iterable<[number, Provenance]>,
): Map<number, Provenance> {
  const known = before.provenance as Map<number, Provenance>
  for (const [revision, provenance] of added) known.set(revision, provenance)
  let entries = 0
  for (const kind of state.entries.values()) entries += kind.size
  if (known.size <= 2 * entries + SPARE_REVISIONS) return known
  const current = new Map<number, Provenance>()
  for (const kind of state.entries.values()) {
    for (const { revision } of kind.values()) {
      const provenance = known.get(revision)
      if (provenance !== undefined) current.set(revision, provenance)
    }
  }
  const newest = known.get(state.revision)
  return newest === undefined ? current : current.set(state.revision, newest)
}

function behind(
  store: { epoch: number; revision: number },
  held: { epoch: number; revision: number },
): string {
  return (
    `the store is at ${store.epoch}-${store.revision}, behind ${held.epoch}-${held.revision} that was already served; ` +
    'was an older backup restored?'
  )
}

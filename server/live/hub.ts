/**
 * Every log's newest state, held in memory: the one place where states are swapped. States only move forward,
 * in (epoch, revision); whatever fails, the last good one stays. Hides catching up, and the order of racing commits.
 */
import {
  advance,
  apply,
  compareStates,
  compile,
  type Delta,
  type Ruleset,
  tagOf,
  withPending,
} from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import { WentBack } from '../domain/epochs.ts'
import { Problem } from '../domain/problem.ts'
import type { CommitRequest, Committed, Loaded, Provenance, Store } from '../store/store.ts'
import { createCatchUp, subjectOf } from './catch-up.ts'
import type { Conditions } from './conditions.ts'
import {
  type HeldEnvironment,
  type HeldLog,
  holding,
  isEnvironment,
  recorded,
  withKillsOf,
} from './held-log.ts'
import type { Source } from './live.ts'
import type { LiveMetrics } from './metrics.ts'
import type { Signal } from './signal.ts'

/** Who is told of every swap, at once and in order. */
export type Watcher = {
  /**
   * `before` undefined: new here. `delta` undefined: taken whole, or, at the same revision, other kills are known that
   * have none.
   */
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
  /** Kills that have no revision: some more by flag, and the ids of some that are over. */
  pend(log: LogId, pending: Ruleset['pending'], ended: readonly string[]): void
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
  /** Makes sure that nothing newer is known of a log than what is held, before a log goes on in a new epoch. */
  readonly consult: (log: LogId) => Promise<void>
}

export function createHub(deps: HubDeps): Hub {
  const { store, signal, clock, conditions, metrics, watcher, consult } = deps
  const logs = new Map<LogId, HeldLog>()
  const catchUp = createCatchUp({
    store,
    clock,
    conditions,
    metrics,
    held: (log) => logs.get(log),
    adopt,
    absorb,
    confirm,
    drop,
    consult,
    tellOthers,
  })

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

  function pend(log: LogId, pending: Ruleset['pending'], ended: readonly string[]): void {
    const before = logs.get(log)
    if (before === undefined) return
    const state = withPending(before.state, pending, ended)
    const { endedKills } = before.state
    if (state.endedKills === endedKills && tagOf(state) === tagOf(before.state)) return
    const after = { ...before, state, compiled: before.compiled && advance(before.compiled, state) }
    logs.set(log, after)
    watcher.changed(after, before, undefined)
  }

  /**
   * 'held': the state that the delta leads to, or a newer one, is held now.
   * @param endedKills ids of kills that are over and of which the delta does not tell
   */
  function absorb(
    log: LogId,
    delta: Delta,
    provenance: Iterable<[number, Provenance]>,
    endedKills: readonly string[] = [],
  ): 'held' | 'base' | 'broken' {
    const before = logs.get(log)
    if (before === undefined) return 'base'
    if (compareStates(delta, before.state) <= 0) return 'held'
    const state = apply(before.state, delta)
    if ('refused' in state) return state.refused === 'base' || state.refused === 'epoch' ? 'base' : 'broken'
    const compiled = before.compiled && advance(before.compiled, state, delta)
    swap(before, holding(before.head, state, compiled, recorded(before, state, provenance)), delta)
    // On their own: whoever takes the delta alone has not heard of these.
    pend(log, {}, endedKills)
    return 'held'
  }

  function drop(log: LogId): void {
    const gone = logs.get(log)
    conditions.clear(subjectOf(log))
    catchUp.forget(log)
    if (gone === undefined) return
    logs.delete(log)
    watcher.closed(gone)
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

  /** Nothing is written to a log that went back before that goes on in a new epoch. */
  async function commitForward<R>(request: Omit<CommitRequest<R>, 'known'>): Promise<Committed<R>> {
    const attempt = () => store.commit<R>({ ...request, known: (log) => logs.get(log)?.state })
    try {
      return await attempt()
    } catch (cause) {
      if (!(cause instanceof WentBack)) throw cause
      try {
        await Promise.all(cause.logs.map(catchUp))
        return await attempt()
      } catch (again) {
        throw again instanceof Problem ? again : unavailable(again)
      }
    }
  }

  async function commit<R>(request: Omit<CommitRequest<R>, 'known'>): Promise<Committed<R>> {
    const committed = await commitForward(request)
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
    await Promise.allSettled(overtaken.map(([log]) => catchUp.persistently(log)))
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
    pend,
    drop,
  }
}

const unavailable = (cause: unknown) =>
  new Problem(
    'unavailable',
    'The database went back to an older state, and is being brought in line. Nothing was written; try again.',
    { retryAfter: 1, cause },
  )

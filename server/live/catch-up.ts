/**
 * Brings one held log to the store's state, single flight a log: by what is newer, else whole. Where the store is
 * found behind what was seen, the log goes on in a new epoch first. Hides rounds, races, and what was lost.
 */
import { compareStates, type Delta, type State } from '@halyard/sdk/core'
import { HALYARD, type LogId } from '../domain/change.ts'
import { knowsOfMoreKills, type Position, reopen, textOf } from '../domain/epochs.ts'
import type { Committed, Loaded, Newer, Provenance, Store } from '../store/store.ts'
import type { Conditions } from './conditions.ts'
import { type HeldLog, isNamed } from './held-log.ts'
import type { LiveMetrics } from './metrics.ts'
import { singleFlight } from './single-flight.ts'

export type CatchUp = {
  /** Rejects where the store fails; that is the log's condition, too. */
  (log: LogId): Promise<void>
  /** Once more, where the first read failed at once: it lost its connection, which says nothing of the next. */
  persistently(log: LogId): Promise<void>
  forget(log: LogId): void
}

export type CatchUpDeps = {
  readonly store: Pick<Store, 'newer' | 'load' | 'commit'>
  readonly clock: { now(): number }
  readonly conditions: Conditions
  readonly metrics: LiveMetrics
  readonly held: (log: LogId) => HeldLog | undefined
  readonly adopt: (loaded: Loaded) => void
  readonly absorb: (
    log: LogId,
    delta: Delta,
    provenance: Iterable<[number, Provenance]>,
    endedKills?: readonly string[],
  ) => 'held' | 'base' | 'broken'
  readonly confirm: (log: LogId) => void
  readonly drop: (log: LogId) => void
  /** Makes sure that nothing newer is known of a log than what is held. */
  readonly consult: (log: LogId) => Promise<void>
  readonly tellOthers: (committed: Committed<unknown>) => void
}

/** The condition's subject for a log. */
export const subjectOf = (log: LogId): string => `log ${log}`

/** A held state can move on while its catch-up is read; each round ends nearer to the store's, so few are needed. */
const MOST_ROUNDS = 8
const QUICKLY_MS = 250

export function createCatchUp(deps: CatchUpDeps): CatchUp {
  const { store, clock, conditions, metrics, held, adopt, absorb, confirm, drop, consult, tellOthers } = deps
  const flights = new Map<LogId, () => Promise<void>>()

  async function readNewer(log: LogId): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const { state } = held(log) ?? {}
      const newer = state && (await store.newer(log, state))
      if (state !== undefined && newer !== undefined && (await settle(log, state, newer))) return
      const stuck = newer === undefined || (newer.kind === 'delta' && held(log)?.state === state)
      if (stuck && (await loadWhole(log))) return
    }
    throw new Error('the held state did not come to fit what the store sends')
  }

  /** True where nothing is left to do. */
  async function settle(log: LogId, asked: State, newer: Newer): Promise<boolean> {
    switch (newer.kind) {
      case 'current':
        confirm(log)
        return true
      case 'closed':
        drop(log)
        return true
      case 'missing':
        leave(log)
        return true
      case 'reload':
        return take(newer.loaded, asked)
      case 'delta': {
        if (absorb(log, newer.delta, newer.provenance, newer.endedKills) !== 'held') return false
        conditions.clear(subjectOf(log))
        observe(newer)
        return true
      }
    }
  }

  /** A state read whole. False where it is behind what was seen before it was read, and another has to be read. */
  async function take(loaded: Loaded, seen: State): Promise<boolean> {
    if (compareStates(loaded.state, seen) >= 0 && !knowsOfMoreKills(loaded.state, seen)) {
      adopt(loaded)
      return true
    }
    await goForward(loaded.log, loaded)
    return false
  }

  /** The read may be late; whether the log is behind is decided under its lock. */
  async function goForward(log: LogId, found: Position): Promise<void> {
    await consult(log)
    const seen = held(log)?.state
    if (seen === undefined) return
    const lost = `${textOf(seen)} was seen of this log, and the database has ${textOf(found)}: an older backup was restored, or commits were lost`
    conditions.fail(subjectOf(log), 'the database went back; the log goes on in a new epoch', new Error(lost))
    const committed = await store.commit({
      scope: { path: [log] },
      actor: HALYARD,
      comment: `${lost}.`,
      edit: reopen(log, seen),
    })
    if (committed.result.opened) metrics.epochsOpened++
    tellOthers(committed)
  }

  /**
   * The log is not in the database, and was not closed: it came after the backup that was restored, or that is being
   * restored and is not whole yet. As long as anything names it, its absence is no truth.
   */
  function leave(log: LogId): void {
    const lost = held(log)
    if (lost !== undefined && isNamed(lost, held(lost.head.parent ?? ''))) {
      throw new Error('the database does not have this log: was an older backup restored?')
    }
    drop(log)
  }

  function observe({ delta, provenance }: Extract<Newer, { kind: 'delta' }>): void {
    const at = provenance.get(delta.revision)?.at
    if (at !== undefined) metrics.observePropagation(Math.max(0, clock.now() - at) / 1000)
  }

  /** Nothing is held, or the delta does not lead to the store's state: what is held is not what the store has there. */
  async function loadWhole(log: LogId): Promise<boolean> {
    // Compared with what was held before the load: a commit meanwhile is no going back.
    const before = held(log)
    const [loaded] = await store.load([log])
    if (loaded === undefined) {
      if (before === undefined) return true
      throw new Error('the log was there, and could not be read any more')
    }
    if (before !== undefined) return take(loaded, before.state)
    adopt(loaded)
    return true
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

  return Object.assign(catchUp, {
    /** A slow read is not waited for twice. */
    async persistently(log: LogId) {
      const from = clock.now()
      await catchUp(log).catch((cause: unknown) => {
        if (clock.now() - from > QUICKLY_MS) throw cause
        return catchUp(log)
      })
    },
    forget: (log: LogId) => void flights.delete(log),
  })
}

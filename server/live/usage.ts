/**
 * What apps tell of their evaluations, and what is evaluated here for those who cannot tell: kept in bounded memory
 * until it is saved, each batch once. Nothing of it is ever an error to an app: what has no room is dropped, and counted.
 */
import { randomUUID } from 'node:crypto'
import type { Decision, FlagKey } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import { Problem } from '../domain/problem.ts'
import type { Store, UsageBatch, UsageCount } from '../store/store.ts'
import type { Conditions } from './conditions.ts'
import type { Caller } from './key-uses.ts'
import type { LiveEnvironment } from './live.ts'
import type { LiveMetrics } from './metrics.ts'
import { singleFlight } from './single-flight.ts'
import { type Scope, sees } from './view.ts'

/** What an app counted. A variant that is null is the code default. */
export type Told = {
  /** A name that no other batch has; one that comes again under it is not counted again. */
  readonly batch: string
  readonly counts: readonly ToldCount[]
  readonly events: readonly (ToldCount & { readonly event: string; readonly sum: number })[]
}
type ToldCount = {
  readonly flag: FlagKey | null
  readonly variant: string | null
  readonly version: number | null
  /** Since the epoch. */
  readonly minute: number
  readonly count: number
}

export type Usage = {
  /** Takes an app's batch. What it says of flags that its key does not see is dropped. */
  take(environment: LiveEnvironment, scope: Scope, caller: Caller, told: Told): void
  /** One flag was evaluated here, for an app that does not count by itself. On a hot route: some map lookups. */
  evaluated(environment: LogId, caller: Caller, flag: FlagKey, decision: Decision): void
  /** A bulk answer was given: all flags were fetched, and who knows which are read. The same. */
  fetched(environment: LogId, scope: Scope, caller: Caller): void
  /** Saves what is here. Never rejects: a failure is a condition, and what has room is kept for the next time. */
  save(): Promise<void>
  /** What waits to be saved, in counts. */
  waiting(): number
}

export type UsageDeps = {
  readonly store: Pick<Store, 'saveUsage' | 'turnUsage'>
  readonly clock: { now(): number }
  readonly conditions: Conditions
  readonly metrics: Pick<LiveMetrics, 'usageBatches' | 'usageDropped'>
  /** Whether the store answered when it was last asked. */
  readonly storeAnswers: () => boolean
  /** For how many days counts are kept. */
  readonly retentionDays: number
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** An app's clock is believed that far, in minutes. */
const BEHIND = 60
const AHEAD = 5
/** Counts that wait for the store, at some 150 bytes each; and counts saved by one statement. */
export const MOST_WAITING = 100_000
const SAVED_AT_ONCE = 5_000
/** Callers whose evaluations are counted apart between two savings: whoever holds a public key can invent them. */
export const MOST_CALLERS = 10_000
/** Names that an environment's apps and events may have here in a day: whoever holds a public key can invent them. */
export const MOST_NAMES = 200
/** Counts before this many days have no room in the store any more. */
const ROOM_DAYS = 7

/** What one caller had evaluated here since the last saving. */
type Tally = {
  readonly environment: LogId
  readonly evaluated: Map<FlagKey, Map<Decision | undefined, number>>
  readonly fetched: Record<Scope, number>
}

export function createUsage(deps: UsageDeps): Usage {
  const { store, clock, conditions, metrics, storeAnswers, retentionDays } = deps
  const waiting = new Map<string, UsageBatch>()
  let tallies = new Map<Caller, Tally>()
  let names = new Map<string, Set<string>>()
  let room = MOST_WAITING
  let turned: number | undefined

  function tallyOf(environment: LogId, caller: Caller): Tally {
    const known = tallies.get(caller)
    if (known !== undefined) return known
    // A saving that takes long does not keep them all.
    if (tallies.size >= MOST_CALLERS) closeTallies()
    const tally: Tally = { environment, evaluated: new Map(), fetched: { server: 0, client: 0 } }
    tallies.set(caller, tally)
    return tally
  }

  /** Whether the name is one of those known here today, or there is room for another. */
  function admits(kind: 'app' | 'event', log: LogId, name: string): boolean {
    const place = `${kind} ${log}`
    const known = names.get(place) ?? new Set()
    names.set(place, known)
    if (known.has(name)) return true
    if (known.size >= MOST_NAMES) return false
    known.add(name)
    return true
  }

  function nameOf(log: LogId, { app, version }: Caller): { readonly app: string; readonly version: string } {
    return admits('app', log, `${app}\n${version}`) ? { app, version } : { app: '', version: '' }
  }

  function keep(batch: UsageBatch): void {
    const name = `${batch.log} ${batch.id}`
    if (batch.counts.length === 0 || waiting.has(name)) return
    if (batch.counts.length > room) {
      metrics.usageDropped.full += batch.counts.length
      return
    }
    room -= batch.counts.length
    waiting.set(name, batch)
  }

  function letGo(batches: readonly UsageBatch[]): void {
    for (const batch of batches) {
      waiting.delete(`${batch.log} ${batch.id}`)
      room += batch.counts.length
    }
  }

  /** What was evaluated here becomes batches like any other, so that it, too, counts once. */
  function closeTallies(): void {
    const minute = Math.floor(clock.now() / MINUTE_MS)
    const closed = tallies
    tallies = new Map()
    for (const [caller, { environment: log, evaluated, fetched }] of closed) {
      const counts: UsageCount[] = []
      for (const [flag, decisions] of evaluated) {
        for (const [decision, count] of decisions) {
          const version = decision?.metadata.version ?? 0
          const variant = decision?.variant ?? ''
          counts.push({ what: 'evaluated', name: '', flag, variant, version, minute, count, sum: 0 })
        }
      }
      for (const name of ['server', 'client'] as const) {
        const count = fetched[name]
        if (count > 0)
          counts.push({ what: 'fetched', name, flag: '', variant: '', version: 0, minute, count, sum: 0 })
      }
      keep({ log, id: randomUUID(), ...nameOf(log, caller), counts })
    }
  }

  function* portions(): Generator<readonly UsageBatch[]> {
    let portion: UsageBatch[] = []
    let size = 0
    for (const batch of [...waiting.values()]) {
      if (size > 0 && size + batch.counts.length > SAVED_AT_ONCE) {
        yield portion
        portion = []
        size = 0
      }
      portion.push(batch)
      size += batch.counts.length
    }
    if (size > 0) yield portion
  }

  async function turnOver(): Promise<void> {
    const day = Math.floor(clock.now() / DAY_MS)
    if (turned === day) return
    await store.turnUsage((day - retentionDays) * DAY_MS)
    turned = day
    names = new Map()
  }

  /** There is no room for what waited for days. */
  function dropLate(): void {
    const oldest = ((turned ?? 0) - Math.min(ROOM_DAYS, retentionDays)) * (DAY_MS / MINUTE_MS)
    for (const batch of [...waiting.values()]) {
      if (batch.counts.every(({ minute }) => minute >= oldest)) continue
      metrics.usageDropped.late += batch.counts.length
      letGo([batch])
    }
  }

  async function saveAll(): Promise<void> {
    closeTallies()
    if (!storeAnswers()) return
    try {
      await turnOver()
      dropLate()
      for (const portion of portions()) {
        try {
          await store.saveUsage(portion)
          letGo(portion)
        } catch (cause) {
          turned = undefined
          if (cause instanceof Problem) throw cause
          // What the database will never take must not stand in the way of the rest.
          metrics.usageDropped.refused += portion.reduce((sum, { counts }) => sum + counts.length, 0)
          letGo(portion)
          throw cause
        }
      }
      conditions.clear(SUBJECT)
    } catch (cause) {
      conditions.fail(SUBJECT, 'it could not be saved; it is kept here while there is room', cause)
    }
  }

  return {
    take(environment, scope, caller, { batch, counts, events }) {
      const { id: log, compiled, state } = environment
      const now = Math.floor(clock.now() / MINUTE_MS)
      const taken: UsageCount[] = []
      const add = (told: ToldCount, what: 'evaluated' | 'event', name: string, sum: number): void => {
        const flag = told.flag === null ? undefined : compiled.flags.get(told.flag)
        const variant = told.variant ?? ''
        const known = flag !== undefined && sees(scope, flag) && hasVariant(environment, flag.key, variant)
        if (!known || (what === 'event' && !admits('event', log, name))) {
          metrics.usageDropped.unknown++
          return
        }
        const version = told.version !== null && told.version <= state.revision ? told.version : 0
        const minute = Math.min(Math.max(told.minute, now - BEHIND), now + AHEAD)
        taken.push({ what, name, flag: flag.key, variant, version, minute, count: told.count, sum })
      }
      for (const told of counts) add(told, 'evaluated', '', 0)
      for (const told of events) add(told, 'event', told.event, told.sum)
      metrics.usageBatches++
      keep({ log, id: batch, ...nameOf(log, caller), counts: taken })
    },
    evaluated(environment, caller, flag, decision) {
      const { evaluated } = tallyOf(environment, caller)
      let decisions = evaluated.get(flag)
      if (decisions === undefined) {
        decisions = new Map()
        evaluated.set(flag, decisions)
      }
      // Failures are made anew each time, and would all be kept.
      const key = decision.errorCode === undefined ? decision : undefined
      decisions.set(key, (decisions.get(key) ?? 0) + 1)
    },
    fetched(environment, scope, caller) {
      tallyOf(environment, caller).fetched[scope]++
    },
    save: singleFlight(saveAll),
    waiting: () => MOST_WAITING - room,
  }
}

const SUBJECT = 'usage'

function hasVariant({ state }: LiveEnvironment, flag: FlagKey, variant: string): boolean {
  if (variant === '') return true
  const definition = state.entries.get('flag')?.get(flag)?.definition as
    | { readonly variants?: unknown }
    | undefined
  const variants = definition?.variants
  return typeof variants === 'object' && variants !== null && Object.hasOwn(variants, variant)
}

/**
 * Keeps every log's newest state on every shelf: soon after a change, at most about once a second a log, and again
 * where a shelf has lost it. Large logs are kept less often, so that this never takes more than a tenth of the time.
 */
import { type State, tagOf } from '@halyard/sdk/core'
import type { LogId } from '../../domain/change.ts'
import type { Loaded } from '../../store/store.ts'
import type { HeldLog } from '../held-log.ts'
import type { LiveMetrics } from '../metrics.ts'
import { garbage, seal, unseal } from './form.ts'
import type { Found } from './newest.ts'
import type { Reports } from './reports.ts'
import { markOf, nameOf, type Shelf } from './shelf.ts'

export type Keeper = {
  /** Begins to look after the shelves; again, it hears what is on them. @param found what is on them already */
  start(found: readonly Found[]): void
  changed(log: LogId): void
  /** The log is no more, and neither is its snapshot. */
  closed(log: LogId): void
  /** Keeps what was not kept yet, for as long as a process that stops may take, and ends. */
  close(): Promise<void>
}

export type KeeperDeps = {
  readonly shelves: readonly Shelf[]
  readonly key: Buffer
  readonly logs: () => ReadonlyMap<LogId, HeldLog>
  readonly reports: Reports
  readonly metrics: LiveMetrics
  readonly random: () => number
  /** A shelf has a newer state than this process, and it is to be believed. */
  readonly onNewer: (loaded: Loaded, from: Shelf['name']) => void
  readonly pace?: Partial<Pace>
}

/** In milliseconds, but for `rest`. */
export type Pace = {
  /** From a change to its being kept, so that a burst of changes is kept once. */
  readonly soon: number
  /** Between two times that a log is kept, at least. */
  readonly apart: number
  /** Between two looks at what shelves have. */
  readonly look: number
  /** What the end may take. */
  readonly end: number
  /** How many times as long as keeping a log took it then rests: at 10, one that took a second is kept again in ten. */
  readonly rest: number
}
const PACE: Pace = { soon: 100, apart: 1_000, look: 2_000, end: 2_000, rest: 10 }

/** A shelf as this process knows it: of each log, which state it has. `down`: it failed, and was not seen to work since. */
type Known = { readonly shelf: Shelf; readonly has: Map<LogId, Kept>; down: boolean }
type Kept = { readonly version: string; readonly mark: string }

export function createKeeper(deps: KeeperDeps): Keeper {
  const { key, logs, reports, metrics, random, onNewer } = deps
  const pace = { ...PACE, ...deps.pace }
  const known = deps.shelves.map((shelf): Known => ({ shelf, has: new Map(), down: false }))
  /** When each log is to be kept, on the monotonic clock. */
  const due = new Map<LogId, number>()
  const restsUntil = new Map<LogId, number>()
  let timer: NodeJS.Timeout | undefined
  let looking: NodeJS.Timeout | undefined
  let working: Promise<void> | undefined
  let started = false
  let closing = false

  function want(log: LogId): void {
    if (closing || known.length === 0 || due.has(log)) return
    due.set(log, Math.max(performance.now() + pace.soon * random(), restsUntil.get(log) ?? 0))
    wake()
  }

  function wake(): void {
    if (working !== undefined || due.size === 0 || closing) return
    clearTimeout(timer)
    const first = Math.min(...due.values())
    timer = setTimeout(() => void work(), Math.max(0, first - performance.now()))
  }

  /** One log after another: what is kept is never more than one log ahead in memory. */
  function work(everything = false): Promise<void> {
    working ??= (async () => {
      for (const [log, at] of [...due]) {
        if (!everything && at > performance.now()) continue
        due.delete(log)
        await keep(log)
      }
    })().finally(() => {
      working = undefined
      wake()
    })
    return working
  }

  async function keep(log: LogId): Promise<void> {
    const held = logs().get(log)
    if (held === undefined) return
    const lacking = known.filter(({ has, down }) => !down && has.get(log)?.version !== versionOf(held.state))
    if (lacking.length === 0) return
    const began = performance.now()
    rest(log, began + pace.apart)
    try {
      const bytes = await seal(held, key)
      await Promise.all(lacking.map((one) => putOn(one, held, bytes)))
      metrics.snapshotsKept++
    } catch (cause) {
      reports.notMade(log, cause)
    }
    rest(log, began + pace.rest * (performance.now() - began))
  }

  /** It may have changed again meanwhile. */
  function rest(log: LogId, until: number): void {
    restsUntil.set(log, Math.max(until, restsUntil.get(log) ?? 0))
    if (due.has(log)) due.set(log, Math.max(due.get(log) ?? 0, restsUntil.get(log) ?? 0))
  }

  async function putOn(one: Known, held: HeldLog, bytes: Buffer): Promise<void> {
    const { shelf, has } = one
    const name = nameOf(held.id)
    try {
      if ((await shelf.put(name, bytes)) === 'newer-there' && !(await believed(shelf, name))) {
        await shelf.remove(name)
        await shelf.put(name, bytes)
      }
      has.set(held.id, keptOf(held.state))
      reports.kept(shelf, name)
      // Closed while it was written.
      if (!logs().has(held.id)) await shelf.remove(name)
    } catch (cause) {
      failed(one, cause)
    }
  }

  /** Another instance was sooner; or somebody put there what must not stay. */
  async function believed(shelf: Shelf, name: string): Promise<boolean> {
    const bytes = await shelf.get(name)
    if (bytes === undefined) return false
    try {
      onNewer(await unseal(name, bytes, key), shelf.name)
      return true
    } catch (cause) {
      reports.refused(shelf, name, cause)
      return false
    }
  }

  /** What is on it is not known any more. */
  function failed(one: Known, cause: unknown): void {
    one.down = true
    one.has.clear()
    reports.fails(one.shelf, cause)
  }

  async function look(): Promise<void> {
    await Promise.all(known.map(lookAt))
    const now = performance.now()
    for (const [log, until] of restsUntil) if (until < now) restsUntil.delete(log)
    looking = closing ? undefined : setTimeout(() => void look(), pace.look * (0.8 + 0.4 * random()))
  }

  async function lookAt(one: Known): Promise<void> {
    try {
      const names = new Set(await one.shelf.names())
      for (const log of one.has.keys()) if (!names.has(nameOf(log))) one.has.delete(log)
      await lookAtMarks(one)
    } catch (cause) {
      failed(one, cause)
      return
    }
    if (!one.down) reports.works(one.shelf)
    one.down = false
    for (const [log, { state }] of logs()) if (one.has.get(log)?.version !== versionOf(state)) want(log)
  }

  /** What was kept may be gone again under its name, or something else, or an older one, be in its place. */
  async function lookAtMarks({ shelf, has }: Known): Promise<void> {
    const kept = [...has]
    const marks = await shelf.marks?.(kept.map(([log]) => nameOf(log)))
    for (const [index, mark] of (marks ?? []).entries()) {
      const [log, one] = kept[index] ?? []
      // Kept anew meanwhile, or still there: another instance may have put a newer one in its place.
      if (log === undefined || one === undefined || has.get(log) !== one) continue
      if (mark !== undefined && mark >= one.mark) continue
      has.delete(log)
      if (mark === '') reports.refused(shelf, nameOf(log), garbage())
      else if (mark !== undefined) reports.older(shelf, nameOf(log))
    }
  }

  return {
    start(found) {
      for (const { loaded, on } of found) {
        for (const { shelf, has } of known) {
          if (on.includes(shelf)) has.set(loaded.log, keptOf(loaded.state))
        }
      }
      if (!started) void look()
      started = true
    },
    changed: want,
    closed(log) {
      due.delete(log)
      for (const one of known) {
        one.has.delete(log)
        one.shelf.remove(nameOf(log)).catch((cause) => failed(one, cause))
      }
    },
    async close() {
      clearTimeout(timer)
      clearTimeout(looking)
      closing = true
      const all = async (): Promise<void> => {
        await working
        await work(true)
      }
      let ended: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        ended = setTimeout(resolve, pace.end)
      })
      await Promise.race([all(), late])
      clearTimeout(ended)
    },
  }
}

const keptOf = (state: State): Kept => ({ version: versionOf(state), mark: markOf(state) })

/** Kills without a revision are part of it. */
function versionOf(state: State): string {
  return `${tagOf(state)} ${state.endedKills.size}`
}

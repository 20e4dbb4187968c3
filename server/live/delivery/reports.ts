/** Reports of how far a kill has come: now, when nothing is left to wait for, and kept for those who ask later. */
import { setMaxListeners } from 'node:events'
import type { State } from '@halyard/sdk/core'
import type { LogId } from '../../domain/change.ts'
import type { Store } from '../../store/store.ts'
import { pause } from '../../waiting.ts'
import type { Presence } from '../presence.ts'
import { isComplete, type KillReport, type KnownServer, reportOf } from './account.ts'
import { type Exchange, type KillName, READ_MS } from './exchange.ts'
import type { Position } from './roster.ts'

/** A kill that somebody asks about. */
export type AskedKill = KillName & {
  /** The state that it made; undefined for one that has no revision yet. */
  readonly at: Position | undefined
}

export type Reports = {
  /** With what is said in time. */
  now(asked: AskedKill): Promise<KillReport>
  /** The report when nothing is left to wait for, when the time is over, or this instance is about to end. */
  settled(asked: AskedKill, of: 'servers' | 'sdks', timeoutMs: number): Promise<KillReport>
  /** Keeps the report when all have applied the kill, or after a minute. */
  follow(asked: AskedKill & { readonly at: Position }): void
  /** One that was kept. Rejects with `Problem` `unavailable`. */
  kept(asked: KillName): Promise<{ readonly report: KillReport; readonly at: number } | undefined>
  /** Nobody is to be kept waiting any more. */
  leave(): void
  readonly leaving: boolean
  stop(): Promise<void>
}

export type ReportsDeps = {
  readonly presence: Pick<Presence, 'known' | 'own' | 'seen'>
  readonly held: (environment: LogId) => State | undefined
  /** Since when SDKs are counted here for a kill, epoch milliseconds; undefined where they are not. */
  readonly countedSince: (asked: KillName) => number | undefined
  /** What the instances account for. */
  readonly exchange: Pick<Exchange, 'own' | 'others'>
  readonly store: Pick<Store, 'saveKillReport' | 'killReport'>
  /** A report could not be kept. */
  readonly onLoss: (cause: unknown) => void
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

/** From one look at the others' accounts to the next: soon at first, later less often, milliseconds. */
const ASK_MS = { first: 25, most: 1_000, growth: 1.2 }
/** The first such time for who keeps a report and has nobody waiting: what was read since the kill, for its answer, will do. */
const KEEPER_ASKS_MS = 250
/** For so long all that were there before a kill count the SDKs for it, milliseconds. */
const COUNTED_MS = 300_000
/** How long a kill is followed before its report is kept as it is, milliseconds. */
const FOLLOWED_MS = 60_000
/** How often that is tried where the database does not take it, and for how long, milliseconds. */
const KEEP = { everyMs: 1_000, forMs: 600_000 }

export function createReports(deps: ReportsDeps): Reports {
  const { presence, held, countedSince, exchange, store, onLoss, clock } = deps
  const self = presence.own().id
  /** Kills whose report is to be kept, until it is. */
  const followed = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  // Each report that is waited for listens.
  setMaxListeners(0, stopping.signal)
  let leaving = false

  /**
   * @param everyone the instances that should be there, where that was asked before
   * @param maxAgeMs of what the others account for
   */
  async function report(
    { environment, kill, at }: AskedKill,
    withinMs: number,
    everyone?: readonly string[],
    maxAgeMs = 0,
  ): Promise<KillReport> {
    const [known, others] = await Promise.all([
      everyone ?? presence.known(Math.min(READ_MS, withinMs)),
      exchange.others(Math.min(READ_MS, withinMs), maxAgeMs),
    ])
    const said = [exchange.own({ environment, kill }), ...others]
    const since = countedSince({ environment, kill }) ?? 0
    const all = known.map((id): KnownServer => {
      if (id === self) return { id, serves: held(environment) }
      const { instance, firstAt = 0 } = presence.seen(id) ?? {}
      // Who was there before the kill counts SDKs for it: while that is not heard, nobody knows how many there are.
      const serves = firstAt > since || isLongAgo(since) ? instance?.environments[environment] : undefined
      return { id, serves, address: instance?.address }
    })
    return reportOf(environment, kill, at, all, said)
  }

  /** Others may have stopped counting already. */
  const isLongAgo = (since: number): boolean => clock.now() - since > COUNTED_MS

  async function settled(
    asked: AskedKill,
    of: 'servers' | 'sdks',
    timeoutMs: number,
    firstMs?: number,
  ): Promise<KillReport> {
    const until = performance.now() + timeoutMs
    const known = await presence.known(Math.min(READ_MS, timeoutMs / 2))
    let apartMs = firstMs ?? ASK_MS.first
    let maxAgeMs = firstMs ?? 0
    for (;;) {
      const found = await report(asked, Math.max(1, until - performance.now()), known, maxAgeMs)
      const left = until - performance.now()
      // Where nobody counts the SDKs, nobody will.
      const enough = isComplete(found, of) || (found.sdks.uncounted && isComplete(found, 'servers'))
      if (enough || left <= 0 || leaving) return found
      await pause(Math.min(apartMs, left), stopping.signal)
      maxAgeMs = apartMs / 2
      apartMs = Math.min(ASK_MS.most, apartMs * ASK_MS.growth)
    }
  }

  async function keep({ environment, kill, at }: AskedKill & { readonly at: Position }): Promise<void> {
    const found = await settled({ environment, kill, at }, 'sdks', FOLLOWED_MS, KEEPER_ASKS_MS)
    const report = { kill, revision: at.revision, report: JSON.stringify(found), at: clock.now() }
    const until = performance.now() + KEEP.forMs
    for (;;) {
      try {
        return await store.saveKillReport(environment, report)
      } catch (cause) {
        // The database may have gone since the kill.
        if (stopping.signal.aborted || performance.now() > until) throw cause
      }
      await pause(KEEP.everyMs, stopping.signal)
    }
  }

  return {
    now: (asked) => report(asked, READ_MS),
    settled: (asked, of, timeoutMs) => settled(asked, of, timeoutMs),
    follow(asked) {
      const name = `${asked.environment}/${asked.kill}`
      if (followed.has(name)) return
      const keeping = keep(asked)
        .catch(onLoss)
        .finally(() => followed.delete(name))
      followed.set(name, keeping)
    },
    async kept({ environment, kill }) {
      const kept = await store.killReport(environment, kill)
      return kept && { report: JSON.parse(kept.report) as KillReport, at: kept.at }
    },
    leave() {
      leaving = true
    },
    get leaving() {
      return leaving
    },
    async stop() {
      leaving = true
      stopping.abort()
      await Promise.all(followed.values())
    },
  }
}

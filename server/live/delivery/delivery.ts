/**
 * How far a kill has come: SDKs acknowledge what they applied to the instance that they speak to, and instances tell
 * each other what they know. A report says what was said, and names who has not said anything.
 */
import { compareStates, type Delta, type State } from '@halyard/sdk/core'
import type { LogId } from '../../domain/change.ts'
import type { Store } from '../../store/store.ts'
import type { LiveMetrics } from '../metrics.ts'
import type { Noticeboard } from '../noticeboard.ts'
import type { Presence } from '../presence.ts'
import type { EnvironmentAccount, KillReport, ServerAccount } from './account.ts'
import { createExchange, type KillName, type Named, TELL_AGAIN_MS } from './exchange.ts'
import { type KillWatch, watchKill } from './kill-watch.ts'
import { newKills } from './new-kills.ts'
import { type AskedKill, createReports } from './reports.ts'
import { type Caller, createRoster, type How, howOf, type Position, type Roster } from './roster.ts'

/** What an SDK says when it has applied a kill. */
export type Acknowledgement = Position & {
  /** Since it applied it, milliseconds: the window over which acknowledgements are spread does not count. */
  readonly afterMs: number
  /** Those that have no revision yet. */
  readonly kills: readonly string[]
}

export type Change = {
  readonly environment: LogId
  readonly after: State
  readonly before: State | undefined
  readonly delta: Delta | undefined
  /** Whether pages may get other answers by it; asked where it brings kills. */
  readonly exposed: () => boolean
}

export type Delivery = {
  start(): void
  /** A stream of this caller is open. @returns to be called at its end */
  opened(environment: LogId, caller: Caller, holds: Position | undefined): () => void
  /** It asked for the whole state, holding this one, with these kills that have no revision yet. */
  asked(environment: LogId, caller: Caller, holds: Position | undefined, kills?: readonly string[]): void
  /** In how many milliseconds a page should ask again, so that what it holds is known; undefined where that is not needed. */
  againMs(environment: LogId): number | undefined
  acknowledged(environment: LogId, caller: Caller, acknowledgement: Acknowledgement): void
  /** It has closed. */
  gone(environment: LogId, caller: Caller): void
  /** The environment's state was swapped. */
  changed(change: Change): void
  closed(environment: LogId): void
  /** Who speaks to this instance; undefined where nobody did yet. */
  roster(environment: LogId): Roster | undefined
  /** How many do, over all environments, by how they follow. */
  followers(): Readonly<Record<How, number>>
  /** How long the SDKs of an environment shall take to acknowledge a kill together, milliseconds. */
  windowMs(environment: LogId): number
  /**
   * How far a kill has come: now, or when that was last kept; undefined where neither is known. Rejects with `Problem`
   * `unavailable` where it would have to be read and cannot be.
   */
  told(asked: KillName): Promise<{ readonly report: KillReport; readonly at: number } | undefined>
  /** Keeps the report when all have applied the kill, or after a minute. */
  follow(asked: AskedKill): void
  /** The report when nothing is left to wait for, when the time is over, or this instance is about to end. */
  settled(asked: AskedKill, of: 'servers' | 'sdks', timeoutMs: number): Promise<KillReport>
  /** What this instance accounts for now, as it stands on the board. */
  account(): string
  /** This instance is about to end: nobody is to be kept waiting here any more. */
  leave(): void
  readonly leaving: boolean
  stop(): Promise<void>
}

export type DeliveryDeps = {
  /** Where instances tell each other; undefined where this one is alone. */
  readonly board: Noticeboard | undefined
  /** What the others account for where they are asked directly: nothing while the board can be relied on. */
  readonly direct: Pick<Noticeboard, 'all'>
  readonly presence: Pick<Presence, 'known' | 'own' | 'seen'>
  readonly held: (environment: LogId) => State | undefined
  /** Why an environment cannot be brought forward, where that is so. */
  readonly refusal: (environment: LogId) => string | undefined
  readonly store: Pick<Store, 'saveKillReport' | 'killReport'>
  /** A report could not be kept. */
  readonly onLoss: (cause: unknown) => void
  readonly metrics: Pick<LiveMetrics, 'acknowledgements' | 'observeKillApplied'>
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

/** A kill is watched for so long, milliseconds; so many of an environment, the newest, and as many that a start found. */
const WATCHED_MS = 600_000
const MOST_WATCHED = 50
/** Of those that come together, the first: so many stand for all. */
const MOST_TOGETHER = 10
/** For so long after a kill pages are asked what they hold, milliseconds. */
const PAGES_MS = 60_000
/** Acknowledgements that are taken a millisecond; the least and the most that they are spread over. */
const ACKS_A_MS = 20
const WINDOW = { least: 10, most: 2_000 }

type Watched = { readonly roster: Roster; kills: KillWatch[] }

export function createDelivery(deps: DeliveryDeps): Delivery {
  const { board, direct, presence, held, refusal, store, onLoss, metrics, clock } = deps
  const self = presence.own().id
  const environments = new Map<LogId, Watched>()
  let ticking: NodeJS.Timeout | undefined
  const exchange = createExchange({ board, direct, presence, account, clock })
  const reports = createReports({
    ...{ presence, exchange, held, store, onLoss, clock },
    countedSince: (asked) => watchOf(asked)?.since,
  })

  function of(environment: LogId): Watched {
    let watched = environments.get(environment)
    if (watched === undefined) {
      watched = { roster: createRoster(clock), kills: [] }
      environments.set(environment, watched)
    }
    return watched
  }

  function reached(
    { kills }: Watched,
    follower: Parameters<KillWatch['reached']>[0],
    from: Position,
    ids: readonly string[],
    afterMs: number | undefined,
  ): void {
    let any = false
    for (const watch of kills) {
      const named = ids.includes(watch.kill)
      if (!named && (watch.at === undefined || compareStates(from, watch.at) < 0)) continue
      const ms = clock.now() - (afterMs ?? 0) - watch.acceptedAt
      if (watch.reached(follower, ms, afterMs !== undefined))
        metrics.observeKillApplied(Math.max(0, ms) / 1_000)
      any = true
    }
    if (any) exchange.tell()
  }

  /** @param of counts the SDKs for that kill alone: each costs a look at all of them */
  function account(named: Named, of?: KillName): ServerAccount {
    const now = clock.now()
    const accounts = [...environments].flatMap(([environment, { roster, kills }]) => {
      const state = held(environment)
      if (state === undefined || (of !== undefined && of.environment !== environment)) return []
      const found = foundIn(state, kills)
      if (kills.length === 0 && found.length === 0) return []
      const reason = refusal(environment)
      const said: EnvironmentAccount = {
        epoch: state.epoch,
        revision: state.revision,
        ...(reason !== undefined && { refused: reason }),
        ...(found.length > 0 && { found }),
        kills: Object.fromEntries(
          kills
            .filter(({ kill }) => of === undefined || of.kill === kill)
            .map((watch) => [watch.kill, watch.account(roster, now, named.get(watch.kill))]),
        ),
      }
      return [[environment, said] as const]
    })
    return { server: self, at: now, environments: Object.fromEntries(accounts) }
  }

  function tick(): void {
    const now = clock.now()
    let any = false
    for (const watched of environments.values()) {
      watched.kills = watched.kills.filter(({ since }) => now - since < WATCHED_MS)
      watched.roster.prune(now, (follower) => watched.kills.some((watch) => watch.awaits(follower)))
      any ||= watched.kills.length > 0
    }
    for (const environment of environments.keys()) any ||= (held(environment)?.pending.size ?? 0) > 0
    if (any) exchange.look('now')
  }

  function windowMs(environment: LogId): number {
    const { size = 0 } = environments.get(environment)?.roster ?? {}
    return Math.round(Math.min(WINDOW.most, Math.max(WINDOW.least, size / ACKS_A_MS)))
  }

  const watchOf = ({ environment, kill }: KillName): KillWatch | undefined =>
    environments.get(environment)?.kills.find((one) => one.kill === kill)

  function follow(asked: AskedKill): void {
    const { environment, kill, at } = asked
    const watch = watchOf(asked)
    if (watch === undefined) return
    watch.promised = at === undefined
    if (at !== undefined) reports.follow({ environment, kill, at })
  }

  return {
    start() {
      ticking ??= setInterval(tick, TELL_AGAIN_MS).unref()
    },
    opened(environment, caller, holds) {
      const watched = of(environment)
      const { follower, close } = watched.roster.opened(caller, holds, clock.now())
      if (holds !== undefined) reached(watched, follower, holds, [], undefined)
      return close
    },
    asked(environment, caller, holds, kills = []) {
      const watched = of(environment)
      const follower = watched.roster.asked(caller, holds, clock.now())
      if (holds !== undefined) reached(watched, follower, holds, kills, undefined)
    },
    acknowledged(environment, caller, { epoch, revision, afterMs, kills }) {
      const watched = of(environment)
      const at = { epoch, revision }
      metrics.acknowledgements++
      const follower = watched.roster.asked(caller, at, clock.now())
      reached(watched, follower, at, kills, afterMs)
    },
    gone(environment, caller) {
      environments.get(environment)?.roster.gone(caller)
    },
    changed({ environment, after, before, delta, exposed }) {
      const ids = newKills(after, before, delta)
      // What is pending at a start is not new, and is accounted for all the same.
      const tells = ids.length > 0 || after.pending.size > 0
      const watched = tells ? of(environment) : environments.get(environment)
      if (watched === undefined) return
      const pages = ids.length > 0 && exposed()
      const watches = new Map(watched.kills.map((watch) => [watch.kill, watch]))
      const fresh: KillWatch[] = []
      for (const { id, at, acceptedAt } of ids) {
        const known = watches.get(id)
        if (known !== undefined) known.at ??= at
        else if (fresh.length < MOST_TOGETHER) fresh.push(watchKill(id, at, clock.now(), acceptedAt, pages))
        if (at !== undefined && known?.promised) follow({ environment, kill: id, at })
      }
      watched.kills = [...watched.kills, ...fresh].slice(-MOST_WATCHED)
      if (watched.kills.length === 0 && !tells) return
      exchange.tell()
      if (ids.length > 0) exchange.look('soon')
    },
    againMs(environment) {
      const now = clock.now()
      const asks = environments
        .get(environment)
        ?.kills.some(({ pages, since }) => pages && now - since < PAGES_MS)
      return asks ? windowMs(environment) : undefined
    },
    closed: (environment) => void environments.delete(environment),
    roster: (environment) => environments.get(environment)?.roster,
    followers() {
      const counts = { stream: 0, poll: 0, away: 0, elsewhere: 0 }
      for (const { roster } of environments.values()) {
        for (const follower of roster.all()) counts[howOf(follower)]++
      }
      return counts
    },
    windowMs,
    async told({ environment, kill }) {
      const watch = watchOf({ environment, kill })
      if (watch === undefined) return reports.kept({ environment, kill })
      return { report: await reports.now({ environment, kill, at: watch.at }), at: clock.now() }
    },
    follow,
    settled: reports.settled,
    account: () => JSON.stringify(exchange.own()),
    leave: reports.leave,
    get leaving() {
      return reports.leaving
    },
    async stop() {
      clearInterval(ticking)
      await Promise.all([exchange.stop(), reports.stop()])
    },
  }
}

/** Of kills without a revision those that nobody is counted for, the newest first, and of a group the first flag's. */
function foundIn({ pending }: State, watched: readonly KillWatch[]): readonly string[] {
  const counted = new Set(watched.map(({ kill }) => kill))
  return [...pending]
    .flatMap(([flag, kills]) => kills.map(({ id, at }) => ({ flag, id, at })))
    .filter(({ id }) => !counted.has(id))
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || (a.flag < b.flag ? -1 : 1))
    .slice(0, MOST_WATCHED)
    .map(({ id }) => id)
}

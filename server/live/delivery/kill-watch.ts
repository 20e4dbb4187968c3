/**
 * One kill, as this instance sees it arrive in the apps that are connected to it.
 */
import { compareStates } from '@halyard/sdk/core'
import { type EnvironmentAccount, MOST_WAITING } from './account.ts'
import { type Follower, type Position, type Roster, SILENT_MS, wasHere } from './roster.ts'

export type KillWatch = {
  readonly kill: string
  /** When it was held here, epoch milliseconds. */
  readonly since: number
  /** When it was accepted, epoch milliseconds: by the clock of the instance that did, where that is to be believed. */
  readonly acceptedAt: number
  /** The state that has it in its log; undefined for as long as there is none. */
  at: Position | undefined
  /** Its report is to be kept as soon as the log has it. */
  promised: boolean
  /**
   * That follower says that it applied it, or holds a state which has it.
   * @param ms since the kill was accepted
   * @param told it acknowledges it, wherever its stream is
   * @returns whether that is new, and the follower one that was there when it was killed
   */
  reached(follower: Follower, ms: number, told: boolean): boolean
  awaits(follower: Follower): boolean
  /** Whether pages are to say that they have it. */
  readonly pages: boolean
  /** @param sought whom other instances name */
  account(
    roster: Roster,
    now: number,
    sought: ReadonlySet<string> | undefined,
  ): EnvironmentAccount['kills'][string]
}

/** Names of those that may be counted elsewhere too. */
const MOST_NAMED = 10_000
const MOST_POLLERS = 2_000
/** Clocks of instances that differ by more than this are not compared, milliseconds. */
const BELIEVED_MS = 10_000

/**
 * @param kill its id
 * @param at the state that has it
 * @param since now, epoch milliseconds
 * @param acceptedAt as the kill itself says, epoch milliseconds
 * @param pages whether it can change what pages see; else nobody waits for them
 */
export function watchKill(
  kill: string,
  at: Position | undefined,
  since: number,
  acceptedAt: number,
  pages: boolean,
): KillWatch {
  // Weak: one that has gone is held by nobody.
  const confirmed = new WeakSet<Follower>()
  const latencies: Record<string, number> = {}
  /** It is this instance's to count. */
  const here = (follower: Follower): boolean => wasHere(follower, since) && (pages || !follower.page)
  /** Another instance may count it too: it has no stream here now, or was elsewhere shortly before the kill or since. */
  const mayMove = ({ streams, movedAt }: Follower): boolean => streams === 0 || movedAt > since - SILENT_MS

  const watch: KillWatch = {
    kill,
    since,
    acceptedAt: Math.abs(since - acceptedAt) < BELIEVED_MS ? acceptedAt : since,
    at,
    promised: false,
    pages,
    reached(follower, ms, told) {
      if (confirmed.has(follower)) return false
      confirmed.add(follower)
      if (!here(follower) && !(told && follower.elsewhereAt < Number.POSITIVE_INFINITY)) return false
      // Of one that asks now and then it is not known since when it has it.
      if (!follower.streamed && !told) return false
      const rounded = String(Number(Math.max(0, ms).toPrecision(2)))
      latencies[rounded] = (latencies[rounded] ?? 0) + 1
      return true
    },
    awaits: (follower) => here(follower) && !has(follower),
    account(roster, now, sought) {
      const shared = (follower: Follower): boolean =>
        mayMove(follower) || sought?.has(follower.instance) === true
      let known = 0
      let applied = 0
      const waiting: Follower[] = []
      const arrived: string[] = []
      const closed = roster.departed(since).slice(0, MOST_NAMED)
      const moved = [...closed]
      const name = (names: string[], { instance }: Follower): void => {
        if (names.length < MOST_NAMED) names.push(instance)
      }
      const pollers = { known: 0, applied: 0, worstCaseMs: 0, has: [] as string[], waits: [] as string[] }
      for (const follower of roster.all()) {
        const { streamed, elsewhereAt, everyMs, page } = follower
        const applies = has(follower)
        // Who has asked once may be about to open a stream, here or elsewhere.
        const polls = (everyMs > 0 || page) && elsewhereAt === Number.POSITIVE_INFINITY
        if (!here(follower) || !(streamed || polls)) {
          if (applies && follower.movedAt > 0) name(arrived, follower)
        } else if (streamed) {
          known++
          if (applies) applied++
          else waiting.push(follower)
          if (applies && shared(follower)) name(moved, follower)
        } else {
          pollers.known++
          if (applies) pollers.applied++
          if (pollers.known <= MOST_POLLERS) pollers[applies ? 'has' : 'waits'].push(follower.instance)
          pollers.worstCaseMs = Math.max(pollers.worstCaseMs, everyMs)
        }
      }
      const named = waiting.sort((a, b) => a.heardAt - b.heardAt).slice(0, MOST_WAITING)
      for (const follower of named) if (follower.streams > 0 && shared(follower)) name(moved, follower)
      const shows = named.map((follower) => shown(follower, now))
      return { sdks: { known, applied, waiting: shows, latencies, arrived, moved, closed }, pollers }
    },
  }

  function has(follower: Follower): boolean {
    return confirmed.has(follower) || (watch.at !== undefined && compareStates(follower, watch.at) >= 0)
  }
  return watch
}

function shown(follower: Follower, now: number) {
  const { app, version, instance, epoch, revision, heardAt, streams } = follower
  const silentMs = Math.max(0, now - heardAt)
  return { app, version, instance, epoch, revision, silentMs, ...(streams === 0 && { away: true as const }) }
}

/**
 * From which rung a process serves: the store's own state, or where the store does not answer soon, that of the
 * newest snapshots; where there is none either, it is up and serves nobody yet. Hides the order in which they are asked.
 */
import { SYSTEM } from '../domain/change.ts'
import type { Log } from './conditions.ts'
import type { Hub } from './hub.ts'
import type { LiveMetrics } from './metrics.ts'
import type { Poll } from './poll.ts'
import type { Snapshots } from './snapshots/snapshots.ts'

export type Ladder = {
  /** Resolves when the store has answered, or at `stop`. */
  start(prepare: () => Promise<void>): Promise<void>
  /** Whether what is held is fit to be served. */
  serves(): boolean
  stop(): void
}

export type LadderDeps = {
  readonly hub: Pick<Hub, 'held' | 'logs'>
  readonly poll: Pick<Poll, 'start' | 'loaded'>
  readonly snapshots: Pick<Snapshots, 'take'>
  readonly metrics: LiveMetrics
  readonly log: Log
  /** Whether all is held that the logs which are held name. */
  readonly whole: () => boolean
  /** From 0 up to 1. */
  readonly random: () => number
}

/** For how long the store is waited for before snapshots are served, milliseconds. */
const PATIENCE_MS = 1_000
/** From one look for snapshots to the next, while some are missing: later each time; as much again comes on top, by chance. */
const LOOK_AGAIN_MS = { first: 1_000, most: 30_000 }

export function createLadder({ hub, poll, snapshots, metrics, log, whole, random }: LadderDeps): Ladder {
  let found = false
  let impatient = false
  let stopped = false
  let waiting: NodeJS.Timeout | undefined
  let looking: NodeJS.Timeout | undefined
  let pauseMs = LOOK_AGAIN_MS.first

  const isMissing = (): boolean => !poll.loaded && (hub.held(SYSTEM) === undefined || !whole())

  async function look(): Promise<void> {
    await snapshots.take()
    const source = hub.held(SYSTEM)?.source
    found = source !== undefined && source !== 'database'
    if (found) log.info({ logs: hub.logs().size }, 'snapshots were read')
    if (isMissing()) lookLater()
  }

  /**
   * Whoever starts with everything away gets up with what comes back first, which may be Redis; and what others are still
   * putting there is found a moment later.
   */
  function lookLater(): void {
    if (stopped) return
    looking = setTimeout(
      () => {
        if (!stopped && isMissing()) void look()
      },
      pauseMs * (1 + random()),
    ).unref()
    pauseMs = Math.min(LOOK_AGAIN_MS.most, 2 * pauseMs)
  }

  return {
    async start(prepare) {
      waiting = setTimeout(() => {
        impatient = true
      }, PATIENCE_MS)
      // First, so that nobody is served a state from before the newest that this process knows of.
      await look()
      await poll.start(prepare)
      clearTimeout(waiting)
    },
    serves() {
      if (poll.loaded) return true
      return found && (impatient || metrics.pollFailures > 0)
    },
    stop() {
      stopped = true
      clearTimeout(waiting)
      clearTimeout(looking)
    },
  }
}

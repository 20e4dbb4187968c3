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
}

/** For how long the store is waited for before snapshots are served, milliseconds. */
const PATIENCE_MS = 1_000

export function createLadder({ hub, poll, snapshots, metrics, log }: LadderDeps): Ladder {
  let found = false
  let impatient = false
  let waiting: NodeJS.Timeout | undefined

  return {
    async start(prepare) {
      waiting = setTimeout(() => {
        impatient = true
      }, PATIENCE_MS)
      // First, so that nobody is served a state from before the newest that this process knows of.
      await snapshots.take()
      found = hub.held(SYSTEM) !== undefined
      if (hub.logs().size > 0) log.info({ logs: hub.logs().size }, 'snapshots were read')
      await poll.start(prepare)
      clearTimeout(waiting)
    },
    serves() {
      if (poll.loaded) return true
      return found && (impatient || metrics.pollFailures > 0)
    },
    stop: () => clearTimeout(waiting),
  }
}

/**
 * What is kept of every log outside of Postgres: read when the process begins, and kept up from then on. Composes;
 * hides shelves, signatures and pace.
 */
import type { LogId } from '../../domain/change.ts'
import type { Loaded } from '../../store/store.ts'
import type { Conditions } from '../conditions.ts'
import type { HeldLog } from '../held-log.ts'
import type { Source } from '../live.ts'
import type { LiveMetrics } from '../metrics.ts'
import { createKeeper, type KeeperDeps } from './keeper.ts'
import { findNewest } from './newest.ts'
import { createReports } from './reports.ts'
import { nameOf, type Shelf } from './shelf.ts'

export type SnapshotsConfig = {
  /** In the order in which they are believed to be newer: what instances share before what is this machine's own. */
  readonly shelves: readonly Shelf[]
  /** 32 bytes, for snapshots alone; the same on all instances. */
  readonly key: Buffer
  readonly pace?: KeeperDeps['pace']
}

export type Snapshots = {
  /** Hands out the newest snapshot of each log. Resolves when all are handed out; never rejects. */
  take(): Promise<void>
  /** Hands out what is on the shelves of one log, where that is newer than what is held. Never rejects. */
  consult(log: LogId): Promise<void>
  changed(log: LogId): void
  closed(log: LogId): void
  close(): Promise<void>
}

export function createSnapshots(
  config: SnapshotsConfig,
  deps: {
    readonly logs: () => ReadonlyMap<LogId, HeldLog>
    readonly adopt: (loaded: Loaded, source: Source) => void
    readonly conditions: Conditions
    readonly metrics: LiveMetrics
    readonly random: () => number
  },
): Snapshots {
  const { logs, adopt, conditions, metrics, random } = deps
  const { shelves, key, pace = {} } = config
  const reports = createReports(conditions, metrics)
  const keeper = createKeeper({ shelves, key, logs, reports, metrics, random, pace, onNewer: adopt })
  return {
    async take() {
      const found = await findNewest(shelves, key, reports)
      keeper.start(found)
      for (const { loaded, on } of found) adopt(loaded, on[0].name)
    },
    async consult(log) {
      // What is older than what is held is no wonder while this process serves.
      const found = await findNewest(shelves, key, { ...reports, older: () => {} }, nameOf(log))
      for (const { loaded, on } of found) adopt(loaded, on[0].name)
    },
    changed: keeper.changed,
    closed: keeper.closed,
    close: keeper.close,
  }
}

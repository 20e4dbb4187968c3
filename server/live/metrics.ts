/** What this process counts. Plain numbers, so that whoever scrapes them chooses the library. */
import type { StreamRefusal } from './admission.ts'
import type { Durability } from './kills/kills.ts'
import type { BulkAnswer } from './live.ts'
import type { SnapshotRefusal } from './snapshots/reports.ts'

/** What this process has done since it began; plain numbers, read when they are scraped. */
export type LiveMetrics = {
  polls: number
  pollFailures: number
  catchUps: number
  catchUpFailures: number
  /** Logs that went on in a new epoch because the database went back. */
  epochsOpened: number
  /** Commits whose delta did not fit the held state, because another commit overtook them. */
  commitsOvertaken: number
  /** Frames serialised; with many streams far fewer than frames sent. */
  framesBuilt: number
  framesSent: number
  bytesSent: number
  streamsOpened: number
  /** Streams that were not let in, by reason. */
  readonly streamsRefused: Record<StreamRefusal, number>
  /** Streams ended because their peer did not read. */
  streamsDropped: number
  /** Streams ended because their key was revoked or has expired. */
  streamsRevoked: number
  /** Where the answers to bulk evaluations came from. */
  readonly bulkAnswers: Record<BulkAnswer['from'], number>
  evaluationCacheBytes: number
  /** Batches of apps that were taken. */
  usageBatches: number
  /**
   * Counts of apps that were dropped: they name what their key does not see, or too many names; there was no room; they
   * waited for days; the database does not take them.
   */
  readonly usageDropped: Record<'unknown' | 'full' | 'late' | 'refused', number>
  rulesetsBuilt: number
  /** Snapshots written, each to all shelves that lacked it. */
  snapshotsKept: number
  /** Shelves that failed, and snapshots that could not be made. */
  snapshotFailures: number
  /** Snapshots that were found and not believed, by why. */
  snapshotsRefused: Record<SnapshotRefusal, number>
  /** Called with the seconds from a change's commit elsewhere to its being held here; replace it to observe. */
  observePropagation: (seconds: number) => void
  /** Acknowledgements of SDKs that were taken. */
  acknowledgements: number
  /** Called with the seconds from a kill's acceptance to its being applied in an app; replace it to observe. */
  observeKillApplied: (seconds: number) => void
  /** Kills that were answered: where they were kept then, and whether all that were waited for had applied them. */
  readonly killsAnswered: Readonly<Record<Durability, Record<'complete' | 'partial', number>>>
}

export function createLiveMetrics(): LiveMetrics {
  return {
    polls: 0,
    pollFailures: 0,
    catchUps: 0,
    catchUpFailures: 0,
    epochsOpened: 0,
    commitsOvertaken: 0,
    framesBuilt: 0,
    framesSent: 0,
    bytesSent: 0,
    streamsOpened: 0,
    streamsRefused: { draining: 0, key: 0, pressure: 0, instance: 0, browsers: 0, rate: 0 },
    streamsDropped: 0,
    streamsRevoked: 0,
    bulkAnswers: { memory: 0, redis: 0, computed: 0, unchanged: 0 },
    evaluationCacheBytes: 0,
    usageBatches: 0,
    usageDropped: { unknown: 0, full: 0, late: 0, refused: 0 },
    rulesetsBuilt: 0,
    snapshotsKept: 0,
    snapshotFailures: 0,
    snapshotsRefused: { garbage: 0, forged: 0, misplaced: 0, unreadable: 0, older: 0 },
    observePropagation: () => {},
    acknowledgements: 0,
    observeKillApplied: () => {},
    killsAnswered: {
      postgres: { complete: 0, partial: 0 },
      'journal+redis': { complete: 0, partial: 0 },
      journal: { complete: 0, partial: 0 },
    },
  }
}

/** What this process counts. Plain numbers, so that whoever scrapes them chooses the library. */
import type { LiveMetrics } from './live.ts'

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

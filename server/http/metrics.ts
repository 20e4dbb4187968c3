/**
 * What Prometheus scrapes. Labels come from closed sets (endpoints, statuses, problem types, kinds): no key of a
 * user's ever becomes a series. Hot routes count plain numbers, which are read when they are scraped.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Live } from '../live/live.ts'
import type { LiveMetrics } from '../live/metrics.ts'
import type { LimitCounts } from './limits.ts'

export type Metrics = {
  readonly registry: Registry
  /** A management request was answered. `seconds`: from its arrival. */
  answered(endpoint: string, status: number, seconds: number): void
  problem(type: string): void
  secretInBrowser(): void
  /** Evaluations answered, by route and outcome. */
  readonly evaluations: { single: number; bulk: number; notModified: number; refused: number }
  readonly rulesets: { sent: number; notModified: number }
  /** Refused by a limit. */
  readonly limited: LimitCounts
}

/** Growing numbers of the live room, and what they are. */
const COUNTED: Readonly<Partial<Record<keyof LiveMetrics, readonly [string, string]>>> = {
  polls: ['polls_total', 'Looks at the store’s revisions'],
  pollFailures: ['poll_failures_total', 'Looks that failed'],
  catchUps: ['catch_ups_total', 'States read from the store after another instance wrote'],
  catchUpFailures: ['catch_up_failures_total', 'Such reads that failed'],
  epochsOpened: ['epochs_opened_total', 'Logs that went on in a new epoch because the database went back'],
  commitsOvertaken: ['commits_overtaken_total', 'Commits that another commit overtook'],
  framesBuilt: ['stream_frames_built_total', 'Frames serialised'],
  framesSent: ['stream_frames_sent_total', 'Frames written to streams'],
  bytesSent: ['stream_bytes_total', 'Bytes written to streams'],
  streamsOpened: ['streams_opened_total', 'Streams that were let in'],
  streamsDropped: ['streams_dropped_total', 'Streams ended because their peer did not read'],
  streamsRevoked: ['streams_revoked_total', 'Streams ended because their key ended'],
  rulesetsBuilt: ['rulesets_built_total', 'Rulesets serialised and compressed'],
  acknowledgements: [
    'acknowledgements_total',
    'Acknowledgements of SDKs: of kills, and when they were asked',
  ],
  usageBatches: ['usage_batches_total', 'Batches of evaluation counts that apps sent'],
  snapshotsKept: ['snapshots_kept_total', 'Snapshots of logs written'],
  snapshotFailures: ['snapshot_failures_total', 'Failures to read or write snapshots'],
}

export function createMetrics(live: Live): Metrics {
  const registry = new Registry()
  const registers = [registry]
  // Event loop lag, memory, garbage collection, handles.
  collectDefaultMetrics({ register: registry })

  const evaluations = { single: 0, bulk: 0, notModified: 0, refused: 0 }
  const rulesets = { sent: 0, notModified: 0 }
  const limited = { management: 0, kills: 0, evaluations: 0, 'unknown-keys': 0 }

  /** A counter that is read where it is kept. */
  const read = (name: string, help: string, values: () => Readonly<Record<string, number>>, label?: string) =>
    new Counter({
      name: `halyard_${name}`,
      help,
      registers,
      labelNames: label === undefined ? [] : [label],
      collect() {
        this.reset()
        for (const [kind, value] of Object.entries(values())) {
          if (label === undefined) this.inc(value)
          else this.inc({ [label]: kind }, value)
        }
      },
    })
  const gauge = (
    name: string,
    help: string,
    values: () => Readonly<Record<string, number>>,
    label?: string,
  ) =>
    new Gauge({
      name: `halyard_${name}`,
      help,
      registers,
      labelNames: label === undefined ? [] : [label],
      collect() {
        for (const [kind, value] of Object.entries(values())) {
          if (label === undefined) this.set(value)
          else this.set({ [label]: kind }, value)
        }
      },
    })

  for (const [field, [name, help] = ['', '']] of Object.entries(COUNTED)) {
    read(name, help, () => ({ value: live.metrics[field as keyof LiveMetrics] as number }))
  }
  read('streams_refused_total', 'Streams that were not let in', () => live.metrics.streamsRefused, 'reason')
  read('evaluations_total', 'OFREP evaluations answered', () => evaluations, 'outcome')
  read('limited_total', 'Requests refused because their caller asked too much', () => limited, 'limit')
  read(
    'snapshots_refused_total',
    'Snapshots that were found and not believed, by why',
    () => live.metrics.snapshotsRefused,
    'reason',
  )
  read('rulesets_total', 'Rulesets asked for', () => rulesets, 'outcome')
  read(
    'usage_dropped_total',
    'Evaluation counts of apps that were dropped, by why',
    () => live.metrics.usageDropped,
    'reason',
  )
  gauge('usage_waiting', 'Evaluation counts that wait to be saved', () => ({ value: live.usage.waiting() }))
  read(
    'bulk_answers_total',
    'Bulk evaluations, by where the answer came from',
    () => live.metrics.bulkAnswers,
    'from',
  )
  gauge('evaluation_cache_bytes', 'Bytes of cached bulk evaluations', () => ({
    value: live.metrics.evaluationCacheBytes,
  }))
  read(
    'shed_total',
    'Requests refused because this instance had more to do than it could',
    () => live.pressure.shed,
    'class',
  )
  gauge(
    'pressure',
    '0: nothing is refused for it; 1: telemetry; 2: new streams; 3: answers to who has one',
    () => ({
      value: live.pressure.level,
    }),
  )
  gauge('streams', 'Streams open now', () => live.streams(), 'kind')
  gauge(
    'followers',
    'Processes that follow an environment: by a stream here, by polls, away (their stream ended without a word), or elsewhere (another instance has their stream)',
    () => live.delivery.followers(),
    'how',
  )
  new Counter({
    name: 'halyard_kills_answered_total',
    help: 'Kills answered, by whether all that were waited for had applied them, and by where they were kept',
    labelNames: ['outcome', 'durability'],
    registers,
    collect() {
      this.reset()
      for (const [durability, outcomes] of Object.entries(live.metrics.killsAnswered)) {
        for (const [outcome, count] of Object.entries(outcomes)) this.inc({ outcome, durability }, count)
      }
    },
  })
  gauge('ready', '1 where this instance is ready', () => ({ value: live.status().ready ? 1 : 0 }))
  gauge('store_up', '1 where the database answered when it was last asked', () => ({
    value: live.status().store.ok ? 1 : 0,
  }))
  const { redis } = live
  if (redis !== undefined) {
    gauge('redis_up', '1 where Redis works', () => ({ value: live.status().redis?.ok ? 1 : 0 }))
    read('redis_commands_total', 'Commands sent to Redis that somebody waits for', () => ({
      value: redis.commands,
    }))
    read(
      'redis_failures_total',
      'Commands to Redis that failed',
      () => ({
        late: redis.timeouts,
        refused: redis.failures - redis.timeouts,
      }),
      'how',
    )
  }
  gauge(
    'environments',
    'Environments held, by health',
    () => {
      const { environments } = live.status()
      const ok = environments.filter((environment) => environment.ok).length
      return { ok, failing: environments.length - ok }
    },
    'health',
  )
  gauge(
    'environments_by_source',
    'Environments held, by where their state was read from',
    () => {
      const counts = { database: 0, redis: 0, disk: 0 }
      for (const { source } of live.status().environments) if (source !== undefined) counts[source]++
      return counts
    },
    'source',
  )
  gauge('flags_in_error', 'Flags that answer PARSE_ERROR, over all environments', () => ({
    value: live.status().environments.reduce((sum, { flagsInError }) => sum + flagsInError.length, 0),
  }))

  const propagation = new Histogram({
    name: 'halyard_propagation_seconds',
    help: 'From a change’s commit on another instance to its being held here',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15],
    registers,
  })
  live.metrics.observePropagation = (seconds) => propagation.observe(seconds)

  const killsApplied = new Histogram({
    name: 'halyard_kill_applied_seconds',
    help: 'From a kill’s acceptance to its being applied in an app, as apps acknowledge it',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60],
    registers,
  })
  live.metrics.observeKillApplied = (seconds) => killsApplied.observe(seconds)

  const durations = new Histogram({
    name: 'halyard_management_request_seconds',
    help: 'Management requests, by endpoint and status',
    labelNames: ['endpoint', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  })
  const problems = new Counter({
    name: 'halyard_problems_total',
    help: 'Problems answered, by type',
    labelNames: ['type'],
    registers,
  })
  const secrets = new Counter({
    name: 'halyard_secret_keys_in_browsers_total',
    help: 'Server and management keys that a browser sent',
    registers,
  })

  return {
    registry,
    evaluations,
    rulesets,
    limited,
    answered: (endpoint, status, seconds) => durations.observe({ endpoint, status: String(status) }, seconds),
    problem: (type) => problems.inc({ type }),
    secretInBrowser: () => secrets.inc(),
  }
}

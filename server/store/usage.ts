/**
 * What apps told of their evaluations: counts by the minute, in a table a day, and when each flag was read last. Any
 * number of instances add to them; a batch counts once, whoever saves it and however often.
 */
import { sql } from 'drizzle-orm'
import type { LogId } from '../domain/change.ts'
import { type Db, statement, value } from './database.ts'
import type { FlagRead, FlagUsage, UsageBatch, UsageCount, UsageQuery, UsageSum } from './store.ts'

const MINUTE_MS = 60_000
/** A batch that comes again later than this is counted again: who sends them gives up long before. */
const BATCHES_KEPT_MS = 3 * 3_600_000

const column = (name: string, type: string) => value(name, `${type}[]`)

// In the order of their primary keys, so that two instances that save at once do not wait for each other in a circle.
const save = statement(
  'halyard_save_usage',
  sql`WITH fresh AS (
        INSERT INTO halyard_usage.batches (log_id, batch, at)
        SELECT log_id, batch, to_timestamp(${value('at', 'bigint')} / 1000.0)
        FROM unnest(${column('logs', 'text')}, ${column('batches', 'text')}) AS told (log_id, batch)
        ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING log_id, batch
      ), given AS (
        SELECT told.* FROM unnest(
          ${column('ofLogs', 'text')}, ${column('ofBatches', 'text')}, ${column('flags', 'text')},
          ${column('minutes', 'bigint')}, ${column('whats', 'text')}, ${column('names', 'text')},
          ${column('variants', 'text')}, ${column('versions', 'bigint')}, ${column('apps', 'text')},
          ${column('appVersions', 'text')}, ${column('counts', 'bigint')}, ${column('sums', 'double precision')}
        ) AS told (log_id, batch, flag, minute, what, name, variant, version, app, app_version, count, sum)
        JOIN fresh USING (log_id, batch)
      ), added AS (
        INSERT INTO halyard_usage.counts
          (log_id, flag, minute, what, name, variant, version, app, app_version, count, sum)
        SELECT log_id, flag, to_timestamp(minute * 60), what, name, variant, version, app, app_version,
          sum(count), sum(sum)
        FROM given GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        ON CONFLICT (log_id, flag, minute, what, name, variant, version, app, app_version)
        DO UPDATE SET count = counts.count + excluded.count, sum = counts.sum + excluded.sum
      )
      INSERT INTO halyard.flag_reads AS known (log_id, flag, variant, app, version, first_at, last_at)
      SELECT log_id, flag, variant, app, app_version, to_timestamp(min(minute) * 60), to_timestamp(max(minute) * 60)
      FROM given WHERE what = 'evaluated' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
      ON CONFLICT (log_id, flag, variant, app, version) DO UPDATE SET
        first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at)
      WHERE known.first_at > excluded.first_at OR known.last_at < excluded.last_at`,
)

// A portion with each saving, so that there is never much to forget at once.
const forgetBatches = statement(
  'halyard_forget_batches',
  sql`DELETE FROM halyard_usage.batches WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM halyard_usage.batches
        WHERE at < to_timestamp(${value('before', 'bigint')} / 1000.0) ORDER BY at LIMIT 5000))`,
)

/** @param now epoch milliseconds */
export async function saveUsage(db: Db, batches: readonly UsageBatch[], now: number): Promise<void> {
  const rows = batches.flatMap((batch) => batch.counts.map((count) => ({ batch, count })))
  const of = <T>(value: (batch: UsageBatch, count: UsageCount) => T): readonly T[] =>
    rows.map(({ batch, count }) => value(batch, count))
  await save(db, {
    at: now,
    logs: batches.map(({ log }) => log),
    batches: batches.map(({ id }) => id),
    ofLogs: of(({ log }) => log),
    ofBatches: of(({ id }) => id),
    apps: of(({ app }) => app),
    appVersions: of(({ version }) => version),
    flags: of((_, { flag }) => flag),
    minutes: of((_, { minute }) => minute),
    whats: of((_, { what }) => what),
    names: of((_, { name }) => name),
    variants: of((_, { variant }) => variant),
    versions: of((_, { version }) => version),
    counts: of((_, { count }) => count),
    sums: of((_, { sum }) => sum),
  })
  await forgetBatches(db, { before: now - BATCHES_KEPT_MS })
}

const turn = statement(
  'halyard_turn_usage',
  sql`SELECT halyard_usage.turn(${value('today', 'date')}, ${value('oldest', 'date')})`,
)
const forgetReads = statement(
  'halyard_forget_reads',
  sql`DELETE FROM halyard.flag_reads AS old USING (
        SELECT log_id, flag, variant, max(last_at) AS newest FROM halyard.flag_reads GROUP BY 1, 2, 3
      ) AS known
      WHERE old.log_id = known.log_id AND old.flag = known.flag AND old.variant = known.variant
        AND old.last_at < known.newest
        AND old.last_at < to_timestamp(${value('before', 'bigint')} / 1000.0)`,
)

/**
 * @param now epoch milliseconds
 * @param oldest the same: days before this one are let go of
 */
export async function turnUsage(db: Db, now: number, oldest: number): Promise<void> {
  await turn(db, { today: dayOf(now), oldest: dayOf(oldest) })
  await forgetReads(db, { before: oldest })
}

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

type SumRow = {
  readonly what: UsageSum['what']
  readonly name: string
  readonly variant: string
  readonly minute: string
  readonly count: string
  readonly sum: number
}
const from = sql`to_timestamp(${value('from', 'bigint')} * 60)`
const until = sql`to_timestamp(${value('until', 'bigint')} * 60)`
const sums = statement<SumRow>(
  'halyard_usage_sums',
  sql`SELECT what, name, variant, (extract(epoch FROM stepped)::bigint / 60)::text AS minute,
        sum(count)::text AS count, sum(sum) AS sum
      FROM (
        SELECT what, name, variant, count, sum,
          date_bin(${value('step', 'int')} * interval '1 minute', minute, ${from}) AS stepped
        FROM halyard_usage.counts
        WHERE log_id = ${value('log', 'text')} AND flag IN ('', ${value('flag', 'text')})
          AND minute >= ${from} AND minute < ${until}
      ) AS rows GROUP BY stepped, what, name, variant ORDER BY stepped, what, name, variant`,
)
const byApp = statement<{ readonly app: string; readonly version: string; readonly count: string }>(
  'halyard_usage_by_app',
  sql`SELECT app, app_version AS version, sum(count)::text AS count FROM halyard_usage.counts
      WHERE log_id = ${value('log', 'text')} AND flag = ${value('flag', 'text')}
        AND what = 'evaluated' AND minute >= ${from} AND minute < ${until}
      GROUP BY 1, 2 ORDER BY sum(count) DESC, 1, 2 LIMIT 100`,
)

export async function readUsage(db: Db, log: LogId, flag: string, query: UsageQuery): Promise<FlagUsage> {
  const { from, until, step } = query
  const summed = await sums(db, { log, flag, from, until, step })
  const apps = await byApp(db, { log, flag, from, until })
  return {
    sums: summed.map((row) => ({ ...row, minute: Number(row.minute), count: Number(row.count) })),
    apps: apps.map((row) => ({ ...row, count: Number(row.count) })),
  }
}

type ReadRow = {
  readonly log: string
  readonly flag: string
  readonly variant: string
  readonly first: string
  readonly last: string
}
const minuteOf = (text: string): number => Math.round(Number(text)) * MINUTE_MS
const reads = statement<ReadRow>(
  'halyard_flag_reads',
  sql`SELECT log_id AS log, flag, variant, (extract(epoch FROM min(first_at)) / 60)::text AS first,
        (extract(epoch FROM max(last_at)) / 60)::text AS last
      FROM halyard.flag_reads WHERE log_id = ANY(${column('logs', 'text')}) GROUP BY 1, 2, 3`,
)

export async function readFlagReads(
  db: Db,
  logs: readonly LogId[],
): Promise<readonly Omit<FlagRead, 'app' | 'version'>[]> {
  const rows = await reads(db, { logs: [...logs] })
  return rows.map(({ log, flag, variant, first, last }) => ({
    log,
    flag,
    variant,
    firstAt: minuteOf(first),
    lastAt: minuteOf(last),
  }))
}

type ReaderRow = ReadRow & { readonly app: string; readonly version: string }
const readers = statement<ReaderRow>(
  'halyard_readers',
  sql`SELECT log_id AS log, flag, variant, app, version, (extract(epoch FROM first_at) / 60)::text AS first,
        (extract(epoch FROM last_at) / 60)::text AS last
      FROM halyard.flag_reads WHERE log_id = ${value('log', 'text')} AND flag = ${value('flag', 'text')}
      ORDER BY last_at DESC, app, version, variant LIMIT ${value('most', 'int')}`,
)

export async function readReaders(
  db: Db,
  log: LogId,
  flag: string,
  most: number,
): Promise<readonly FlagRead[]> {
  const rows = await readers(db, { log, flag, most })
  return rows.map(({ first, last, ...row }) => ({
    ...row,
    firstAt: minuteOf(first),
    lastAt: minuteOf(last),
  }))
}

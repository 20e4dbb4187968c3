/**
 * A log as it was: any revision, or the newest at a time, rebuilt in one statement that finds each document by the
 * index. What it costs grows with the documents that the log ever had, not with how often they changed.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Actor, LogId } from '../domain/change.ts'
import { Problem } from '../domain/problem.ts'
import type { Compaction } from './chain.ts'
import { type Db, statement, value } from './database.ts'
import { addEntry, type Entries, stateFrom } from './read.ts'
import { compactedBy, keptAround } from './retention.ts'
import type { At, Past, Redacted } from './store.ts'
import { inStretches } from './stretches.ts'
import { readCompactions } from './verify-reads.ts'

type PastRow = {
  readonly project: string
  readonly environment: string
  readonly epoch: string
  readonly revision: string
  readonly at: string
  readonly actorKind: Actor['kind']
  readonly actorId: string
  readonly actorName: string
  /** Null where the state is empty. */
  readonly kind: string | null
  readonly key: string
  readonly written: string
  /** The revision that erased a person from it, if one did. */
  readonly redactedAt: string | null
  /** Null where compaction dropped it. */
  readonly text: string | null
}

const LOG = value('log', 'text')
const AT = value('at', 'bigint')

/**
 * The kinds and keys that the log ever had are found by stepping through the index from one to the next, and each
 * one's version by another step.
 */
const pastOf = (name: string, record: SQL) =>
  statement<PastRow>(
    name,
    sql`WITH RECURSIVE record AS MATERIALIZED (
      SELECT revision, epoch, at, actor_kind, actor_id, actor_name FROM halyard.changes WHERE log_id = ${LOG} AND ${record} LIMIT 1
    ), document AS (
      (SELECT kind, key FROM halyard.entries WHERE log_id = ${LOG} ORDER BY kind, key LIMIT 1)
      UNION ALL
      SELECT next.kind, next.key FROM document CROSS JOIN LATERAL (
        SELECT kind, key FROM halyard.entries
        WHERE log_id = ${LOG} AND (kind, key) > (document.kind, document.key) ORDER BY kind, key LIMIT 1
      ) AS next
    )
    SELECT l.project, l.environment, record.epoch, record.revision, (extract(epoch FROM record.at) * 1000)::text AS at,
      record.actor_kind AS "actorKind", record.actor_id AS "actorId", record.actor_name AS "actorName",
      version.kind, version.key, version.revision AS written, version.redacted_at_revision AS "redactedAt", version.text
    FROM record
    JOIN halyard.logs l ON l.id = ${LOG}
    LEFT JOIN LATERAL (
      SELECT document.kind, document.key, found.* FROM document CROSS JOIN LATERAL (
        SELECT e.revision, e.redacted_at_revision, e.text, e.digest FROM halyard.entries e
        WHERE e.log_id = ${LOG} AND e.kind = document.kind AND e.key = document.key AND e.revision <= record.revision
        ORDER BY e.revision DESC LIMIT 1
      ) AS found WHERE found.digest IS NOT NULL
    ) AS version ON true`,
  )

const pastAtRevision = pastOf('halyard_past_at_revision', sql`revision = ${AT}`)
// Times of a log never go back, so the newest record up to a time is the state at that time.
const pastAtTime = pastOf(
  'halyard_past_at_time',
  sql`revision > 0 AND at <= to_timestamp(${AT} / 1000.0) ORDER BY at DESC, revision DESC`,
)

/**
 * The log as it was; closed logs too.
 * @throws Problem `revision-not-found` where it never was so, `history-compacted` where that was not kept
 */
export async function readPast(db: Db, log: LogId, at: At): Promise<Past> {
  const rows =
    'revision' in at
      ? await pastAtRevision(db, { log, at: at.revision })
      : await pastAtTime(db, { log, at: Math.floor(at.time) })
  const head = rows[0]
  if (head === undefined) throw neverWas(at)
  const revision = Number(head.revision)
  const entries: Entries = new Map()
  const redacted: Redacted[] = []
  const stretch = inStretches()
  for (const { kind, key, written, redactedAt, text } of rows) {
    if (kind === null) continue
    if (text === null) throw await notKept(db, log, { revision, at: Math.round(Number(head.at)) })
    await stretch(text.length)
    if (redactedAt !== null) {
      redacted.push({ kind, key, revision: Number(written), redactedAt: Number(redactedAt) })
    }
    addEntry(entries, { kind, key, revision: Number(written), text })
  }
  const { project, environment } = head
  return {
    state: stateFrom({ project, environment, epoch: Number(head.epoch), revision }, entries),
    at: Math.round(Number(head.at)),
    by: { kind: head.actorKind, id: head.actorId, name: head.actorName },
    redacted,
  }
}

function neverWas(at: At): Problem {
  return new Problem(
    'revision-not-found',
    'revision' in at
      ? `There is no revision ${at.revision} here: see the list of changes for what there is.`
      : `At ${new Date(at.time).toISOString()} this did not exist yet: see the list of changes for when it began.`,
  )
}

const keptBy = statement<{ readonly before: string | null; readonly after: string | null }>(
  'halyard_past_kept',
  sql`SELECT (
        SELECT revision FROM halyard.changes WHERE log_id = ${LOG} AND revision > 0 AND at <= to_timestamp(${value('before', 'bigint')} / 1000.0)
        ORDER BY at DESC, revision DESC LIMIT 1
      )::text AS before, (
        SELECT revision FROM halyard.changes WHERE log_id = ${LOG} AND revision > 0 AND at <= to_timestamp(${value('after', 'bigint')} / 1000.0)
        ORDER BY at DESC, revision DESC LIMIT 1
      )::text AS after`,
)

/** Names the nearest states that were surely kept: the last of the day (or hour) before, and that of the same one. */
async function notKept(
  db: Db,
  log: LogId,
  { revision, at }: { readonly revision: number; readonly at: number },
): Promise<Problem> {
  const compactions = (await readCompactions(db, { log })).map(
    ({ compaction }) => JSON.parse(compaction) as Compaction,
  )
  const [kept] = await keptBy(db, { log, ...keptAround(compactedBy(compactions), at) })
  const near = [kept?.before, kept?.after].filter((one) => one != null)
  return new Problem(
    'history-compacted',
    `Revision ${revision} was not kept when the history was compacted. ${near.length === 0 ? '' : `The nearest that were kept: ${near.join(' and ')}. `}That it was, and who made it, is still in the list of changes.`,
  )
}

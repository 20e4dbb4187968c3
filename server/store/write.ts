/**
 * The one statement that writes a commit: new versions, the closing of old ones, change records, the logs' heads
 * and the notification. One round trip under the lock, however many documents change.
 */
import { sql } from 'drizzle-orm'
import type { LogId, Opening } from '../domain/change.ts'
import type { Notice } from '../domain/notice.ts'
import { CHANNEL, type Db, statement, value } from './database.ts'
import type { LogPlan, Signature, Version } from './plan.ts'

const values = (...columns: readonly (readonly [name: string, type: string])[]) =>
  sql`unnest(${sql.join(
    columns.map(([name, type]) => value(name, `${type}[]`)),
    sql`, `,
  )})`

// Parts of one statement see the same snapshot and run in no promised order, but for what one takes from another:
// the new versions wait for the count of closed ones, or the index of current entries would refuse them. Current
// versions are found one by one (LATERAL, LIMIT): see `SESSION` in database.ts.
const writeAll = statement<{ readonly moved: string; readonly written: string; readonly notified: string }>(
  'halyard_write',
  sql`WITH incoming AS MATERIALIZED (
    SELECT * FROM ${values(
      ['entryLogs', 'text'],
      ['entryKinds', 'text'],
      ['entryKeys', 'text'],
      ['entryRevisions', 'bigint'],
      ['entrySuperseded', 'bigint'],
      ['entryTexts', 'text'],
      ['entryDigests', 'text'],
      ['entryFirst', 'boolean'],
    )} AS t (log_id, kind, key, revision, superseded_at_revision, text, digest, first)
  ), opened AS (
    INSERT INTO halyard.logs (id, parent_id, kind, project, environment, epoch, revision, head_hash, bytes, digest, opened_at, changed_at)
    SELECT t.*, t.opened_at FROM ${values(
      ['openIds', 'text'],
      ['openParents', 'text'],
      ['openKinds', 'text'],
      ['openProjects', 'text'],
      ['openEnvironments', 'text'],
      ['openEpochs', 'bigint'],
      ['openRevisions', 'bigint'],
      ['openHashes', 'text'],
      ['openBytes', 'bigint'],
      ['openDigests', 'bigint'],
      ['openTimes', 'timestamptz'],
    )} AS t (id, parent_id, kind, project, environment, epoch, revision, head_hash, bytes, digest, opened_at)
    RETURNING 1
  ), moved AS (
    UPDATE halyard.logs l SET epoch = t.epoch, revision = t.revision, head_hash = t.hash, bytes = t.bytes, digest = t.digest,
      changed_at = ${value('changedAt', 'timestamptz')},
      closed_at = CASE WHEN t.closes THEN ${value('changedAt', 'timestamptz')} ELSE l.closed_at END
    FROM ${values(
      ['moveIds', 'text'],
      ['moveEpochs', 'bigint'],
      ['moveRevisions', 'bigint'],
      ['moveHashes', 'text'],
      ['moveBytes', 'bigint'],
      ['moveDigests', 'bigint'],
      ['moveCloses', 'boolean'],
    )} AS t (log_id, epoch, revision, hash, bytes, digest, closes)
    WHERE l.id = t.log_id
    RETURNING 1
  ), recorded AS (
    INSERT INTO halyard.changes (log_id, revision, epoch, documents, previous_hash, hash,
      change_id, actor_kind, actor_id, actor_name, action, comment, at, idempotency_key, request_digest, locked,
      redactions, compaction)
    SELECT * FROM ${values(
      ['recordLogs', 'text'],
      ['recordRevisions', 'bigint'],
      ['recordEpochs', 'bigint'],
      ['recordDocuments', 'text'],
      ['recordPrevious', 'text'],
      ['recordHashes', 'text'],
      ['recordChanges', 'text'],
      ['recordActorKinds', 'text'],
      ['recordActorIds', 'text'],
      ['recordActorNames', 'text'],
      ['recordActions', 'text'],
      ['recordComments', 'text'],
      ['recordTimes', 'timestamptz'],
      ['recordKeys', 'text'],
      ['recordRequests', 'text'],
      ['recordLocked', 'text'],
      ['recordRedactions', 'text'],
      ['recordCompactions', 'text'],
    )} AS t
  ), current AS (
    SELECT found.*, incoming.revision AS superseded_at_revision FROM incoming CROSS JOIN LATERAL (
      SELECT e.log_id, e.kind, e.key, e.revision FROM halyard.entries e
      WHERE e.log_id = incoming.log_id AND e.kind = incoming.kind AND e.key = incoming.key
        AND e.superseded_at_revision IS NULL
      LIMIT 1
    ) AS found WHERE incoming.first
  ), superseded AS (
    UPDATE halyard.entries e SET superseded_at_revision = current.superseded_at_revision FROM current
    WHERE e.log_id = current.log_id AND e.kind = current.kind AND e.key = current.key
      AND e.revision = current.revision
    RETURNING 1
  ), written AS (
    INSERT INTO halyard.entries (log_id, kind, key, revision, superseded_at_revision, text, digest)
    SELECT log_id, kind, key, revision, superseded_at_revision, text, digest FROM incoming WHERE (SELECT count(*) FROM superseded) >= 0
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM written) AS written,
    (SELECT count(pg_notify(${sql.raw(`'${CHANNEL}'`)}, payload)) FROM unnest(${value('notices', 'text[]')}) AS payload) AS notified`,
)

/** What one edit writes. */
export type Written = {
  readonly signature: Signature
  readonly plans: readonly LogPlan[]
  /** Logs to open, with the plans of their first revisions. */
  readonly openings: readonly { readonly opening: Opening; readonly plan: LogPlan }[]
}

/** A locked log's row as it will be. */
export type Head = {
  readonly log: LogId
  readonly epoch: number
  readonly revision: number
  readonly headHash: string
  readonly bytes: number
  readonly digest: number
  readonly closes: boolean
}

export type WriteRequest = {
  /** The commit's time, epoch milliseconds. */
  readonly at: number
  /** In the order of their revisions. */
  readonly writes: readonly Written[]
  /** Of the logs that change or close. */
  readonly heads: readonly Head[]
  /** A notification's payload; undefined: nobody is notified. */
  readonly notice: ((notice: Notice) => string) | undefined
}

/**
 * Writes a transaction's commits.
 * @throws Error where the database wrote something else than was asked: a bug, and a reason to roll back
 */
export async function write(db: Db, { at, writes, heads, notice }: WriteRequest): Promise<void> {
  const records = writes.flatMap(({ signature, plans, openings }) =>
    [...plans, ...openings.map(({ plan }) => plan)].map((plan) => ({ plan, signature })),
  )
  const versions = versionsOf(records.map(({ plan }) => plan))
  const opened = writes.flatMap(({ signature, openings }) =>
    openings.map(({ opening, plan }) => ({ opening, plan, openedAt: timeOf(signature) })),
  )
  const notices = [
    ...heads.map(({ log, epoch, revision }) => ({ log, epoch, revision })),
    ...opened.map(({ plan: { log, delta } }) => ({ log, epoch: delta.epoch, revision: delta.revision })),
  ]
  const [done] = await writeAll(db, {
    entryLogs: versions.map(({ log }) => log),
    entryKinds: versions.map(({ version }) => version.kind),
    entryKeys: versions.map(({ version }) => version.key),
    entryRevisions: versions.map(({ revision }) => revision),
    entrySuperseded: versions.map(({ superseded }) => superseded),
    entryTexts: versions.map(({ version }) => version.text),
    entryDigests: versions.map(({ version }) => version.digest),
    entryFirst: versions.map(({ first }) => first),
    openIds: opened.map(({ opening }) => opening.id),
    openParents: opened.map(({ opening }) => opening.parent),
    openKinds: opened.map(({ opening }) => opening.kind),
    openProjects: opened.map(({ opening }) => opening.project),
    openEnvironments: opened.map(({ opening }) => opening.environment),
    openEpochs: opened.map(({ plan }) => plan.delta.epoch),
    openRevisions: opened.map(({ plan }) => plan.delta.revision),
    openHashes: opened.map(({ plan }) => plan.hash),
    openBytes: opened.map(({ plan }) => plan.bytes),
    openDigests: opened.map(({ plan }) => plan.delta.digest),
    openTimes: opened.map(({ openedAt }) => openedAt),
    changedAt: new Date(at).toISOString(),
    moveIds: heads.map(({ log }) => log),
    moveEpochs: heads.map(({ epoch }) => epoch),
    moveRevisions: heads.map(({ revision }) => revision),
    moveHashes: heads.map(({ headHash }) => headHash),
    moveBytes: heads.map(({ bytes }) => bytes),
    moveDigests: heads.map(({ digest }) => digest),
    moveCloses: heads.map(({ closes }) => closes),
    recordLogs: records.map(({ plan }) => plan.log),
    recordRevisions: records.map(({ plan }) => plan.delta.revision),
    recordEpochs: records.map(({ plan }) => plan.delta.epoch),
    recordDocuments: records.map(({ plan }) => plan.documents),
    recordPrevious: records.map(({ plan }) => plan.previousHash),
    recordHashes: records.map(({ plan }) => plan.hash),
    recordChanges: records.map(({ signature }) => signature.change),
    recordActorKinds: records.map(({ signature }) => signature.actor.kind),
    recordActorIds: records.map(({ signature }) => signature.actor.id),
    recordActorNames: records.map(({ signature }) => signature.actor.name),
    recordActions: records.map(({ signature }) => signature.action),
    recordComments: records.map(({ signature }) => signature.comment),
    recordTimes: records.map(({ signature }) => timeOf(signature)),
    recordKeys: records.map(({ signature }) => signature.request?.key ?? null),
    recordRequests: records.map(({ signature }) => signature.request?.digest ?? null),
    recordLocked: records.map(({ signature }) => signature.request?.locked ?? null),
    recordRedactions: records.map(({ plan }) => plan.redactions),
    recordCompactions: records.map(({ plan }) => plan.compaction),
    notices: notice === undefined ? [] : notices.map(notice),
  })
  if (Number(done?.moved) !== heads.length || Number(done?.written) !== versions.length) {
    throw new Error(
      `A commit wrote ${done?.moved} heads and ${done?.written} documents, not ${heads.length} and ${versions.length}`,
    )
  }
}

const timeOf = (signature: Signature) => new Date(signature.at).toISOString()

type Placed = {
  readonly log: LogId
  readonly revision: number
  readonly version: Version
  /** Whether it is the document's first in this transaction, and so follows one that the database has. */
  readonly first: boolean
  /** The later revision of the same transaction that follows it. */
  superseded: number | null
}

function versionsOf(plans: readonly LogPlan[]): readonly Placed[] {
  const latest = new Map<string, Placed>()
  return plans.flatMap(({ log, delta: { revision }, versions }) =>
    versions.map((version) => {
      const document = `${log} ${version.kind} ${version.key}`
      const before = latest.get(document)
      if (before !== undefined) before.superseded = revision
      const placed: Placed = { log, revision, version, first: before === undefined, superseded: null }
      latest.set(document, placed)
      return placed
    }),
  )
}

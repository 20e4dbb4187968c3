/**
 * The one statement that writes a commit: new versions, the closing of old ones, change records, the logs' heads
 * and the notification. One round trip under the lock, however many documents change.
 */
import { sql } from 'drizzle-orm'
import type { LogId, Opening } from '../domain/change.ts'
import { CHANNEL, type Db, statement } from './database.ts'
import type { LogPlan, Signature } from './plan.ts'

const value = (name: string, type: string) => sql`${sql.placeholder(name)}::${sql.raw(type)}`
const values = (...columns: readonly (readonly [name: string, type: string])[]) =>
  sql`unnest(${sql.join(
    columns.map(([name, type]) => value(name, `${type}[]`)),
    sql`, `,
  )})`

// Parts of one statement see the same snapshot and run in no promised order, but for what one takes from another:
// the new versions wait for the count of closed ones, or the index of current entries would refuse them.
const writeAll = statement<{ readonly moved: string; readonly written: string; readonly notified: string }>(
  'halyard_write',
  sql`WITH incoming AS MATERIALIZED (
    SELECT * FROM ${values(
      ['entryLogs', 'text'],
      ['entryKinds', 'text'],
      ['entryKeys', 'text'],
      ['entryRevisions', 'bigint'],
      ['entryTexts', 'text'],
      ['entryDigests', 'text'],
    )} AS t (log_id, kind, key, revision, text, digest)
  ), opened AS (
    INSERT INTO halyard.logs (id, parent_id, kind, project, environment, epoch, revision, head_hash, bytes, digest, opened_at)
    SELECT t.*, ${value('openedAt', 'timestamptz')} FROM ${values(
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
    )} AS t
    RETURNING 1
  ), moved AS (
    UPDATE halyard.logs l SET revision = t.revision, head_hash = t.hash, bytes = t.bytes, digest = t.digest,
      closed_at = CASE WHEN t.closes THEN ${value('closedAt', 'timestamptz')} END
    FROM ${values(
      ['moveIds', 'text'],
      ['moveRevisions', 'bigint'],
      ['moveHashes', 'text'],
      ['moveBytes', 'bigint'],
      ['moveDigests', 'bigint'],
      ['moveCloses', 'boolean'],
    )} AS t (log_id, revision, hash, bytes, digest, closes)
    WHERE l.id = t.log_id
    RETURNING 1
  ), recorded AS (
    INSERT INTO halyard.changes (log_id, revision, epoch, documents, previous_hash, hash,
      change_id, actor_kind, actor_id, actor_name, action, comment, at)
    SELECT t.*, ${value('change', 'text')}, ${value('actorKind', 'text')}, ${value('actorId', 'text')},
      ${value('actorName', 'text')}, ${value('action', 'text')}, ${value('comment', 'text')}, ${value('at', 'timestamptz')}
    FROM ${values(
      ['recordLogs', 'text'],
      ['recordRevisions', 'bigint'],
      ['recordEpochs', 'bigint'],
      ['recordDocuments', 'text'],
      ['recordPrevious', 'text'],
      ['recordHashes', 'text'],
    )} AS t
  ), superseded AS (
    UPDATE halyard.entries e SET superseded_at_revision = incoming.revision FROM incoming
    WHERE e.log_id = incoming.log_id AND e.kind = incoming.kind AND e.key = incoming.key
      AND e.superseded_at_revision IS NULL
    RETURNING 1
  ), written AS (
    INSERT INTO halyard.entries (log_id, kind, key, revision, text, digest)
    SELECT log_id, kind, key, revision, text, digest FROM incoming WHERE (SELECT count(*) FROM superseded) >= 0
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM written) AS written,
    (SELECT count(pg_notify(${sql.raw(`'${CHANNEL}'`)}, payload)) FROM unnest(${value('notices', 'text[]')}) AS payload) AS notified`,
)

/** A locked log's row as it will be. */
export type Move = {
  readonly log: LogId
  readonly epoch: number
  readonly revision: number
  readonly headHash: string
  readonly bytes: number
  readonly digest: number
  readonly closes: boolean
}

export type Write = {
  readonly signature: Signature
  readonly moves: readonly Move[]
  readonly plans: readonly LogPlan[]
  /** Logs to open, with the plans of their first revisions. */
  readonly openings: readonly { readonly opening: Opening; readonly plan: LogPlan }[]
  readonly notices: readonly string[]
}

/**
 * Writes a commit.
 * @throws Error where the database wrote something else than was asked: a bug, and a reason to roll back
 */
export async function write(db: Db, { signature, moves, plans, openings, notices }: Write): Promise<void> {
  const recorded = [...plans, ...openings.map(({ plan }) => plan)]
  const versions = recorded.flatMap((plan) =>
    plan.versions.map((version) => ({ ...version, log: plan.log, revision: plan.delta.revision })),
  )
  const at = new Date(signature.at).toISOString()
  const [done] = await writeAll(db, {
    entryLogs: versions.map((version) => version.log),
    entryKinds: versions.map((version) => version.kind),
    entryKeys: versions.map((version) => version.key),
    entryRevisions: versions.map((version) => version.revision),
    entryTexts: versions.map((version) => version.text),
    entryDigests: versions.map((version) => version.digest),
    openIds: openings.map(({ opening }) => opening.id),
    openParents: openings.map(({ opening }) => opening.parent),
    openKinds: openings.map(({ opening }) => opening.kind),
    openProjects: openings.map(({ opening }) => opening.project),
    openEnvironments: openings.map(({ opening }) => opening.environment),
    openEpochs: openings.map(({ plan }) => plan.delta.epoch),
    openRevisions: openings.map(({ plan }) => plan.delta.revision),
    openHashes: openings.map(({ plan }) => plan.hash),
    openBytes: openings.map(({ plan }) => plan.bytes),
    openDigests: openings.map(({ plan }) => plan.delta.digest),
    openedAt: at,
    closedAt: at,
    moveIds: moves.map((move) => move.log),
    moveRevisions: moves.map((move) => move.revision),
    moveHashes: moves.map((move) => move.headHash),
    moveBytes: moves.map((move) => move.bytes),
    moveDigests: moves.map((move) => move.digest),
    moveCloses: moves.map((move) => move.closes),
    change: signature.change,
    actorKind: signature.actor.kind,
    actorId: signature.actor.id,
    actorName: signature.actor.name,
    action: signature.action,
    comment: signature.comment,
    at,
    recordLogs: recorded.map((plan) => plan.log),
    recordRevisions: recorded.map((plan) => plan.delta.revision),
    recordEpochs: recorded.map((plan) => plan.delta.epoch),
    recordDocuments: recorded.map((plan) => plan.documents),
    recordPrevious: recorded.map((plan) => plan.previousHash),
    recordHashes: recorded.map((plan) => plan.hash),
    notices,
  })
  if (Number(done?.moved) !== moves.length || Number(done?.written) !== versions.length) {
    throw new Error(
      `A commit wrote ${done?.moved} heads and ${done?.written} documents, not ${moves.length} and ${versions.length}`,
    )
  }
}

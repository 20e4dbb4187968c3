/**
 * What verification reads, in pages that end at a number of rows or of bytes, whichever comes first: its memory is the
 * same for any log.
 */
import { sql } from 'drizzle-orm'
import type { Actor, LogId, LogKind } from '../domain/change.ts'
import { statement, value } from './database.ts'

const LOG = value('log', 'text')
const MS = (column: string) => sql`(extract(epoch FROM ${sql.raw(column)}) * 1000)::float8`

/** Rows and bytes of a page; one row is always there, however large. */
const MOST_RECORDS = 1_000
export const MOST_VERSIONS = 1_000
const MOST_BYTES = 8 * 1024 * 1024

export type LogRow = {
  readonly id: LogId
  readonly parent: LogId | null
  readonly kind: LogKind
  readonly project: string
  readonly environment: string
  readonly epoch: number
  readonly revision: number
  readonly hash: string
  readonly bytes: number
  readonly digest: number
  readonly closed: boolean
  /** Epoch milliseconds. */
  readonly changedAt: number | null
}

/** All logs, closed ones too: parents before their children. Counters are far below 2^53, and come as numbers. */
export const readLogRows = statement<LogRow>(
  'halyard_verify_logs',
  sql`SELECT id, parent_id AS parent, kind, project, environment, epoch::float8, revision::float8,
        head_hash AS hash, bytes::float8, digest::float8, closed_at IS NOT NULL AS closed, ${MS('changed_at')} AS "changedAt"
      FROM halyard.logs
      ORDER BY CASE kind WHEN 'system' THEN 0 WHEN 'project' THEN 1 ELSE 2 END, project, environment, opened_at, id`,
)

export type RecordRow = {
  readonly epoch: number
  readonly revision: number
  readonly change: string
  readonly actorKind: Actor['kind']
  readonly actorId: string
  readonly actorName: string
  readonly action: string
  readonly comment: string | null
  /** Epoch milliseconds. */
  readonly at: number
  readonly documents: string
  readonly redactions: string | null
  readonly compaction: string | null
  readonly previous: string
  readonly hash: string
}

/** The records after a revision, in order. */
export const readRecords = statement<RecordRow>(
  'halyard_verify_records',
  sql`SELECT epoch::float8, revision::float8, change_id AS change, actor_kind AS "actorKind", actor_id AS "actorId",
        actor_name AS "actorName", action, comment, ${MS('at')} AS at, documents, redactions, compaction,
        previous_hash AS previous, hash
      FROM (
        SELECT *, sum(size) OVER (ORDER BY revision) - size AS ahead FROM (
          SELECT *, octet_length(documents) + coalesce(octet_length(redactions), 0) AS size FROM halyard.changes
          WHERE log_id = ${LOG} AND revision > ${value('after', 'bigint')} ORDER BY revision LIMIT ${MOST_RECORDS}
        ) AS next
      ) AS page WHERE ahead < ${MOST_BYTES} ORDER BY revision`,
)

export type VersionRow = {
  /** Where it stands in what was asked for, from 1. */
  readonly number: number
  readonly there: boolean
  readonly superseded: number | null
  /** The revision of the document's next version, whatever the row says. */
  readonly next: number | null
  readonly digest: string | null
  readonly text: string | null
  readonly redactedDigest: string | null
  readonly redactedAt: number | null
  /** Where the text is missing: when it was replaced, epoch milliseconds. */
  readonly replacedAt: number | null
}

/** Versions by kind, key and revision, in the order of the asking; fewer than asked where they are large. */
export const readVersions = statement<VersionRow>(
  'halyard_verify_versions',
  sql`SELECT number::float8, there, superseded_at_revision::float8 AS superseded, next::float8, digest, text,
        redacted_digest AS "redactedDigest", redacted_at_revision::float8 AS "redactedAt", "replacedAt"
      FROM (
        SELECT *, sum(size) OVER (ORDER BY number) - size AS ahead FROM (
          SELECT asked.number, e.revision IS NOT NULL AS there, e.superseded_at_revision, following.revision AS next,
            e.digest, e.text, e.redacted_digest, e.redacted_at_revision, replaced.at AS "replacedAt",
            coalesce(octet_length(e.text), 0) AS size
          FROM unnest(${value('kinds', 'text[]')}, ${value('keys', 'text[]')}, ${value('revisions', 'bigint[]')})
            WITH ORDINALITY AS asked (kind, key, revision, number)
          LEFT JOIN LATERAL (
            SELECT * FROM halyard.entries
            WHERE log_id = ${LOG} AND kind = asked.kind AND key = asked.key AND revision = asked.revision LIMIT 1
          ) AS e ON true
          LEFT JOIN LATERAL (
            SELECT revision FROM halyard.entries
            WHERE log_id = ${LOG} AND kind = asked.kind AND key = asked.key AND revision > asked.revision
            ORDER BY revision LIMIT 1
          ) AS following ON true
          LEFT JOIN LATERAL (
            SELECT ${MS('at')} AS at FROM halyard.changes
            WHERE e.text IS NULL AND e.digest IS NOT NULL AND log_id = ${LOG} AND revision = e.superseded_at_revision LIMIT 1
          ) AS replaced ON true
        ) AS found
      ) AS page WHERE ahead < ${MOST_BYTES} ORDER BY number`,
)

export const readCompactions = statement<{ readonly compaction: string }>(
  'halyard_verify_compactions',
  sql`SELECT compaction FROM halyard.changes WHERE log_id = ${LOG} AND compaction IS NOT NULL`,
)

export const countVersions = statement<{ readonly versions: number }>(
  'halyard_verify_counts',
  sql`SELECT count(*)::float8 AS versions FROM halyard.entries WHERE log_id = ${LOG}`,
)

export type StrangerRow = { readonly kind: string; readonly key: string; readonly revision: number }

// Goes through the whole log at once, in the database: asked only where the counts do not agree.
const strangersTo = (
  name: string,
  list: 'documents' | 'redactions',
  revision: 'revision' | 'redacted_at_revision',
) =>
  statement<StrangerRow>(
    name,
    sql`SELECT e.kind, e.key, e.revision::float8 FROM halyard.entries e LEFT JOIN (
          SELECT c.revision, item ->> 0 AS kind, item ->> 1 AS key, item ->> 2 AS detail FROM halyard.changes c
          CROSS JOIN LATERAL json_array_elements(c.${sql.raw(list)}::json) AS item WHERE c.log_id = ${LOG}
        ) AS named ON named.kind = e.kind AND named.key = e.key AND named.revision = e.${sql.raw(revision)}
          AND ${list === 'documents' ? sql`true` : sql`named.detail = e.revision::text`}
        WHERE e.log_id = ${LOG} AND e.${sql.raw(revision)} IS NOT NULL AND named.revision IS NULL
        ORDER BY e.kind, e.key, e.revision LIMIT 1000`,
  )

/** Versions that their record does not name. */
export const readStrangers = strangersTo('halyard_verify_strangers', 'documents', 'revision')
/** Versions that are marked as redacted by a record that does not say so. */
export const readUnlistedRedactions = strangersTo(
  'halyard_verify_unlisted',
  'redactions',
  'redacted_at_revision',
)

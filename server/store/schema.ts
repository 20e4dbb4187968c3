/**
 * The tables of `migrations/` that drizzle reads; statements name theirs by themselves. The SQL is the truth; a test
 * compares the two.
 */
import { isNotNull, isNull, sql } from 'drizzle-orm'
import { bigint, index, pgSchema, primaryKey, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import type { Actor, LogKind } from '../domain/change.ts'

/** Everything lives in a schema of its own, so that a database may be shared. */
const halyard = pgSchema('halyard')

const counter = (name: string) => bigint(name, { mode: 'number' })
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const logs = halyard.table(
  'logs',
  {
    id: text('id').primaryKey(),
    parentId: text('parent_id'),
    kind: text('kind').$type<LogKind>().notNull(),
    project: text('project').notNull(),
    environment: text('environment').notNull(),
    epoch: counter('epoch').notNull(),
    revision: counter('revision').notNull(),
    headHash: text('head_hash').notNull(),
    bytes: counter('bytes').notNull(),
    digest: counter('digest').notNull(),
    openedAt: instant('opened_at').notNull(),
    closedAt: instant('closed_at'),
    changedAt: instant('changed_at'),
  },
  (table) => [index('logs_by_parent').on(table.parentId)],
)

export const changes = halyard.table(
  'changes',
  {
    logId: text('log_id').notNull(),
    revision: counter('revision').notNull(),
    epoch: counter('epoch').notNull(),
    changeId: text('change_id').notNull(),
    actorKind: text('actor_kind').$type<Actor['kind']>().notNull(),
    actorId: text('actor_id').notNull(),
    actorName: text('actor_name').notNull(),
    action: text('action').notNull(),
    comment: text('comment'),
    at: instant('at').notNull(),
    idempotencyKey: text('idempotency_key'),
    requestDigest: text('request_digest'),
    documents: text('documents').notNull(),
    previousHash: text('previous_hash').notNull(),
    hash: text('hash').notNull(),
    locked: text('locked'),
    redactions: text('redactions'),
    compaction: text('compaction'),
  },
  (table) => [
    primaryKey({ columns: [table.logId, table.revision] }),
    index('changes_by_time').on(table.logId, table.at, table.revision).where(sql`${table.revision} > 0`),
    index('changes_by_actor')
      .on(table.logId, table.actorId, table.revision)
      .where(sql`${table.revision} > 0`),
    index('changes_by_action')
      .on(table.logId, table.action, table.revision)
      .where(sql`${table.revision} > 0`),
    index('changes_by_change').on(table.changeId),
    index('changes_compactions').on(table.logId, table.revision).where(isNotNull(table.compaction)),
    uniqueIndex('changes_by_idempotency_key')
      .on(table.logId, table.actorId, table.idempotencyKey)
      .where(isNotNull(table.idempotencyKey)),
  ],
)

export const entries = halyard.table(
  'entries',
  {
    logId: text('log_id').notNull(),
    kind: text('kind').notNull(),
    key: text('key').notNull(),
    revision: counter('revision').notNull(),
    supersededAtRevision: counter('superseded_at_revision'),
    text: text('text'),
    digest: text('digest'),
    redactedDigest: text('redacted_digest'),
    redactedAtRevision: counter('redacted_at_revision'),
  },
  (table) => [
    primaryKey({ columns: [table.logId, table.kind, table.key, table.revision] }),
    uniqueIndex('entries_current')
      .on(table.logId, table.kind, table.key)
      .where(isNull(table.supersededAtRevision)),
    index('entries_newer')
      .on(table.logId, table.revision)
      .where(sql`${table.supersededAtRevision} IS NULL AND ${table.revision} > 0`),
  ],
)

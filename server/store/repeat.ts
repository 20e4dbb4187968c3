/**
 * Requests that come again under the same Idempotency-Key. They are recognised under the logs' locks, and answered by
 * running the same pure edit once more on the logs as they were: no answer is ever stored beside the log.
 */
import { emptyState, type State } from '@halyard/sdk/core'
import { eq, inArray, sql } from 'drizzle-orm'
import type { LogId, Made } from '../domain/change.ts'
import { Problem } from '../domain/problem.ts'
import type { DocumentDigest } from './chain.ts'
import { type Db, statement, value } from './database.ts'
import { deskOf, runEdit } from './desk.ts'
import { readPast } from './past.ts'
import { changes, logs } from './schema.ts'
import type { CommitRequest, Committed } from './store.ts'

type Request = CommitRequest<unknown>

/** What the locked logs, and the running transaction, know of requests. */
export type Seen = {
  /**
   * The id of the change that the request made before; undefined where it is new.
   * @throws Problem `idempotency-key-reused` where its key came with another request
   */
  of(request: Request): string | undefined
  /** The transaction writes this request, as that change. */
  add(request: Request, change: string): void
}

type SeenRow = {
  readonly actor: string
  readonly key: string
  readonly digest: string
  readonly change: string
}
const seenBefore = statement<SeenRow>(
  'halyard_seen_before',
  sql`SELECT asked.actor, asked.key, c.* FROM unnest(${value('logs', 'text[]')}) AS log (id)
      CROSS JOIN unnest(${value('actors', 'text[]')}, ${value('keys', 'text[]')}) AS asked (actor, key)
      CROSS JOIN LATERAL (
        SELECT request_digest AS digest, change_id AS change FROM halyard.changes
        WHERE log_id = log.id AND actor_id = asked.actor AND idempotency_key = asked.key
        LIMIT 1
      ) AS c`,
)

const nameOf = (actor: string, key: string) => `${actor} ${key}`

/** Looks the requests' keys up in the locked logs: one query, and none where no request has a key. */
export async function recall(
  db: Db,
  locked: readonly { readonly id: LogId }[],
  requests: readonly Request[],
): Promise<Seen> {
  const known = new Map<string, Map<string, string>>()
  const learn = (name: string, digest: string, change: string) => {
    const digests = known.get(name) ?? new Map<string, string>()
    known.set(name, digests.set(digest, change))
  }
  const asked = requests.flatMap(({ actor, idempotency }) =>
    idempotency === undefined || idempotency.fresh ? [] : [{ actor: actor.id, key: idempotency.key }],
  )
  if (asked.length > 0) {
    const rows = await seenBefore(db, {
      logs: locked.map(({ id }) => id),
      actors: asked.map(({ actor }) => actor),
      keys: asked.map(({ key }) => key),
    })
    for (const { actor, key, digest, change } of rows) learn(nameOf(actor, key), digest, change)
  }
  return {
    of({ actor, idempotency }) {
      const digests = idempotency && known.get(nameOf(actor.id, idempotency.key))
      if (digests === undefined) return undefined
      const change = digests.get(idempotency?.digest ?? '')
      if (change !== undefined) return change
      throw new Problem(
        'idempotency-key-reused',
        'This Idempotency-Key came with another request before. Nothing was done: send a new key for a new request.',
      )
    },
    add({ actor, idempotency }, change) {
      if (idempotency !== undefined) learn(nameOf(actor.id, idempotency.key), idempotency.digest, change)
    },
  }
}

/**
 * What a request was answered when it was committed. Run it in one snapshot.
 * @param change the id of the change that it made
 * @throws Problem `idempotency-key-reused` where what the edit saw then is not in the history any more
 */
export async function repeat(db: Db, change: string, request: Request): Promise<Committed<unknown>> {
  const records = await db
    .select({
      log: changes.logId,
      revision: changes.revision,
      at: changes.at,
      locked: changes.locked,
      documents: changes.documents,
    })
    .from(changes)
    .where(eq(changes.changeId, change))
  const [record] = records
  if (record?.locked == null) throw new Error(`The change ${change} does not say what it was made on`)
  const before = new Map(Object.entries(JSON.parse(record.locked) as Record<LogId, number>))
  const rows = await db
    .select()
    .from(logs)
    .where(inArray(logs.id, [...before.keys()]))
  try {
    const desks = []
    for (const row of rows) {
      const { id, kind, parentId: parent } = row
      const state = await stateBefore(db, row, before.get(id) ?? 0)
      desks.push(deskOf({ id, kind, parent }, state, { headHash: '', bytes: 0 }))
    }
    const { committed } = runEdit(desks, request, {
      now: record.at.getTime(),
      change,
      again: madeBy(records),
    })
    // Logs that were opened and closed then have moved on since, and are nobody's to take from here.
    return { ...committed, opened: [], closed: [], repeated: true }
  } catch (cause) {
    if (!(cause instanceof Problem) || cause.type === 'unavailable') throw cause
    throw new Problem(
      'idempotency-key-reused',
      `This request was carried out at revision ${record.revision}, but its answer cannot be rebuilt any more. Read what it changed.`,
      { cause },
    )
  }
}

function madeBy(records: readonly { readonly log: LogId; readonly documents: string }[]): Made {
  const name = (log: LogId, kind: string, key: string) => `${log} ${kind} ${key}`
  const written = new Set(
    records.flatMap(({ log, documents }) =>
      (JSON.parse(documents) as DocumentDigest[]).map(([kind, key]) => name(log, kind, key)),
    ),
  )
  return { wrote: (log, kind, key) => written.has(name(log, kind, key)) }
}

/** A log has no record of how it was before its first. */
async function stateBefore(
  db: Db,
  {
    id,
    project,
    environment,
    epoch,
  }: { readonly id: LogId; readonly project: string; readonly environment: string; readonly epoch: number },
  revision: number,
): Promise<State> {
  if (revision === 0) return emptyState(project, environment, epoch)
  return (await readPast(db, id, { revision })).state
}

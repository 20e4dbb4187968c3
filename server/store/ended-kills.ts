/**
 * Kills that are over, as the versions of their entries tell: whoever still holds such a kill as one without a revision
 * learns by its id that it may be dropped. Versions are found by steps through the index, those of 30 days alone.
 */
import { type Json, type Kill, LIMITS, type State } from '@halyard/sdk/core'
import { sql } from 'drizzle-orm'
import type { LogId } from '../domain/change.ts'
import { type Db, statement, value } from './database.ts'

/** For how long a kill that is over is told of, milliseconds. */
export const ENDED_KILLS_MS = 30 * 86_400_000

type EndedRow = { readonly log: LogId; readonly text: string }

const endedSince = statement<EndedRow>(
  'halyard_ended_kills',
  sql`WITH RECURSIVE killed AS (
        SELECT first.* FROM unnest(${value('logs', 'text[]')}) AS asked (log) CROSS JOIN LATERAL (
          SELECT log_id, key FROM halyard.entries WHERE log_id = asked.log AND kind = 'kill' ORDER BY key LIMIT 1
        ) AS first
        UNION ALL
        SELECT next.* FROM killed CROSS JOIN LATERAL (
          SELECT log_id, key FROM halyard.entries
          WHERE log_id = killed.log_id AND kind = 'kill' AND key > killed.key ORDER BY key LIMIT 1
        ) AS next
      )
      SELECT killed.log_id AS log, ended.text
      FROM killed
      CROSS JOIN LATERAL (
        SELECT revision FROM halyard.changes
        WHERE log_id = killed.log_id AND revision > 0 AND at >= to_timestamp(${value('since', 'bigint')} / 1000.0)
        ORDER BY at, revision LIMIT 1
      ) AS recent
      CROSS JOIN LATERAL (
        SELECT ending.revision, before.text FROM halyard.entries ending CROSS JOIN LATERAL (
          SELECT text FROM halyard.entries
          WHERE log_id = killed.log_id AND kind = 'kill' AND key = killed.key AND revision < ending.revision
          ORDER BY revision DESC LIMIT 1
        ) AS before
        WHERE ending.log_id = killed.log_id AND ending.kind = 'kill' AND ending.key = killed.key
          AND ending.revision >= recent.revision AND before.text IS NOT NULL
      ) AS ended
      ORDER BY ended.revision`,
)

/**
 * Ids of kills that ended in the last 30 days, by log, in the order in which they ended; logs without any are left out.
 * @param now epoch milliseconds
 */
export async function readEndedKills(
  db: Db,
  logs: readonly LogId[],
  now: number,
): Promise<ReadonlyMap<LogId, readonly string[]>> {
  const ids = new Map<LogId, string[]>()
  for (const { log, text } of await endedSince(db, { logs, since: now - ENDED_KILLS_MS })) {
    const known = ids.get(log)
    if (known === undefined) ids.set(log, idsIn(text))
    else known.push(...idsIn(text))
  }
  return ids
}

/** Without those that are in force: a kill may be written anew under its id. */
export function endedOf(ids: readonly string[], kills: Iterable<Json>): readonly string[] {
  const current = new Set([...kills].flatMap(idsOf))
  return [...new Set(ids)].filter((id) => !current.has(id)).slice(-LIMITS.endedKills)
}

export const idsIn = (text: string): string[] => idsOf(JSON.parse(text) as Json)

/** The kill's own, and those that it took up. */
function idsOf(kill: Json): string[] {
  const { id, also = [] } = (kill ?? {}) as Partial<Kill>
  return id === undefined ? [] : [id, ...also.map((other) => other.id)]
}

export function killsIn(entries: State['entries']): readonly Json[] {
  return [...(entries.get('kill')?.values() ?? [])].map(({ definition }) => definition)
}

/**
 * Who used which key, and when: no log, but rows that are overwritten by newer ones and pruned. Any number of
 * instances save what each has seen.
 */
import { sql } from 'drizzle-orm'
import { type Db, statement, value } from './database.ts'
import type { KeyUse } from './store.ts'

// In the order of their primary key, so that two instances that save at once do not wait for each other in a circle.
const save = statement(
  'halyard_save_key_uses',
  sql`INSERT INTO halyard.key_uses (key_id, app, version, sdk, at)
      SELECT used.key_id, used.app, used.version, used.sdk, to_timestamp(used.at / 1000.0)
      FROM unnest(
        ${value('keys', 'text[]')}, ${value('apps', 'text[]')}, ${value('versions', 'text[]')},
        ${value('sdks', 'text[]')}, ${value('times', 'bigint[]')}
      ) AS used (key_id, app, version, sdk, at)
      ORDER BY 1, 2, 3, 4
      ON CONFLICT (key_id, app, version, sdk) DO UPDATE SET at = excluded.at WHERE key_uses.at < excluded.at`,
)

/** The newest time of each use wins. No use may be there twice. */
export async function saveKeyUses(db: Db, uses: readonly KeyUse[]): Promise<void> {
  await save(db, {
    keys: uses.map(({ key }) => key),
    apps: uses.map(({ app }) => app),
    versions: uses.map(({ version }) => version),
    sdks: uses.map(({ sdk }) => sdk),
    times: uses.map(({ at }) => at),
  })
}

type UseRow = Omit<KeyUse, 'at'> & { readonly at: string }
const newest = statement<UseRow>(
  'halyard_key_uses',
  sql`SELECT asked.key, used.* FROM unnest(${value('keys', 'text[]')}) AS asked (key)
      CROSS JOIN LATERAL (
        SELECT app, version, sdk, (extract(epoch FROM at) * 1000)::text AS at
        FROM halyard.key_uses WHERE key_id = asked.key ORDER BY key_uses.at DESC LIMIT ${value('most', 'int')}
      ) AS used`,
)

/** The newest of each key, newest first. */
export async function readKeyUses(
  db: Db,
  keys: readonly string[],
  mostEach: number,
): Promise<readonly KeyUse[]> {
  const rows = await newest(db, { keys: [...keys], most: mostEach })
  return rows.map(({ key, app, version, sdk, at }) => ({
    key,
    app,
    version,
    sdk,
    at: Math.round(Number(at)),
  }))
}

const prune = statement(
  'halyard_prune_key_uses',
  sql`DELETE FROM halyard.key_uses AS old USING (
        SELECT key_id, app, version, sdk, row_number() OVER (PARTITION BY key_id ORDER BY at DESC) AS place
        FROM halyard.key_uses
      ) AS ranked
      WHERE old.key_id = ranked.key_id AND old.app = ranked.app AND old.version = ranked.version
        AND old.sdk = ranked.sdk AND (ranked.place > ${value('most', 'int')}
          OR old.at < to_timestamp(${value('before', 'bigint')} / 1000.0))`,
)

/** Forgets what is older than `before` (epoch milliseconds), and of each key all but its newest. */
export async function pruneKeyUses(db: Db, before: number, mostEach: number): Promise<void> {
  await prune(db, { before, most: mostEach })
}

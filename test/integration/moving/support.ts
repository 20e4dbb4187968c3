/** Databases with a history of everything that a backup must carry, and all that is in them as texts. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll } from 'vitest'
import { type Database, type Db, rowsOf } from '../../../server/store/database.ts'
import { embeddedDatabase, makeEmbedded } from '../../../server/store/embedded.ts'
import { applyMigrations } from '../../../server/store/migrate.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import type { UsageBatch } from '../../../server/store/store.ts'
import { ANN, edit, flag, NOW, openFamily, subjectOn } from '../../contract/store.support.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'

/** A database of one kind: one to fill, and one to be filled. */
export type Place = {
  /** Opens it, made and migrated where it is not there. */
  readonly open: () => Promise<Database>
  /** Fills it, at once or not at all. */
  readonly fill: <T>(work: (db: Db) => Promise<T>) => Promise<T>
  readonly dir?: string
  readonly url?: string
}

/** Places for one test file, gone at its end. */
export function places() {
  const remove: (() => Promise<void> | void)[] = []
  afterAll(async () => {
    for (const one of remove.splice(0)) await one()
  })
  const kept = async <T>(database: Database, work: (db: Db) => Promise<T>): Promise<T> =>
    database.transact('migration', async (db) => ({ keep: true, value: await work(db) }))
  return {
    async postgres(): Promise<Place> {
      const { url, drop } = await freshDatabase()
      remove.push(drop)
      return {
        url,
        open: async () => postgresDatabase({ url }),
        async fill(work) {
          const database = postgresDatabase({ url })
          return kept(database, work).finally(() => database.close())
        },
      }
    },
    async embedded(): Promise<Place> {
      const folder = temporaryFolder()
      remove.push(folder.remove)
      const options = { dir: join(folder.dir, 'data'), prepared: await preparedEmbedded() }
      return {
        dir: options.dir,
        open: () => embeddedDatabase(options),
        fill: (work) => makeEmbedded(options, (database) => kept(database, work)),
      }
    },
  }
}

/** Makes a history with something in every table, and texts that are easily spoilt on the way. */
export async function makeHistory(place: Place): Promise<void> {
  const database = await place.open()
  await applyMigrations(database)
  const { store, rows } = subjectOn(database)
  const { environments, project } = await openFamily(store, 2)
  const [log = ''] = environments
  const odd = {
    text: 'a "quote", a \\ backslash, \u2028, NULL, {1,2}, é 🚩, \n\t',
    nothing: null,
    deep: [[1e21]],
  }
  for (const [index, definition] of [odd, 'NULL', '', odd].entries()) {
    await store.commit({
      scope: { path: [log] },
      actor: { ...ANN, name: 'Ann "the\\ first"' },
      comment: index === 0 ? 'why, "exactly"\\' : undefined,
      edit: edit(log, flag('odd', definition), flag(`f${index}`, index), {
        kind: 'kill',
        key: `f${index}`,
        definition: { id: `k${index}` },
      }),
      idempotency: { key: `request ${index}`, digest: `d${index}` },
    })
  }
  await store.commit({ scope: { path: [log] }, actor: ANN, edit: edit(log, flag('f0', null)) })
  await store.commit({ scope: { path: [project] }, actor: ANN, edit: edit(project, flag('identity', {})) })
  await store.saveKeyUses([{ key: 'k1', app: 'shop', version: '2.4.0', sdk: 'node/0.1.0', at: Date.now() }])
  await rows("UPDATE halyard.key_uses SET at = '2026-01-02T03:04:05.123456Z'")
  await store.saveKillReport(log, { kill: 'k1', revision: 2, report: '{"servers":{}}', at: NOW })
  await store.putNotice('instances', 'one', 'of no worth in a backup', 60_000)
  await store.turnUsage(NOW)
  await store.saveUsage([usageOf(log)])
  await store.close()
}

const usageOf = (log: string): UsageBatch => ({
  ...{ log, id: crypto.randomUUID(), app: 'shop', version: '2.4.0' },
  counts: [
    {
      ...{ what: 'evaluated', name: '', flag: 'f1', variant: 'on', version: 3, count: 41, sum: 0 },
      minute: Math.floor(NOW / 60_000),
    },
  ],
})

/** A digest of every row of every table, whatever there is, in an order that does not depend on the database. */
export async function contentsOf(place: Place): Promise<Readonly<Record<string, string>>> {
  const database = await place.open()
  try {
    return await database.survey(async (db) => {
      await db.execute(sql`SET LOCAL timezone = 'UTC'`)
      const contents: Record<string, string> = {}
      const tables = rowsOf<{ name: string }>(
        await db.execute(
          sql`SELECT relname AS name FROM pg_class WHERE relnamespace = to_regnamespace('halyard')
              AND relkind IN ('r', 'p') AND relpersistence = 'p'`,
        ),
      )
      for (const { name } of tables) {
        const rows = rowsOf<{ row: string }>(
          await db.execute(
            sql`SELECT t::text AS row FROM halyard.${sql.identifier(name)} t ORDER BY t::text COLLATE "C"`,
          ),
        )
        const digest = createHash('sha256').update(rows.map(({ row }) => row).join('\n'))
        contents[name] = `${rows.length} ${digest.digest('hex')}`
      }
      return contents
    })
  } finally {
    await database.close()
  }
}

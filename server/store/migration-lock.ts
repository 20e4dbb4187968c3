/** Of two migrators of one database one does the work, and the other finds it done. */
import { sql } from 'drizzle-orm'
import type { Db } from './database.ts'

/** The key of the advisory lock: "halyard" in ASCII, cut to a 64-bit integer. */
const LOCK = 0x68616c79617264n
/** Seconds to wait for another migrator. */
const LOCK_SECONDS = 60
/** Seconds to wait for a table: a migration behind a long reader must not queue everyone else up behind it. */
const TABLE_LOCK_SECONDS = 2

/** Waits for other migrators, until the transaction ends. From then on no table is waited for long. */
export async function lockMigrations(db: Db): Promise<void> {
  await db.execute(sql.raw(`SET LOCAL lock_timeout = '${LOCK_SECONDS}s'`))
  await db.execute(sql.raw(`SELECT pg_advisory_xact_lock(${LOCK})`))
  await db.execute(sql.raw(`SET LOCAL lock_timeout = '${TABLE_LOCK_SECONDS}s'`))
}

/**
 * Schema migrations: numbered SQL files, forward-only, each in its own transaction under an advisory lock, so that
 * of two migrators one does the work and the other finds it done.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { Problem } from '../domain/problem.ts'
import { letApplicationRoleIn } from './application-role.ts'
import { type Database, type Db, type Log, rowsOf, silent } from './database.ts'
import { sqlState } from './faults.ts'
import { lockMigrations } from './migration-lock.ts'

export type Migration = {
  /** `0001-logs`: the order in which they apply. */
  readonly name: string
  readonly statements: readonly string[]
}

// The same from server/store and from dist/store.
const FOLDER = fileURLToPath(new URL('../../migrations/', import.meta.url))
/** SQLSTATE, where `lock_timeout` ran out. */
const LOCK_NOT_AVAILABLE = '55P03'
const RETRY_AFTER_SECONDS = 5
const BREAKPOINT = '--> statement-breakpoint'

/** The migrations of this build, in order. */
export function shippedMigrations(): readonly Migration[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => ({
      name: file.slice(0, -'.sql'.length),
      statements: readFileSync(`${FOLDER}${file}`, 'utf8').split(BREAKPOINT),
    }))
}

/**
 * Applies what the database has not yet.
 * @returns the names of the migrations that this call applied
 * @throws Problem `unavailable` where the database fails, or the lock is not free in time
 */
export async function applyMigrations(
  database: Database,
  migrations: readonly Migration[] = shippedMigrations(),
  log: Log = silent,
): Promise<readonly string[]> {
  // Not on a connection that stays: it would keep the rights that it has before there is a role to take.
  const known = await database.survey(appliedNames)
  const done: string[] = []
  for (const migration of migrations) {
    if (known.has(migration.name)) continue
    const applied = await database
      .transact('migration', async (db) => {
        const keep = await applyOne(db, migration)
        return { keep, value: keep }
      })
      .catch((error: unknown) => {
        throw inTheWay(error, migration)
      })
    if (!applied) continue
    done.push(migration.name)
    log.info({ migration: migration.name }, 'the database schema was migrated')
  }
  if (database.hasRoles) await letApplicationRoleIn(database, done.length > 0, log)
  return done
}

/** Says of a lock that was not free in time whose it may be: what is said of edits is of no use here. */
function inTheWay(error: unknown, { name }: Migration): unknown {
  if (!(error instanceof Problem) || sqlState(error.cause) !== LOCK_NOT_AVAILABLE) return error
  return new Problem(
    'unavailable',
    `The migration ${name} needs a table that a long transaction uses, or another migrator is at work (pg_stat_activity shows them). It waits for 2 s at most, since edits wait behind it. Nothing was changed; try again.`,
    { retryAfter: RETRY_AFTER_SECONDS, cause: error.cause },
  )
}

/** The names of this build's migrations that the database has not. */
export async function missingMigrations(database: Database): Promise<readonly string[]> {
  const known = await database.survey(appliedNames)
  return shippedMigrations()
    .map(({ name }) => name)
    .filter((name) => !known.has(name))
}

async function applyOne(db: Db, migration: Migration): Promise<boolean> {
  await lockMigrations(db)
  if ((await appliedNames(db)).has(migration.name)) return false
  await runMigration(db, migration)
  return true
}

/** Runs a migration's statements in the transaction at hand, and notes its name. */
export async function runMigration(db: Db, migration: Migration): Promise<void> {
  await db.execute(sql.raw('CREATE SCHEMA IF NOT EXISTS halyard'))
  await db.execute(
    sql.raw(
      'CREATE TABLE IF NOT EXISTS halyard.migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL)',
    ),
  )
  for (const statement of migration.statements) await db.execute(sql.raw(statement))
  await db.execute(
    sql`INSERT INTO halyard.migrations (name, applied_at) VALUES (${migration.name}, clock_timestamp())`,
  )
}

export async function appliedNames(db: Db): Promise<ReadonlySet<string>> {
  const [table] = rowsOf<{ readonly there: boolean }>(
    await db.execute(sql`SELECT to_regclass('halyard.migrations') IS NOT NULL AS there`),
  )
  if (table?.there !== true) return new Set()
  const rows = rowsOf<{ readonly name: string }>(await db.execute(sql`SELECT name FROM halyard.migrations`))
  return new Set(rows.map((row) => row.name))
}

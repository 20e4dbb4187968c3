/**
 * The role that the service's sessions run as: it can add to the history and close versions, and rewrite nothing.
 * Made and granted by whoever owns the schema, at migration; hides what each table's rights are.
 */
import { sql } from 'drizzle-orm'
import { type Database, type Db, type Log, rowsOf } from './database.ts'
import { lockMigrations } from './migration-lock.ts'

/** Roles are the cluster's: databases of one cluster share its name, and each grants it rights of its own. */
const ROLE = 'halyard_app'

/**
 * Whether a session may become the role. From PostgreSQL 16 on there are members that may not: whoever makes a role is one.
 */
const mayTake = (role: string) =>
  `pg_has_role(${role}, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)`

/**
 * For every session that serves requests, where the role is there, has been let in, and may be taken. With a login
 * role that is only a member of it, this takes away nothing that could be had back.
 */
export const TAKE_ROLE = `SELECT set_config('role', rolname, false) FROM pg_roles
  WHERE rolname = '${ROLE}' AND ${mayTake('oid')}
    AND has_schema_privilege(oid, to_regnamespace('halyard'), 'USAGE')`

/** What a log's head is, and what a lock of it takes. */
const HEAD = 'epoch, revision, head_hash, bytes, digest, closed_at, changed_at'

const GRANTS = [
  'GRANT USAGE ON SCHEMA halyard',
  'GRANT SELECT ON ALL TABLES IN SCHEMA halyard',
  'GRANT INSERT ON halyard.logs, halyard.changes, halyard.entries',
  'GRANT UPDATE (superseded_at_revision) ON halyard.entries',
  `GRANT UPDATE (${HEAD}) ON halyard.logs`,
  // No part of the history: rows that newer ones overwrite.
  'GRANT INSERT, UPDATE, DELETE ON halyard.key_uses, halyard.flag_reads',
  'GRANT USAGE ON SCHEMA halyard_usage',
  'GRANT SELECT, INSERT, UPDATE ON halyard_usage.counts',
  'GRANT SELECT, INSERT, DELETE ON halyard_usage.batches',
  'GRANT EXECUTE ON FUNCTION halyard_usage.turn',
  'GRANT INSERT, UPDATE, DELETE ON halyard.notices, halyard.kill_reports',
].map((grant) => `${grant} TO ${ROLE};`)

/**
 * Two migrators of one cluster may make it at once, and not everyone may. Whoever makes a role is not always a member
 * of it, and must be, to let the service take it.
 */
const MAKE = `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${ROLE}') THEN
    CREATE ROLE ${ROLE} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
  NULL;
END $$`
const JOIN = `DO $$ BEGIN
  IF NOT ${mayTake(`'${ROLE}'`)} THEN
    EXECUTE 'GRANT ${ROLE} TO CURRENT_USER' ||
      CASE WHEN current_setting('server_version_num')::int < 160000 THEN '' ELSE ' WITH SET TRUE' END;
  END IF;
EXCEPTION WHEN insufficient_privilege OR unique_violation THEN
  NULL;
END $$`

type Standing = {
  readonly there: boolean
  readonly granted: boolean
  readonly owner: boolean
  /** Whether sessions of the URL's user can be the role. */
  readonly mine: boolean
}

async function standing(db: Db): Promise<Standing> {
  const [row] = rowsOf<Standing>(
    await db.execute(sql`
      SELECT r.oid IS NOT NULL AS there, pg_has_role(n.nspowner, 'USAGE') AS owner,
        coalesce(${sql.raw(mayTake('r.oid'))}, false) AS mine,
        coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), false) AS granted
      FROM pg_namespace n LEFT JOIN pg_roles r ON r.rolname = ${ROLE} WHERE n.nspname = 'halyard'`),
  )
  return row ?? { there: false, granted: false, owner: false, mine: false }
}

/**
 * Makes the role where it is missing, and grants it what it needs, if the URL's user owns the schema.
 * @param anew also where it was granted before: tables may have come since
 */
export async function letApplicationRoleIn(database: Database, anew: boolean, log: Log): Promise<void> {
  const { owner, granted } = await database.survey(standing)
  if (!owner || (granted && !anew)) return
  await database.transact('migration', async (db) => {
    await lockMigrations(db)
    return { keep: await grantRights(db, log), value: undefined }
  })
}

/**
 * The same in a transaction at hand, of whoever owns the schema.
 * @returns whether the role has them: not where it is missing, and this user may not make it
 */
export async function grantRights(db: Db, log: Log): Promise<boolean> {
  const before = await standing(db)
  if (!before.there) await db.execute(sql.raw(MAKE))
  if (!before.there && !(await standing(db)).there) {
    log.warn(
      { role: ROLE },
      'the database user may not make roles, so the service runs with all of its rights: see docs/audit.md',
    )
    return false
  }
  await db.execute(sql.raw(JOIN))
  if (!(await standing(db)).mine) {
    log.warn(
      { role: ROLE },
      'the database user may not take the role, so the service runs with all of its rights: see docs/audit.md',
    )
  }
  for (const grant of GRANTS) await db.execute(sql.raw(grant))
  return true
}

/**
 * The seam between the store and a driver: transactions in three strengths, over drizzle's one `PgDatabase`
 * type. It hides pools, deadlines and mutexes; whatever fails comes out as a `Problem` or as a bug.
 */
import { type SQL, sql } from 'drizzle-orm'
import { type PgDatabase, PgDialect, type PgQueryResultHKT } from 'drizzle-orm/pg-core'

/** What the store's queries run on, be it a connection, a transaction or PGlite. */
export type Db = PgDatabase<PgQueryResultHKT>

/** Gives the running transaction this many milliseconds more, for a large write. */
export type Allow = (ms: number) => Promise<void>

/** `keep: false` rolls back: nothing was worth writing, or it was a dry run. */
export type Outcome<T> = { readonly keep: boolean; readonly value: T }

/** The part of pino that this room uses. */
export type Log = {
  info(detail: object, message: string): void
  warn(detail: object, message: string): void
  error(detail: object, message: string): void
}
export const silent: Log = { info: () => {}, warn: () => {}, error: () => {} }

/**
 * `edit`: READ COMMITTED, so that a statement after a lock sees what the former holder wrote. `kill`: the same on
 * the connection kept for kills, with a short lock time-out. `migration`: without the deadlines of requests, and with
 * the rights of whoever the URL names.
 */
export type Lane = 'edit' | 'kill' | 'migration'

export interface Database {
  /** Whether sessions can run as a role with fewer rights than the owner's: not where there is one session for all. */
  readonly hasRoles: boolean
  /** Single statements: each is its own snapshot. */
  read<T>(work: (db: Db) => Promise<T>): Promise<T>
  /** One REPEATABLE READ, READ ONLY snapshot. */
  snapshot<T>(work: (db: Db) => Promise<T>): Promise<T>
  /** The same for a walk through whole logs, which may take minutes: on a connection that no request waits for. */
  survey<T>(work: (db: Db) => Promise<T>): Promise<T>
  /**
   * One write transaction.
   * @param withinMs milliseconds that the caller still has; the driver's own deadline where absent
   */
  transact<T>(lane: Lane, work: (db: Db, allow: Allow) => Promise<Outcome<T>>, withinMs?: number): Promise<T>
  /** Payloads of the channel, from other sessions. Resolves after the first attempt, successful or not. */
  listen(onPayload: (payload: string) => void): Promise<() => Promise<void>>
  /** Answers within the deadline, on every kind of connection that requests need. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** The channel of change notifications. */
export const CHANNEL = 'halyard'

/**
 * For every session. All statements of the store find rows by an index, one by one where rows are joined. Without
 * statistics (a new database, the embedded one, just after an import) the planner expects next to no current entries
 * and would rather go through those of all logs; and a plan made for small tables is kept while they grow.
 *
 * A scan that no index can do instead (of all logs, each second) then counts as immensely dear, and the server would
 * compile it first, for a hundred milliseconds. No statement of the store gains by that.
 */
export const SESSION = 'SET enable_seqscan = off; SET jit = off'

const dialect = new PgDialect()

/**
 * A value in a statement, given by its name when the statement is run.
 * @param type of Postgres, such as `bigint` or `text[]`
 */
export const value = (name: string, type: string): SQL => sql`${sql.placeholder(name)}::${sql.raw(type)}`

/**
 * A statement built once, and prepared once a connection where the driver can. Values stand in it as `value(…)`, or
 * where their type goes without saying as `sql.placeholder(name)`.
 * @param name unique: the server keeps the plan under it
 */
export function statement<Row>(
  name: string,
  query: SQL,
): (db: Db, values: Record<string, unknown>) => Promise<readonly Row[]> {
  const built = dialect.sqlToQuery(query)
  return async (db, values) => {
    const prepared = db._.session.prepareQuery<{
      execute: { readonly rows: readonly Row[] }
      all: unknown
      values: unknown
    }>(built, undefined, name, false)
    return (await prepared.execute(values)).rows
  }
}

/** Both drivers answer a raw statement with `{ rows }`; drizzle's shared type does not say so. */
export function rowsOf<Row>(answer: unknown): readonly Row[] {
  return (answer as { readonly rows: readonly Row[] }).rows
}

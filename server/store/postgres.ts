/**
 * The driver for a Postgres server: a pool for requests and one connection kept for kills, each call under a
 * deadline of ours, because a frozen server never fires its own. A connection in doubt is destroyed.
 */
import { randomBytes } from 'node:crypto'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { TAKE_ROLE } from './application-role.ts'
import type { Allow, Database, Db, Log, Outcome } from './database.ts'
import { SESSION, silent } from './database.ts'
import { type Deadline, startDeadline } from './deadline.ts'
import { DeadlineError, driverError, faultOf, isLost, unavailable, uncertain } from './faults.ts'
import { applyMigrations } from './migrate.ts'
import { createStore, type StoreOptions } from './open-store.ts'
import { holdAlone } from './postgres-alone.ts'
import { listenOnPostgres } from './postgres-listen.ts'
import { strictUrl } from './postgres-url.ts'
import type { Store } from './store.ts'

/** Milliseconds. */
export type Deadlines = {
  /** To connect and to get the first answer, of any call. */
  readonly connect: number
  /** A whole edit, or a read of what is newer. */
  readonly request: number
  /** A whole kill. */
  readonly kill: number
  /** A load of whole logs, which may be tens of megabytes. */
  readonly load: number
  /** One statement of a walk through whole logs. */
  readonly survey: number
  /** To wait for a row's lock. */
  readonly lock: number
  readonly killLock: number
}
const DEADLINES: Deadlines = {
  connect: 3000,
  request: 3000,
  kill: 900,
  load: 30_000,
  survey: 60_000,
  lock: 2000,
  killLock: 500,
}

export type PostgresOptions = {
  readonly url: string
  /** Connections for requests; one more is kept for kills, and one listens. */
  readonly connections?: number
  readonly deadlines?: Partial<Deadlines>
  readonly random?: () => number
  readonly log?: Log
}

/**
 * A store on a Postgres server. Resolves whether or not the server answers: schema and connection are made by
 * the first call that gets through, and every call before that is `unavailable`.
 */
export async function openPostgres(options: PostgresOptions & Partial<StoreOptions>): Promise<Store> {
  return createStore(postgresDatabase(options), {
    clock: options.clock ?? { now: () => Date.now() },
    randomBytes: options.randomBytes ?? randomBytes,
    log: options.log ?? silent,
    notify: options.notify,
  })
}

/**
 * Brings the schema of a Postgres database up to this build.
 * @returns the names of the migrations that this call applied
 * @throws Problem `unavailable` where the database cannot be reached, or another migrator holds it for a minute
 */
export async function migrate(url: string): Promise<readonly string[]> {
  const database = postgresDatabase({ url })
  try {
    return await applyMigrations(database)
  } finally {
    await database.close()
  }
}

const EDIT = 'BEGIN ISOLATION LEVEL READ COMMITTED'
const SURVEY = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'

/** The driver alone: what `openPostgres` puts a store on. */
export function postgresDatabase(options: PostgresOptions): Database {
  const deadlines: Deadlines = { ...DEADLINES, ...options.deadlines }
  const log = options.log ?? silent
  const connection: pg.ClientConfig = {
    connectionString: strictUrl(options.url),
    application_name: 'halyard',
    connectionTimeoutMillis: deadlines.connect,
    keepAlive: true,
    statement_timeout: deadlines.request,
    lock_timeout: deadlines.lock,
    // A process of ours that freezes must not hold a row for ever.
    idle_in_transaction_session_timeout: deadlines.request + 2000,
  }
  const requests = poolOf({ ...connection, max: options.connections ?? 10, idleTimeoutMillis: 30_000 }, log)
  const kills = poolOf({ ...connection, lock_timeout: deadlines.killLock, max: 1, idleTimeoutMillis: 0 }, log)
  const snapshot = `${SURVEY}; SET LOCAL statement_timeout = ${deadlines.load}`
  const alone = { ...connection, idle_in_transaction_session_timeout: 60_000 }
  const listeners = new Set<() => Promise<void>>()
  let closing: Promise<void> | undefined

  const take = (pool: pg.Pool, withinMs: number, begin?: string): Taking => ({
    pool,
    begin,
    withinMs,
    connectMs: Math.min(deadlines.connect, withinMs),
  })
  const ask = (pool: pg.Pool) => hold(take(pool, deadlines.request), ({ db }) => db.execute('select 1'))
  const close = async () => {
    await Promise.all([...listeners].map((stop) => stop()))
    await Promise.all([requests.end(), kills.end()])
  }
  return {
    hasRoles: true,
    read: (work) => hold(take(requests, deadlines.request), ({ db }) => work(db)),
    snapshot: (work) =>
      hold(take(requests, deadlines.load, snapshot), (session) =>
        finish(session, async (db) => ({ keep: false, value: await work(db) })),
      ),
    survey: (work) => {
      const patient = {
        ...alone,
        statement_timeout: deadlines.survey,
        query_timeout: deadlines.survey + 5000,
      }
      return holdAlone(patient, SURVEY, async (db) => ({ keep: false, value: await work(db) }))
    },
    transact: (lane, work, withinMs = Number.POSITIVE_INFINITY) => {
      if (lane === 'migration') return holdAlone({ ...alone, statement_timeout: false }, EDIT, work)
      const [pool, own] = lane === 'kill' ? [kills, deadlines.kill] : [requests, deadlines.request]
      return hold(take(pool, Math.min(own, withinMs), EDIT), (session) => finish(session, work))
    },
    listen: async (onPayload) => {
      const stop = await listenOnPostgres({
        connect: () => new pg.Client({ ...connection, query_timeout: deadlines.request }),
        random: options.random ?? Math.random,
        onPayload,
        log,
      })
      listeners.add(stop)
      return async () => {
        listeners.delete(stop)
        await stop()
      }
    },
    ping: async () => {
      // The kill's connection is opened before it is needed, when connections may be short.
      await Promise.all([ask(requests), ...(kills.totalCount === 0 ? [ask(kills)] : [])])
    },
    close: () => {
      closing ??= close()
      return closing
    },
  }
}

function poolOf(config: pg.PoolConfig, log: Log): pg.Pool {
  // With a time-out of its own: while it waits, the connection already counts.
  const settings = { text: `${SESSION}; ${TAKE_ROLE}`, query_timeout: config.connectionTimeoutMillis }
  const pool = new pg.Pool({ ...config, onConnect: (client) => client.query(settings) })
  // An idle connection that the server ends is removed by the pool; without a listener it would end the process.
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection was lost'))
  // The same for one that is in use: its query rejects, and says it.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** How a connection is taken: from where, opened with what, and how long the whole may last. */
type Taking = {
  readonly pool: pg.Pool
  readonly begin: string | undefined
  readonly withinMs: number
  readonly connectMs: number
}

type Session = {
  readonly db: Db
  readonly allow: Allow
  /** Ends the transaction. Rejects with what to throw. */
  commit(): Promise<void>
  rollback(): Promise<void>
  /** Whether COMMIT was sent. */
  readonly committing: () => boolean
}

/** Runs the work, then COMMIT or ROLLBACK. */
async function finish<T>(session: Session, work: (db: Db, allow: Allow) => Promise<Outcome<T>>): Promise<T> {
  const outcome = await work(session.db, session.allow)
  await (outcome.keep ? session.commit() : session.rollback())
  return outcome.value
}

/** Runs `use` on a connection of the pool under a deadline; a connection in doubt is destroyed. */
async function hold<T>(taking: Taking, use: (session: Session) => Promise<T>): Promise<T> {
  const deadline = startDeadline(taking.withinMs)
  try {
    const client = await taken(taking)
    const session = sessionOn(client, deadline)
    try {
      const value = await deadline.race(use(session))
      client.release()
      return value
    } catch (error) {
      await giveBack(client, error, taking.begin !== undefined, deadline)
      throw error instanceof DeadlineError && session.committing() ? uncertain(error) : faultOf(error)
    }
  } finally {
    deadline.clear()
  }
}

/** A connection with its transaction begun. One that turns out dead (the server restarted) is replaced once. */
async function taken({ pool, begin, connectMs }: Taking): Promise<pg.PoolClient> {
  const deadline = startDeadline(connectMs)
  try {
    for (let attempt = 1; ; attempt++) {
      const connecting = pool.connect()
      const client = await deadline.race(connecting).catch((error: unknown) => {
        connecting.then(
          (late) => late.release(),
          () => {},
        )
        throw error
      })
      if (begin === undefined) return client
      try {
        await deadline.race(client.query(begin))
        return client
      } catch (error) {
        client.release(true)
        if (attempt === 2 || error instanceof DeadlineError || !isLost(error)) throw error
      }
    }
  } catch (error) {
    throw unavailable(error)
  } finally {
    deadline.clear()
  }
}

const databases = new WeakMap<pg.ClientBase, Db>()
function databaseOf(client: pg.PoolClient): Db {
  const known = databases.get(client)
  if (known !== undefined) return known
  const made = drizzle({ client })
  databases.set(client, made)
  return made
}

function sessionOn(client: pg.PoolClient, deadline: Deadline): Session {
  let committing = false
  return {
    db: databaseOf(client),
    allow: async (ms) => {
      deadline.extend(ms)
      await client.query(`SET LOCAL statement_timeout = ${Math.ceil(ms)}`).catch((error: unknown) => {
        throw unavailable(error)
      })
    },
    commit: async () => {
      committing = true
      const answer = await client.query('COMMIT').catch((error: unknown) => {
        throw isLost(error) ? uncertain(error) : unavailable(error)
      })
      // COMMIT of a transaction that failed is answered by a successful ROLLBACK.
      if (answer.command !== 'COMMIT') throw new Error(`COMMIT was answered by ${answer.command}`)
    },
    rollback: async () => {
      await client.query('ROLLBACK').catch((error: unknown) => {
        throw unavailable(error)
      })
    },
    committing: () => committing,
  }
}

/** After a failure: rolls back and keeps the connection where it is sound, destroys it where it may not be. */
async function giveBack(
  client: pg.PoolClient,
  error: unknown,
  begun: boolean,
  deadline: Deadline,
): Promise<void> {
  const cause = driverError(error)
  if (cause instanceof DeadlineError || (cause !== error && isLost(cause))) {
    client.release(true)
  } else if (begun) {
    await deadline.race(client.query('ROLLBACK')).then(
      () => client.release(),
      () => client.release(true),
    )
  } else {
    client.release()
  }
}

/**
 * The driver for the embedded database: PGlite, Postgres compiled to WebAssembly, in this process and in a folder.
 * For development and small installations, one instance. Nothing acknowledged is lost when the process is killed;
 * it does not call fsync, so a power failure may lose the newest commits.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import type { PgTransactionConfig } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/pglite'
import { type Allow, type Database, type Db, type Outcome, SESSION, silent } from './database.ts'
import { driverError, faultOf, unavailable, uncertain } from './faults.ts'
import { lockFolder } from './folder-lock.ts'
import { applyMigrations } from './migrate.ts'
import { createStore, type StoreOptions } from './open-store.ts'
import type { Store } from './store.ts'

export type EmbeddedOptions = {
  /** The folder to keep the database in; made where it is missing. */
  readonly dir: string
  /** A prepared empty database to start from: making one takes seconds and hundreds of megabytes. */
  readonly prepared?: string
}

// The same from server/store and from dist/store.
export const PREPARED = fileURLToPath(new URL('../../dist/embedded/', import.meta.url))
const DATABASE_FOLDER = 'postgres'
const PARTIAL = `${DATABASE_FOLDER}.partial-`

/**
 * A store on the embedded database.
 * @throws FolderInUseError where another process uses the folder, EmbeddedBrokenError where PGlite does not open what is
 *   in it, or the file system's error
 */
export async function openEmbedded(options: EmbeddedOptions & Partial<StoreOptions>): Promise<Store> {
  return createStore(await embeddedDatabase(options), {
    clock: options.clock ?? { now: () => Date.now() },
    randomBytes: options.randomBytes ?? randomBytes,
    log: options.log ?? silent,
  })
}

/** The driver alone: what `openEmbedded` puts a store on. */
export async function embeddedDatabase(options: EmbeddedOptions): Promise<Database> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 })
  const unlock = await lockFolder(options.dir)
  try {
    const pglite = await opened(databaseFolder(options))
    return databaseOn(pglite, unlock)
  } catch (error) {
    await unlock()
    throw error
  }
}

/** Makes a prepared database, its schema migrated, in a folder that does not exist yet. */
export async function prepareEmbedded(folder: string): Promise<void> {
  const draft = `${folder.replace(/\/+$/, '')}.partial-${randomUUID().slice(0, 8)}`
  mkdirSync(draft, { recursive: true })
  const database = databaseOn(await PGlite.create(draft), async () => {})
  await applyMigrations(database)
  await database.close()
  renameSync(draft, folder)
}

/** Where a data folder has its database. */
export const folderOf = (dir: string): string => join(dir, DATABASE_FOLDER)

/**
 * Whether a data folder has a database.
 * @throws the file system's error where that cannot be seen, or this user may not work on it
 */
export function hasEmbedded(dir: string): boolean {
  const folder = folderOf(dir)
  try {
    readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  return true
}

/** Thrown where there is a database that PGlite does not open: what it says of that is for programmers. */
export class EmbeddedBrokenError extends Error {
  override readonly name = 'EmbeddedBrokenError'
}

async function opened(folder: string): Promise<PGlite> {
  try {
    const pglite = await PGlite.create(folder)
    await pglite.exec(SESSION)
    return pglite
  } catch (cause) {
    // Of its file system come objects that are no errors.
    const why =
      cause instanceof Error ? cause.message : `error ${(cause as { readonly errno?: unknown }).errno}`
    throw new EmbeddedBrokenError(
      `The embedded database in ${folder} does not open (${why}): it is damaged, of a release with another Postgres, its disk is full, or some of its files are another user’s. Restore a backup into another HALYARD_DATA_DIR, or mend that one.`,
    )
  }
}

/** Thrown where a folder that should get a database has one. */
export class EmbeddedExistsError extends Error {
  override readonly name = 'EmbeddedExistsError'
}

/**
 * Makes the folder's database whole or not at all: it gets its name when the work is done.
 * @throws FolderInUseError, EmbeddedExistsError, and what the work throws
 */
export async function makeEmbedded<T>(
  options: EmbeddedOptions,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const { dir } = options
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const unlock = await lockFolder(dir)
  try {
    if (existsSync(folderOf(dir))) {
      throw new EmbeddedExistsError(
        `${folderOf(dir)} is there already, and nothing is ever overwritten: set HALYARD_DATA_DIR to another folder, or move this one away.`,
      )
    }
    removePartial(dir)
    const draft = draftIn(options)
    try {
      const database = databaseOn(await opened(draft), async () => {})
      const value = await work(database).finally(() => database.close())
      renameSync(draft, folderOf(dir))
      return value
    } finally {
      rmSync(draft, { recursive: true, force: true })
    }
  } finally {
    await unlock()
  }
}

/** The database's folder, copied from the prepared one at the first start. A copy cut short is made again. */
function databaseFolder(options: EmbeddedOptions): string {
  const folder = folderOf(options.dir)
  removePartial(options.dir)
  if (!hasEmbedded(options.dir) && isPrepared(options)) renameSync(draftIn(options), folder)
  return folder
}

/** A folder that may become the database's: a copy of the prepared one, where there is one. */
function draftIn(options: EmbeddedOptions): string {
  const draft = join(options.dir, `${PARTIAL}${randomUUID().slice(0, 8)}`)
  if (isPrepared(options)) cpSync(options.prepared ?? PREPARED, draft, { recursive: true })
  return draft
}

const isPrepared = ({ prepared = PREPARED }: EmbeddedOptions): boolean =>
  existsSync(join(prepared, 'PG_VERSION'))

function removePartial(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (name.startsWith(PARTIAL)) rmSync(join(dir, name), { recursive: true, force: true })
  }
}

const rolledBack = Symbol('rolled back')

function databaseOn(pglite: PGlite, unlock: () => Promise<void>): Database {
  const root = drizzle({ client: pglite })
  let closing: Promise<void> | undefined

  const transact = async <T>(
    config: PgTransactionConfig,
    work: (db: Db, allow: Allow) => Promise<Outcome<T>>,
  ): Promise<T> => {
    let begun = false
    let outcome: Outcome<T> | undefined
    try {
      return await root.transaction(async (tx) => {
        begun = true
        outcome = await work(tx, async () => {})
        if (!outcome.keep) throw rolledBack
        return outcome.value
      }, config)
    } catch (error) {
      if (error === rolledBack && outcome !== undefined) return outcome.value
      if (!begun) throw unavailable(driverError(error))
      // Where the work was done, it was COMMIT that failed.
      throw outcome === undefined ? faultOf(error) : uncertain(driverError(error))
    }
  }
  const snapshot = <T>(work: (db: Db) => Promise<T>): Promise<T> =>
    transact({ isolationLevel: 'repeatable read', accessMode: 'read only' }, async (db) => ({
      keep: false,
      value: await work(db),
    }))
  const close = async () => {
    await pglite.close()
    await unlock()
  }
  return {
    hasRoles: false,
    read: async (work) => {
      try {
        return await work(root)
      } catch (error) {
        throw faultOf(error)
      }
    },
    snapshot,
    survey: snapshot,
    transact: (_lane, work) => transact({ isolationLevel: 'read committed' }, work),
    // There are no other instances.
    listen: async () => async () => {},
    ping: async () => {
      try {
        await root.execute('select 1')
      } catch (error) {
        throw unavailable(driverError(error))
      }
    },
    close: () => {
      closing ??= close()
      return closing
    },
  }
}

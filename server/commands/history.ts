/**
 * What the commands that work on the history share: the database as it is, the names of logs, and exit codes that tell a
 * database that is away, or a mistake of ours, from an answer.
 */
import { existsSync } from 'node:fs'
import { openDatabase } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { Problem } from '../domain/problem.ts'
import { type Database, silent } from '../store/database.ts'
import { folderOf } from '../store/embedded.ts'
import { FolderInUseError } from '../store/folder-lock.ts'
import { missingMigrations } from '../store/migrate.ts'
import type { LogRow } from '../store/verify-reads.ts'
import { configOf, type Edge, EXIT, Refusal, reasonOf } from './command.ts'

/**
 * Works on the database that the service would open. It must be there, with the schema of this release: nothing is made
 * and nothing is migrated here.
 */
export async function onHistory(edge: Edge, work: (database: Database) => Promise<number>): Promise<number> {
  const config = configOf(edge)
  try {
    if (config.database === 'embedded' && !existsSync(folderOf(config.dataDir))) {
      throw new Refusal(
        `${config.dataDir} has no embedded database: set HALYARD_DATA_DIR, or DATABASE_URL.`,
        EXIT.usage,
      )
    }
    const database = await openDatabase(config, silent)
    try {
      await expectSchema(database, config)
      return await work(database)
    } finally {
      await database.close()
    }
  } catch (error) {
    throw refusalOf(error)
  }
}

async function expectSchema(database: Database, config: Config): Promise<void> {
  const missing = await missingMigrations(database)
  if (missing.length === 0) return
  const what = config.database === 'embedded' ? 'start the service once' : 'run `halyard-server migrate`'
  throw new Refusal(
    `The database lacks what this release needs (${missing.join(', ')}): ${what}, or see whether it is the right database.`,
    EXIT.usage,
  )
}

function refusalOf(error: unknown): Error {
  if (error instanceof Refusal || error instanceof ConfigError) return error
  if (error instanceof FolderInUseError) {
    const text = `${error.message} The embedded database has one process at a time: stop the service first.`
    return new Refusal(text, EXIT.unavailable)
  }
  const away = error instanceof Problem && error.type === 'unavailable'
  return new Refusal(reasonOf(error), away ? EXIT.unavailable : EXIT.bug)
}

/** A log by the keys of its project and environment; by its id too where it was deleted, and may share them. */
export function nameOf({ id, kind, project, environment, closed }: LogRow): string {
  const name = kind === 'system' ? 'system' : kind === 'project' ? project : `${project}/${environment}`
  return closed ? `${name} (deleted, ${id})` : name
}

/** Whether a log is one that a person means by `system`, `project` or `project/environment`. */
export function isNamed(log: LogRow, name: string): boolean {
  const { kind, project, environment } = log
  return name === (kind === 'system' ? 'system' : kind === 'project' ? project : `${project}/${environment}`)
}

export const count = (number: number): string => number.toLocaleString('en')

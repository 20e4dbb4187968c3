/**
 * What the commands that work on the history share: the schema that they need, and the names of logs.
 */
import type { Config } from '../config.ts'
import type { Database } from '../store/database.ts'
import { missingMigrations } from '../store/migrate.ts'
import { type LogRow, readLogRows } from '../store/verify-reads.ts'
import { configOf, type Edge, EXIT, Refusal } from './command.ts'
import { onDatabase } from './on-database.ts'

/** Works on the history that the service would open. It must have the schema of this release: nothing is migrated here. */
export function onHistory(edge: Edge, work: (database: Database) => Promise<number>): Promise<number> {
  const config = configOf(edge)
  return onDatabase(config, async (database) => {
    await expectSchema(database, config)
    return work(database)
  })
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

/**
 * Looks for logs that a person named before anything is done with the others: a name that is misspelt must not be told of
 * what is half done.
 * @param isMeant which of the logs the command works on
 */
export async function expectLogs(
  database: Database,
  names: readonly string[],
  what: 'log' | 'environment',
  isMeant: (log: LogRow) => boolean = () => true,
): Promise<void> {
  if (names.length === 0) return
  const logs = (await database.survey((db) => readLogRows(db, {}))).filter(isMeant)
  const unknown = names.find((name) => !logs.some((log) => isNamed(log, name)))
  if (unknown !== undefined) throw new Refusal(`There is no ${what} ${unknown}.`, EXIT.usage)
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

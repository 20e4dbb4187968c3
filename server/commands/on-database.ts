/**
 * The database of the settings, for commands that work on it beside the service; and failures as sentences, with exit
 * codes that tell a database that is away, or a mistake of ours, from an answer.
 */
import { existsSync } from 'node:fs'
import { openDatabase } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { Problem } from '../domain/problem.ts'
import { type Database, silent } from '../store/database.ts'
import { EmbeddedExistsError, folderOf } from '../store/embedded.ts'
import { sqlState } from '../store/faults.ts'
import { FolderInUseError } from '../store/folder-lock.ts'
import { BackupError } from '../store/moving/format.ts'
import { EXIT, Refusal, reasonOf } from './command.ts'

/** Works on the database that the service would open. It must be there: nothing is made and nothing is migrated. */
export async function onDatabase<T>(config: Config, work: (database: Database) => Promise<T>): Promise<T> {
  return inWords(async () => {
    if (config.database === 'embedded' && !existsSync(folderOf(config.dataDir))) {
      throw new Refusal(
        `${config.dataDir} has no embedded database: set HALYARD_DATA_DIR, or DATABASE_URL.`,
        EXIT.usage,
      )
    }
    const database = await openDatabase(config, silent)
    return work(database).finally(() => database.close())
  })
}

/** Whatever the work fails with, as a refusal. */
export async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw refusalOf(error)
  }
}

function refusalOf(error: unknown): Error {
  if (error instanceof Refusal || error instanceof ConfigError) return error
  if (error instanceof FolderInUseError) {
    const text = `${error.message} The embedded database has one process at a time: stop the service first.`
    return new Refusal(text, EXIT.unavailable)
  }
  if (error instanceof BackupError || error instanceof EmbeddedExistsError) return new Refusal(error.message)
  if (error instanceof Error && sqlState(error.cause) === '42501') {
    return new Refusal(
      `The role of DATABASE_URL may not do this; its owner may (${reasonOf(error.cause)}).`,
      EXIT.usage,
    )
  }
  if (error instanceof Problem && error.type === 'unavailable')
    return new Refusal(reasonOf(error), EXIT.unavailable)
  // Of files: their messages name the file.
  const ofFiles = error instanceof Error && 'syscall' in error
  return new Refusal(reasonOf(error), ofFiles ? EXIT.failed : EXIT.bug)
}

/**
 * The database of the settings, for commands that work on it beside the service; and failures as sentences, with exit
 * codes that tell a database that is away, or a mistake of ours, from an answer.
 */
import { openDatabase } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { folderFault } from '../data-folder.ts'
import { Problem } from '../domain/problem.ts'
import { type Database, silent } from '../store/database.ts'
import { EmbeddedBrokenError, EmbeddedExistsError, hasEmbedded } from '../store/embedded.ts'
import { type Misdirection, misdirectionOf, sqlState } from '../store/faults.ts'
import { FolderInUseError } from '../store/folder-lock.ts'
import { BackupError } from '../store/moving/format.ts'
import { EXIT, Refusal, reasonOf } from './command.ts'

/** Works on the database that the service would open. It must be there: nothing is made and nothing is migrated. */
export async function onDatabase<T>(config: Config, work: (database: Database) => Promise<T>): Promise<T> {
  return inWords(config, async () => {
    if (config.database === 'embedded' && !hasEmbedded(config.dataDir)) {
      throw new Refusal(
        `${config.dataDir} has no embedded database: set HALYARD_DATA_DIR, or DATABASE_URL.`,
        EXIT.usage,
      )
    }
    const database = await openDatabase(config, silent)
    return work(database).finally(() => database.close())
  })
}

/**
 * Whatever the work fails with, as a refusal.
 * @param config of the database that it works on
 * @param setting where the database's URL was given
 */
export async function inWords<T>(
  config: Pick<Config, 'database' | 'dataDir'>,
  work: () => Promise<T>,
  setting = 'DATABASE_URL',
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw refusalOf(error, config, setting)
  }
}

/** A URL that leads nowhere, in words: what is wrong and what to look at; undefined where that is not what failed. */
export function misdirected(error: unknown, database: string, setting = 'DATABASE_URL'): string | undefined {
  const driver = error instanceof Problem ? error.cause : undefined
  const misdirection = misdirectionOf(driver)
  if (misdirection === undefined) return undefined
  const { protocol, username, host, pathname } = new URL(database)
  // Never the password, nor what stands behind the question mark: it may be there, too.
  const shown = `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`
  return MISDIRECTED[misdirection](setting, reasonOf(driver), shown)
}

type Sentence = (setting: string, reason: string, shown: string) => string
const MISDIRECTED: Readonly<Record<Misdirection, Sentence>> = {
  login: (setting, reason, shown) =>
    `Postgres does not let the user of ${setting} in (${reason}): check the user and the password in it (${shown}), and that pg_hba.conf lets it in from here.`,
  database: (setting, reason, shown) =>
    `The database that ${setting} names does not exist (${reason}): check its name (${shown}), or create it.`,
  plain: (setting, reason, shown) =>
    `${setting} asks for TLS, and the Postgres there takes none (${reason}): leave sslmode out of it (${shown}), or switch TLS on there.`,
  certificate: (setting, reason, shown) =>
    `The certificate of the Postgres that ${setting} names is not trusted (${reason}): name the certificates to trust in it, with sslrootcert=/path/to/ca.pem (${shown}); sslmode=no-verify encrypts without asking who answers.`,
}

/** They say in their own words what stands in the way, and what to do. */
const ANSWERS = [BackupError, EmbeddedExistsError, EmbeddedBrokenError]

function refusalOf(
  error: unknown,
  { database, dataDir }: Pick<Config, 'database' | 'dataDir'>,
  setting: string,
): Error {
  if (error instanceof Refusal || error instanceof ConfigError) return error
  if (error instanceof FolderInUseError) {
    const text = `${error.message} The embedded database has one process at a time: stop the service first.`
    return new Refusal(text, EXIT.unavailable)
  }
  if (ANSWERS.some((one) => error instanceof one)) return new Refusal(reasonOf(error))
  if (error instanceof Error && sqlState(error.cause) === '42501') {
    return new Refusal(
      `The role of ${setting} may not do this; its owner may (${reasonOf(error.cause)}).`,
      EXIT.config,
    )
  }
  const folder = database === 'embedded' ? folderFault(error, dataDir) : undefined
  if (folder !== undefined) return new Refusal(folder, EXIT.config)
  const astray = misdirected(error, database, setting)
  if (astray !== undefined) return new Refusal(astray, EXIT.config)
  if (error instanceof Problem && error.type === 'unavailable')
    return new Refusal(reasonOf(error), EXIT.unavailable)
  // Of files: their messages name the file.
  const ofFiles = error instanceof Error && 'syscall' in error
  return new Refusal(reasonOf(error), ofFiles ? EXIT.failed : EXIT.bug)
}

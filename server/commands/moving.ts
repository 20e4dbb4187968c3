/** `backup`, `restore` and `move`: everything that the database has, to a file and to another database. */
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { text } from 'node:stream/consumers'
import { fillDatabase, VERSION } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { secretIn } from '../data-folder.ts'
import type { Db } from '../store/database.ts'
import { backupOf, otherSessions } from '../store/moving/dump.ts'
import { packed, unpacked, writeBackupFile } from '../store/moving/file.ts'
import type { Footer } from '../store/moving/format.ts'
import { type Restored, restoreFrom } from '../store/moving/load.ts'
import { type Command, configOf, type Edge, EXIT, Refusal } from './command.ts'
import { count } from './history.ts'
import { inWords, onDatabase } from './on-database.ts'

/** In place of a file's name: the pipe. */
const PIPE = '-'

export const backupCommand: Command = {
  summary: 'write everything that the database has to a file',
  options: {
    out: {
      value: 'file',
      help: `its name (default: halyard-<time>.backup.gz); ${PIPE} for the standard output`,
    },
  },
  notes: [
    'One snapshot of logs, history, keys, kills and uses, in constant memory, while a service on Postgres goes on. The',
    'embedded database has one process at a time: stop the service first. The file is for your eyes alone: it has all',
    'rules and members, but no key that opens anything, and not the HALYARD_SECRET.',
  ].join('\n'),
  async run(edge, { texts }) {
    const config = configOf(edge)
    const at = Date.now()
    const { out = `halyard-${new Date(at).toISOString().replace(/[:.]/g, '').slice(0, 17)}Z.backup.gz` } =
      texts
    if (out === '')
      throw new Refusal(`--out takes a file's name, or ${PIPE} for the standard output.`, EXIT.usage)
    let rows: Footer['rows'] = {}
    const stopped = stoppedBy(edge)
    const bytes = await onDatabase(config, (database) =>
      database.survey(async (db) => {
        const lines = backupOf(db, { version: VERSION, at }, (footer) => {
          rows = footer.rows
        })
        if (out !== PIPE) return writeBackupFile(out, lines, stopped)
        await packed(lines, edge.output, stopped)
        return undefined
      }),
    )
    if (bytes === undefined) edge.tell(`Backed up ${whatOf(rows)}.`)
    else edge.say(`Backed up ${whatOf(rows)} to ${out} (${count(bytes)} bytes).`)
    return EXIT.done
  },
}

export const restoreCommand: Command = {
  summary: 'fill an empty database from a backup',
  operands: ['file'],
  notes: [
    `The file may be ${PIPE} for the standard input. The database of the settings must be empty; nothing is overwritten. All of`,
    'it is restored, or nothing. A backup of an older release is migrated on the way, one of a newer is refused. Epochs',
    'and revisions are as they were: where apps have seen newer ones, the service opens a new epoch and keeps their kills.',
  ].join('\n'),
  async run(edge, { operands: [file = PIPE] }) {
    const config = configOf(edge)
    const stopped = stoppedBy(edge)
    const restored = await inWords(config, () =>
      fillDatabase(config, (db) => restoreFrom(db, unpacked(file === PIPE ? edge.input : file, stopped))),
    )
    const { version, at } = restored.header
    edge.say(`Restored ${whatOf(restored.rows)}, as of ${at} (release ${version}).${migratedIn(restored)}`)
    return EXIT.done
  },
}

export const moveCommand: Command = {
  summary: 'move everything to another, empty database',
  options: {
    to: {
      value: 'url',
      help: `a postgres:// URL, or embedded for a new one in HALYARD_DATA_DIR; with ${PIPE} it is read from the input, and stands in no list of processes`,
    },
  },
  notes: [
    'A backup straight into a restore: history, keys, kills and every user’s variant are as before, and apps go on from',
    'where they are. Stop the service first; nothing is changed in the old database, so that you can go back to it.',
  ].join('\n'),
  async run(edge, { texts }) {
    const from = configOf(edge)
    const to = texts.to === PIPE ? (await text(edge.input)).trim() : texts.to
    const target = targetOf(edge, from, to)
    const stopped = stoppedBy(edge)
    const restored = await onDatabase(from, (database) =>
      database.survey(async (source) => {
        await expectNobody(source)
        const lines = backupOf(source, { version: VERSION, at: Date.now() })
        return inWords(
          target,
          () =>
            fillDatabase(target, async (db) => {
              const made = await restoreFrom(db, unlessStopped(lines, stopped))
              // An instance that came meanwhile, by whoever restarts it, may have written what is not in the snapshot.
              await expectNobody(source)
              return made
            }),
          '--to',
        )
      }),
    )
    edge.say(`Moved ${whatOf(restored.rows)}.${migratedIn(restored)}`)
    const next = target.database === 'embedded' ? 'DATABASE_URL=embedded' : 'DATABASE_URL set to that URL'
    edge.say(`Now start the service with ${next}.${secretToKeep(from)}`)
    return EXIT.done
  },
}

async function expectNobody(source: Db): Promise<void> {
  const sessions = await otherSessions(source)
  if (sessions === 0) return
  throw new Refusal(
    `A service works on this database (${sessions} connections): stop every instance first, or what they write meanwhile stays behind. Nothing was moved.`,
  )
}

/** Fires at a signal to this process, so that what is half done is taken back before it ends. A second signal does not wait. */
function stoppedBy(edge: Edge): AbortSignal {
  const stopping = new AbortController()
  edge.untilSignal().then((signal) => {
    stopping.abort(
      new Refusal(`stopped by ${signal}: nothing is left of it.`, 128 + constants.signals[signal]),
    )
  })
  return stopping.signal
}

async function* unlessStopped(chunks: AsyncIterable<string>, stopped: AbortSignal): AsyncGenerator<string> {
  for await (const chunk of chunks) {
    stopped.throwIfAborted()
    yield chunk
  }
}

function targetOf(edge: Edge, from: Config, to: string | undefined): Config {
  if (to === undefined || to === '') {
    throw new Refusal(
      'move needs --to: a postgres:// URL, or embedded. See halyard-server move --help.',
      EXIT.usage,
    )
  }
  const { DATABASE_URL_FILE: _, ...environment } = edge.environment
  const target = configFor({ ...environment, DATABASE_URL: to })
  if (target.database !== from.database) return target
  throw new Refusal('--to names the database that everything is in already (DATABASE_URL).', EXIT.usage)
}

/** The settings were understood as they are: what is wrong now came with `--to`. It may have a password. */
function configFor(environment: Edge['environment']): Config {
  try {
    return configOf({ environment })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const faults = error.faults.map((fault) => fault.replace(/^DATABASE_URL: /, ''))
    throw new Refusal(`--to takes a postgres:// URL, or embedded: ${faults.join('; ')}.`, EXIT.usage)
  }
}

/** What opens tokens, links and snapshots is not in a database, and stays what it is. */
function secretToKeep({ secret, dataDir }: Config): string {
  if (secret !== undefined) return ' Keep HALYARD_SECRET as it is.'
  return existsSync(secretIn(dataDir)) ? ` Keep ${secretIn(dataDir)} as it is.` : ''
}

const whatOf = ({ logs = 0, changes = 0, entries = 0 }: Footer['rows']): string =>
  `${count(logs)} logs with ${count(changes)} changes and ${count(entries)} versions of documents`

const migratedIn = ({ migrated }: Restored): string =>
  migrated.length === 0 ? '' : ` Its schema was migrated: ${migrated.join(', ')}.`

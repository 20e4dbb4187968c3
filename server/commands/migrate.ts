/**
 * `migrate`: brings the schema up to this build, and says what it did. The service does the same at its start; this is
 * for those who run migrations as a step of their own.
 */
import { Problem } from '../domain/problem.ts'
import { isLost, misdirectionOf } from '../store/faults.ts'
import { migrate } from '../store/postgres.ts'
import { type Command, configOf, EXIT, reasonOf } from './command.ts'
import { inWords } from './on-database.ts'

export const migrateCommand: Command = {
  summary: 'bring the schema of the Postgres at DATABASE_URL up to this release',
  options: {
    'unless-away': { help: 'done, too, where the database cannot be reached: for a step before each start' },
  },
  notes: 'A start does the same. Of several at once, one migrates and the others find it done.',
  async run(edge, { flags }) {
    const config = configOf(edge)
    const { database } = config
    if (database === 'embedded') {
      edge.say('The embedded database migrates itself at the start: nothing to do.')
      return EXIT.done
    }
    const applied = await inWords(config, () =>
      migrate(database).catch((cause: unknown) => {
        if (flags.has('unless-away') && isAway(cause)) return cause
        throw cause
      }),
    )
    if (applied instanceof Problem) {
      edge.tell(`halyard: ${reasonOf(applied)} Nothing was migrated.`)
      return EXIT.done
    }
    edge.say(applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`)
    return EXIT.done
  },
}

/** Nobody answers. Who answers, and lets this wait or refuses it, has a schema that is not migrated. */
const isAway = (cause: unknown): cause is Problem =>
  cause instanceof Problem &&
  cause.type === 'unavailable' &&
  isLost(cause.cause) &&
  misdirectionOf(cause.cause) === undefined

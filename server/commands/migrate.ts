/**
 * `migrate`: brings the schema up to this build, and says what it did. The service does the same at its start; this is
 * for those who run migrations as a step of their own.
 */
import { migrate } from '../store/postgres.ts'
import { type Command, configOf, EXIT } from './command.ts'
import { inWords } from './on-database.ts'

export const migrateCommand: Command = {
  summary: 'bring the schema of the Postgres at DATABASE_URL up to this release',
  notes: 'A start does the same. Of several at once, one migrates and the others find it done.',
  async run(edge) {
    const { database } = configOf(edge)
    if (database === 'embedded') {
      edge.say('The embedded database migrates itself at the start: nothing to do.')
      return EXIT.done
    }
    const applied = await inWords(() => migrate(database))
    edge.say(applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`)
    return EXIT.done
  },
}

/**
 * `npm run migrate`: brings the schema of the Postgres at `DATABASE_URL` up to this build, and says what it did.
 * The service does the same at its start; this is for those who run migrations as a step of their own.
 */
import { readFileSync } from 'node:fs'
import { ConfigError, parseConfig } from './config.ts'
import { migrate } from './store/postgres.ts'

const end = (text: string, code: number): never => {
  const stream = code === 0 ? process.stdout : process.stderr
  stream.write(`${code === 0 ? '' : 'halyard: '}${text}\n`)
  process.exit(code)
}

try {
  const { database } = parseConfig(process.env, (path) => readFileSync(path, 'utf8'))
  if (database === 'embedded') end('The embedded database migrates itself at the start: nothing to do.', 0)
  const applied = await migrate(database)
  end(applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`, 0)
} catch (error) {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
  const text = error instanceof Error ? error.message : String(error)
  end(`${text}${cause}`, error instanceof ConfigError ? ConfigError.exitCode : 1)
}

/**
 * The Postgres of a test run: `DATABASE_URL` where it is set, else one private cluster for the whole run (as a
 * vitest `globalSetup`), and a fresh database on it for whoever asks.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import type { TestProject } from 'vitest/node'
import { type PostgresProcess, postgresBinaries, startPostgres } from './postgres-process.ts'

export { type PostgresProcess, startPostgres }

declare module 'vitest' {
  interface ProvidedContext {
    readonly postgresUrl: string
  }
}

let own: PostgresProcess | undefined

export async function setup(project: Pick<TestProject, 'provide'>): Promise<void> {
  const given = process.env.DATABASE_URL
  if (given === undefined || given === '' || given === 'embedded') own = await startPostgres()
  project.provide('postgresUrl', own?.url ?? given ?? '')
}

export async function teardown(): Promise<void> {
  await own?.remove()
  own = undefined
}

/** Whether tests can start, stop and kill a Postgres of their own: not where only `DATABASE_URL` is given. */
export function canStartPostgres(): boolean {
  return postgresBinaries() !== undefined || !process.env.DATABASE_URL
}

export type FreshDatabase = { readonly url: string; drop(): Promise<void> }

/**
 * A new, empty database on the run's Postgres.
 * @param server the URL of another Postgres to make it on
 * @param tablespace the folder in which it keeps its tables; it must be Postgres's own
 */
export async function freshDatabase(
  server: string = inject('postgresUrl'),
  tablespace?: string,
): Promise<FreshDatabase> {
  const name = `halyard_test_${randomBytes(6).toString('hex')}`
  if (tablespace !== undefined) await onServer(server, `CREATE TABLESPACE ${name} LOCATION '${tablespace}'`)
  await onServer(server, `CREATE DATABASE ${name}${tablespace === undefined ? '' : ` TABLESPACE ${name}`}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => onServer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) }
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

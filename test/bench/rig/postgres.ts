/** A real Postgres for the benches that compare with one, each with a database of its own. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'

/** @returns what `use` returns, or nothing where no Postgres is at hand */
export async function withPostgres<Answer>(
  use: (url: string) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const server = process.env.DATABASE_URL
  if (server === undefined) return []
  const name = `bench_${randomBytes(4).toString('hex')}`
  await administer(server, `CREATE DATABASE ${name}`)
  try {
    const url = new URL(server)
    url.pathname = `/${name}`
    return await use(url.href)
  } finally {
    await administer(server, `DROP DATABASE ${name} WITH (FORCE)`)
  }
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

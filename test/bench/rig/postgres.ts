/**
 * A real Postgres for the benches that compare with one: `DATABASE_URL` where it is set, else a private one with the
 * durability of Postgres's defaults. Each bench gets a database of its own.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { postgresBinaries, startPostgres } from '../../support/postgres-process.ts'

/** @returns what `use` returns, or nothing where no Postgres is at hand */
export async function withPostgres<Answer>(
  use: (url: string) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const given = process.env.DATABASE_URL
  if (given !== undefined && given !== '' && given !== 'embedded') return await onFresh(given, use)
  if (postgresBinaries() === undefined) {
    console.log('  (left out: what needs a real Postgres; set DATABASE_URL, or install one)')
    return []
  }
  const own = await startPostgres({ fsync: 'on', full_page_writes: 'on', shared_buffers: '128MB' })
  try {
    return await onFresh(own.url, use)
  } finally {
    // The child is not waited for by the event loop: without this the process would end here.
    const waiting = setInterval(() => {}, 1_000)
    await own.remove()
    clearInterval(waiting)
  }
}

async function onFresh<Answer>(
  server: string,
  use: (url: string) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const name = `halyard_bench_${randomBytes(4).toString('hex')}`
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

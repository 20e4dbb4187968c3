/** A database that answers and takes no writes: reads are served, and whoever looks after the service can see it. */
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { freshDatabase } from '../../support/postgres.ts'
import { startService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

it('is ready and degraded while its database takes no writes, and says both once', async () => {
  const { url, drop } = await freshDatabase()
  onTestFinished(drop)
  const admin = new pg.Client({ connectionString: url, options: '-c default_transaction_read_only=off' })
  await admin.connect()
  onTestFinished(() => admin.end())
  const service = await startService({ database: url })
  onTestFinished(() => service.close())

  const name = new URL(url).pathname.slice(1)
  const set = async (how: string) => {
    await admin.query(`ALTER DATABASE ${name} ${how}`)
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'halyard'`,
      [name],
    )
  }
  const edit = () =>
    service.ask('POST', '/api/v1/projects/default/flags', {
      body: { key: `flag-${Math.random().toString(36).slice(2)}`, type: 'boolean' },
    })
  const ready = () => service.ask('GET', '/health/ready', { key: null })
  const said = (text: string) => service.logged.filter((line) => line.includes(text))
  expect((await ready()).body).toMatchObject({ status: 'ready', store: { ok: true } })

  await set('SET default_transaction_read_only = on')
  await until('an edit is refused for it', async () => (await edit()).body.detail?.includes('read-only'))
  await until('the store answers', async () => (await ready()).body.store.ok)
  expect(await ready()).toMatchObject({
    status: 200,
    body: { status: 'degraded', store: { ok: true, readOnly: true } },
  })
  await edit()
  expect(said('the database takes no writes:')).toHaveLength(1)

  await set('RESET default_transaction_read_only')
  await until('an edit is taken', async () => (await edit()).status === 201)
  await until('it is whole again', async () => (await ready()).body.status === 'ready')
  expect((await ready()).body.store).toEqual({ ok: true })
  expect(said('takes writes again')).toHaveLength(1)
})

/** The doctor on real installations: sound ones, and each with something wrong. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runMigration, shippedMigrations } from '../../../server/store/migrate.ts'
import { migrate, postgresDatabase } from '../../../server/store/postgres.ts'
import { asStranger } from '../../support/as-stranger.ts'
import { command } from '../../support/edge.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'
import { freshRedis } from '../../support/redis.ts'
import { startService } from '../../support/start-service.ts'

const DEVELOPMENT = '/api/v1/projects/default/environments/development'
const SECRET = { HALYARD_SECRET: 'a-secret-for-the-tests-that-is-long-enough' }

const made: FreshDatabase[] = []
async function fresh(): Promise<string> {
  const one = await freshDatabase()
  made.push(one)
  return one.url
}
const folder = temporaryFolder()
afterAll(async () => {
  for (const one of made) await one.drop()
  folder.remove()
})

type Report = {
  readonly ok: boolean
  readonly checks: readonly { readonly check: string; readonly state: string; readonly message: string }[]
  readonly upgrade?: {
    readonly migrations: readonly string[]
    readonly sdks?: readonly {
      readonly sdk: string
      readonly apps: readonly { readonly app: string }[]
      readonly skips: readonly object[]
    }[]
  }
}
async function doctor(settings: Readonly<Record<string, string>>, ...flags: string[]) {
  const dataDir = { HALYARD_DATA_DIR: join(folder.dir, 'data') }
  const { code, said, told } = await command(['doctor', '--json', ...flags], { ...dataDir, ...settings })
  const report: Report = JSON.parse(said)
  expect(told).toBe('')
  expect(code).toBe(report.ok ? 0 : 1)
  const states = Object.fromEntries(report.checks.map(({ check, state }) => [check, state]))
  const saidOf = (check: string) => report.checks.find((one) => one.check === check)?.message
  return { code, report, states, message: saidOf }
}
async function sql(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}

describe('on a service with two apps', () => {
  let url: string
  beforeAll(async () => {
    url = await fresh()
    const service = await startService({ database: url })
    await service.ask('POST', '/api/v1/projects/default/flags', {
      body: { key: 'checkout', type: 'boolean' },
    })
    const { body } = await service.ask('POST', `${DEVELOPMENT}/keys`, {
      body: { kind: 'server', name: 'apps' },
    })
    const client = await service.ask('POST', `${DEVELOPMENT}/keys`, { body: { kind: 'client', name: 'web' } })
    const use = (key: string, app: string, sdk: string) =>
      service.ask('GET', '/sdk/v1/ruleset', { key, headers: { 'halyard-app': app, 'halyard-sdk': sdk } })
    await use(body.secret, 'shop/2.4.0', 'node/0.1.0')
    await use(body.secret, 'till/1.0.0', 'node/0.0.9')
    await use(client.body.secret, 'page/1.0.0', 'browser/0.0.1')
    await service.close()
  })

  it('finds nothing wrong', async () => {
    const { code, states, message } = await doctor({ DATABASE_URL: url, ...SECRET })
    expect(states).toEqual({
      settings: 'ok',
      database: 'ok',
      schema: 'ok',
      role: 'ok',
      secret: 'ok',
      clock: 'ok',
      size: 'ok',
      disk: expect.stringMatching(/ok|note/),
    })
    expect(code).toBe(0)
    expect(message('database')).toMatch(/^Postgres \d+/)
    expect(message('role')).toContain('halyard_app')
  })

  it('says it in lines that a person reads', async () => {
    const { code, said } = await command(['doctor'], {
      DATABASE_URL: url,
      HALYARD_DATA_DIR: folder.dir,
      ...SECRET,
    })
    expect(code).toBe(0)
    const [first, ...lines] = said.split('\n')
    expect(first).toMatch(/^Halyard \d/)
    expect(lines).toContain('✓ settings: all of them are understood')
    for (const line of lines) expect(line).toMatch(/^[✓·] [a-z]+: /)
  })

  it('finds the oldest SDK before an upgrade, and what it would skip', async () => {
    const { code, report, states } = await doctor({ DATABASE_URL: url, ...SECRET }, '--upgrade')
    expect(code).toBe(1)
    expect(states).toMatchObject({ migrations: 'ok', skips: 'fault' })
    const { migrations, sdks = [] } = report.upgrade!
    expect(migrations).toEqual([])
    // Those that hold rulesets: a browser has none.
    expect(sdks.map(({ sdk, apps, skips }) => [sdk, apps[0]?.app, skips.length > 0])).toEqual([
      ['node/0.0.9', 'till', true],
      ['node/0.1.0', 'shop', false],
    ])
  })

  it('notes that the secret is not set, and that it matters with two machines', async () => {
    expect((await doctor({ DATABASE_URL: url })).states).toMatchObject({ secret: 'note' })
  })

  it('finds an environment that is full', async () => {
    await sql(url, "UPDATE halyard.logs SET bytes = 33554432 WHERE environment = 'development'")
    const { states, message } = await doctor({ DATABASE_URL: url, ...SECRET })
    expect(states.size).toBe('fault')
    expect(message('size')).toContain('default/development has 32.0 of 32 MiB')
  })

  it('finds that a database takes no writes', async () => {
    const name = new URL(url).pathname.slice(1)
    await sql(url, `ALTER DATABASE ${name} SET default_transaction_read_only = on`)
    const { states, message } = await doctor({ DATABASE_URL: url, ...SECRET })
    expect(states.database).toBe('fault')
    expect(message('database')).toMatch(/takes no writes.*every edit is refused.*DATABASE_URL/)
  })
})

describe('on a database', () => {
  it('that is empty, has nothing against it', async () => {
    const { code, states, report } = await doctor({ DATABASE_URL: await fresh() }, '--upgrade')
    expect(code).toBe(0)
    expect(states).toMatchObject({ schema: 'note', secret: 'note', sdks: 'ok' })
    expect(report.upgrade?.migrations).toEqual(shippedMigrations().map(({ name }) => name))
  })

  it('of an older release, says what this one would apply, before it does', async () => {
    const url = await fresh()
    const database = postgresDatabase({ url })
    const [first, ...later] = shippedMigrations()
    await database.transact('migration', async (db) => ({
      keep: true,
      value: await runMigration(db, first!),
    }))
    await database.close()
    const { code, states, report } = await doctor({ DATABASE_URL: url }, '--upgrade')
    expect(code).toBe(0)
    expect(states).toMatchObject({ schema: 'note', sdks: 'note', role: 'note' })
    expect(report.upgrade).toEqual({ migrations: later.map(({ name }) => name) })
    expect(await migrate(url)).toEqual(later.map(({ name }) => name))
  })

  it('of a newer release, works on it and says so', async () => {
    const url = await fresh()
    await migrate(url)
    await sql(url, "INSERT INTO halyard.migrations VALUES ('9999-of-tomorrow', now())")
    const { code, message } = await doctor({ DATABASE_URL: url })
    expect(code).toBe(0)
    expect(message('schema')).toContain('newer release (9999-of-tomorrow)')
  })

  it('that is away, says why', async () => {
    const { code, states, message } = await doctor({ DATABASE_URL: 'postgres://halyard@127.0.0.1:1/none' })
    expect(code).toBe(1)
    expect(states.database).toBe('fault')
    expect(message('database')).toContain('ECONNREFUSED')
  })
})

describe('on the embedded database', () => {
  it('that is not there yet, makes none', async () => {
    const settings = { HALYARD_DATA_DIR: join(folder.dir, 'nowhere', 'yet') }
    const { code, states } = await doctor(settings)
    expect({ code, states }).toMatchObject({
      code: 0,
      states: { database: 'note', secret: 'note', disk: 'ok' },
    })
    expect((await doctor(settings)).states.database).toBe('note')
  })

  it('of a service that runs, says that it cannot look inside; and does when it is stopped', async () => {
    const dataDir = join(folder.dir, 'running')
    cpSync(await preparedEmbedded(), join(dataDir, 'postgres'), { recursive: true })
    const service = await startService({ dataDir })
    const settings = { HALYARD_DATA_DIR: dataDir }
    const { code, message } = await doctor(settings)
    expect(code).toBe(0)
    expect(message('database')).toContain('a service works on the embedded database')
    await service.close()
    const looked = await doctor(settings, '--upgrade')
    expect(looked.states).toMatchObject({ database: 'ok', schema: 'ok', size: 'ok', sdks: 'ok' })
    expect(looked.states).not.toHaveProperty('role')
  })

  it('in a folder that this user may not read, says that and does not guess', async () => {
    const dataDir = join(folder.dir, 'of-another')
    mkdirSync(join(dataDir, 'postgres'), { recursive: true })
    const { report } = await asStranger(dataDir, () => doctor({ HALYARD_DATA_DIR: dataDir }))
    const said = (check: string) => report.checks.find((one) => one.check === check)
    for (const check of ['database', 'secret']) {
      expect(said(check)).toMatchObject({ state: 'fault', message: expect.stringContaining('EACCES') })
    }
    expect(JSON.stringify(report)).not.toMatch(/first start|kept in/)
  })
})

describe('on a data folder', () => {
  const wrong = async (dir: string) => {
    const { code, states, message } = await doctor({ HALYARD_DATA_DIR: dir })
    expect([code, states.disk]).toEqual([1, 'fault'])
    return message('disk')
  }

  it('that is none, says that nothing can be kept there', async () => {
    const file = join(folder.dir, 'file')
    writeFileSync(file, '')
    expect(await wrong(file)).toContain(`${file} cannot be written to`)
    expect(await wrong(join(file, 'below'))).toContain('ENOTDIR')
  })

  it.skipIf(process.getuid?.() === 0)('of another user, says the same', async () => {
    const dir = join(folder.dir, 'read-only')
    mkdirSync(dir, { mode: 0o500 })
    expect(await wrong(dir)).toContain('EACCES')
  })
})

describe('on settings', () => {
  it('that are not understood, says every fault of them and nothing else', async () => {
    const { code, report } = await doctor({ HALYARD_PORT: 'high', HALYARD_SECRET: 'short' })
    expect(code).toBe(1)
    expect(report.checks.map(({ check, state }) => [check, state])).toEqual([
      ['settings', 'fault'],
      ['settings', 'fault'],
    ])
  })

  it('that everybody knows, says that they are', async () => {
    const HALYARD_ADMIN_KEY = 'change-me-to-32-random-characters-or-more'
    const { code, states, message } = await doctor({ HALYARD_ADMIN_KEY, HALYARD_DATA_DIR: folder.dir })
    expect([code, states.settings]).toEqual([1, 'fault'])
    expect(message('settings')).toMatch(/^HALYARD_ADMIN_KEY .*set your own/)
    expect(message('settings')).not.toContain(HALYARD_ADMIN_KEY)
  })

  it('with a Redis, sees whether it works', async () => {
    const { states } = await doctor({
      DATABASE_URL: await fresh(),
      REDIS_URL: freshRedis().url,
      ...SECRET,
    })
    expect(states.redis).toBe('ok')
  })

  it('with a Redis that is away, says so', async () => {
    const { code, states, message } = await doctor({
      DATABASE_URL: await fresh(),
      REDIS_URL: 'redis://127.0.0.1:1',
      ...SECRET,
    })
    expect(code).toBe(1)
    expect(states.redis).toBe('fault')
    expect(message('redis')).toBeTruthy()
  })
})

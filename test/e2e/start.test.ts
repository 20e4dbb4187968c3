/**
 * What starting the service says and refuses: a bad configuration whole, a folder that is in use, the first admin key.
 */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { ROOT } from '../support/build.ts'
import { freePort } from '../support/postgres-process.ts'
import { plainEnvironment, processes, type Server } from '../support/process.ts'
import { PROJECT, rest } from '../support/rest.ts'
import { until } from '../support/until.ts'

const all = processes()

it('lists every fault of its configuration at once, and exits with 78', async () => {
  const { ended, stderr, stdout } = await all.startServer({
    until: 'ended',
    database: 'mysql://db',
    adminKey: 'too short',
    settings: {
      HALYARD_LOG_LEVEL: 'loud',
      HALYARD_MAX_STREAMS: 'many',
      HALYARD_PROT: '4000',
      HALYARD_SECRET_FILE: '/nowhere/secret',
      PORT: '70000',
    },
  })
  expect((await ended).code).toBe(78)
  for (const fault of [
    'DATABASE_URL',
    'HALYARD_ADMIN_KEY',
    'HALYARD_LOG_LEVEL',
    'HALYARD_MAX_STREAMS',
    'HALYARD_PROT',
    '/nowhere/secret',
    'PORT: must be from 0 to 65535',
  ]) {
    expect(stderr()).toContain(fault)
  }
  expect(stderr()).not.toContain('too short')
  expect(stdout()).toBe('')
})

it('never falls back to the embedded database in production', async () => {
  const { ended, stderr } = await all.startServer({
    until: 'ended',
    database: '',
    settings: { NODE_ENV: 'production' },
  })
  expect((await ended).code).toBe(78)
  expect(stderr()).toContain('DATABASE_URL')
})

describe('beside a server that runs', () => {
  let first: Server
  beforeAll(async () => {
    first = await all.startServer()
  })
  afterAll(() => first.kill())

  it('does not open the data folder that the other has, and says so', async () => {
    const second = await all.startServer({ dataDir: first.dataDir, until: 'ended' })
    expect((await second.ended).code).toBe(1)
    expect(second.stderr()).toContain(first.dataDir)
    expect(second.stderr()).not.toMatch(/^\s+at /m)
    const { status } = await rest(first.url, first.adminKey).ask('GET', `${PROJECT}/flags`)
    expect(status).toBe(200)
  })

  it('says that its port is taken', async () => {
    const second = await all.startServer({ port: first.port, until: 'ended' })
    expect((await second.ended).code).toBe(1)
    expect(second.stderr()).toBe(
      `halyard: cannot listen on 127.0.0.1:${first.port}: the port is taken. Set HALYARD_PORT to another, or end what listens there.\n`,
    )
  })

  it('finds that the other keeps its folder and its secret to itself', () => {
    expect(statSync(first.dataDir).mode & 0o777).toBe(0o700)
    expect(statSync(join(first.dataDir, 'secret')).mode & 0o777).toBe(0o600)
  })
})

it('makes an admin key at the first start, and keeps it where this user alone can read it', async () => {
  const server = await all.startServer({ adminKey: null })
  await until('it says what to try', () => server.stdout().includes('Ready. Try:'))
  const path = join(server.dataDir, 'admin-key')
  const key = readFileSync(path, 'utf8').trim()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(key).toMatch(/^hly_api_/)
  expect(server.stdout()).toContain(path)
  expect(server.stdout() + server.stderr()).not.toContain(key)
  const asked = (url: string) => rest(url, key).ask('GET', '/api/v1/projects')
  expect(await asked(server.url)).toMatchObject({ status: 200, body: { items: [{ key: 'default' }] } })

  const lines = server.stdout().split('Ready. Try:\n')[1]!
  const tried = await promisify(execFile)('bash', ['-euc', lines], { env: plainEnvironment() })
  expect(tried.stdout).toContain('"enabled":true')
  expect(tried.stdout).not.toContain('"status":')

  await server.stop()
  const again = await server.again({ adminKey: null })
  await until('it says what to try', () => again.stdout().includes('Ready. Try:'))
  expect(again.stdout()).not.toMatch(/admin key is/)
  expect(again.stdout()).toContain(`HALYARD_API_KEY=$(cat '${path}')`)
  expect((await asked(again.url)).status).toBe(200)
  await again.stop()

  const configured = 'an admin key of thirty-two characters or more'
  const beside = await server.again({ adminKey: configured })
  expect((await asked(beside.url)).status).toBe(200)
  expect((await rest(beside.url, configured).ask('GET', '/api/v1/projects')).status).toBe(200)
  await beside.stop()
  const without = await server.again({ adminKey: null })
  expect((await rest(without.url, configured).ask('GET', '/api/v1/projects')).status).toBe(401)
  await without.kill()
})

it.skipIf(!existsSync('/usr/bin/script'))('shows its first admin key on a terminal, once', async () => {
  const dataDir = join(all.freshFolder(), 'data')
  const port = await freePort()
  // script(1) gives its command a terminal.
  const terminal = spawn('script', ['-qfc', `${process.execPath} dist/main.js`, '/dev/null'], {
    cwd: ROOT,
    detached: true,
    env: { ...plainEnvironment(), HALYARD_DATA_DIR: dataDir, HALYARD_PORT: String(port) },
  })
  try {
    let shown = ''
    terminal.stdout.on('data', (bytes: Buffer) => {
      shown += bytes.toString()
    })
    await until('it says what to try', () => shown.includes('Ready. Try:'))
    const key = /shown only this once:\s+(hly_api_\w+)/.exec(shown)?.[1] ?? ''
    expect(existsSync(join(dataDir, 'admin-key'))).toBe(false)
    const { status } = await rest(`http://127.0.0.1:${port}`, key).ask('GET', '/api/v1/projects')
    expect(status).toBe(200)
  } finally {
    process.kill(-terminal.pid!, 'SIGKILL')
  }
})

it('reads its admin key from a file', async () => {
  const path = join(all.freshFolder(), 'key')
  const key = 'kept in a file, of thirty-two characters'
  writeFileSync(path, `${key}\n`)
  const server = await all.startServer({ adminKey: null, settings: { HALYARD_ADMIN_KEY_FILE: path } })
  const { body } = await rest(server.url, key).ask<{ items: { key: string }[] }>(
    'GET',
    `${PROJECT}/environments`,
  )
  expect(body.items.map((environment) => environment.key)).toEqual(['development', 'production', 'staging'])
  await server.kill()
})

it('says once and in a line what is wrong with its DATABASE_URL, goes on, and serves when that is mended', async () => {
  const admin = new pg.Client({ connectionString: inject('postgresUrl') })
  await admin.connect()
  onTestFinished(() => admin.end())
  const name = `halyard_late_${randomBytes(4).toString('hex')}`
  const database = Object.assign(new URL(inject('postgresUrl')), { pathname: `/${name}` }).href
  const server = await all.startServer({ database, until: 'live' })
  const told = (text: string) =>
    server
      .stderr()
      .split('\n')
      .filter((line) => line.includes(text))
  await until('it has said so', () => told('"subject":"store"').length > 0)
  expect((await fetch(`${server.url}/health/ready`)).status).toBe(503)
  await until('it has tried again', async () =>
    /^halyard_poll_failures_total ([3-9]|\d\d)/m.test(await (await fetch(`${server.url}/metrics`)).text()),
  )
  expect(told('"subject":"store"')).toHaveLength(1)
  const { msg, err } = JSON.parse(told('"subject":"store"')[0]!)
  expect(msg).toMatch(/: The database that the service should use does not exist: .*check DATABASE_URL/)
  expect(err).toEqual({ type: 'Problem', message: expect.stringContaining(`"${name}" does not exist`) })
  expect(server.stderr()).not.toMatch(/ at .*\(/)
  await admin.query(`CREATE DATABASE ${name}`)
  onTestFinished(() => admin.query(`DROP DATABASE ${name} WITH (FORCE)`).then(() => {}))
  await until('it serves', async () => (await fetch(`${server.url}/health/ready`)).status === 200)
  expect(told('"subject":"store"')).toHaveLength(2)
  expect(told('"subject":"store"')[1]).toContain('store works again')
  await server.stop()
})

it('that is stopped before it was ready does not say that it is', async () => {
  const server = await all.startServer({ database: 'postgres://halyard@127.0.0.1:1/none', until: 'live' })
  expect((await server.stop()).code).toBe(0)
  expect(server.stdout()).toContain('Halyard listens on')
  expect(server.stdout()).not.toContain('Ready')
})

it.each([
  ['is a file', (file: string) => file],
  ['is below a file', (file: string) => join(file, 'data')],
])('says of a data folder that %s which setting is wrong (78)', async (_, dirOf) => {
  const file = join(all.freshFolder(), 'file')
  writeFileSync(file, '')
  const { ended, stderr } = await all.startServer({ dataDir: dirOf(file), until: 'ended' })
  expect((await ended).code).toBe(78)
  expect(stderr()).toMatch(/^halyard: The data folder .* cannot be used: .* is a file .*Set HALYARD_DATA_DIR/)
  expect(stderr().trim().split('\n')).toHaveLength(1)
})

it('warns of an admin key that everybody knows', async () => {
  const adminKey = 'change-me-to-32-random-characters-or-more'
  const server = await all.startServer({ adminKey })
  expect(server.stderr()).toMatch(/"level":40.*HALYARD_ADMIN_KEY .*set your own/)
  expect(server.stderr()).not.toContain(adminKey)
  await server.kill()
})

/**
 * What starting the service says and refuses: a bad configuration whole, a folder that is in use, the first admin key.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { processes } from '../support/process.ts'
import { PROJECT, rest } from '../support/rest.ts'

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

it('does not open a data folder that another server has, and says so', async () => {
  const first = await all.startServer()
  const second = await all.startServer({ dataDir: first.dataDir, until: 'ended' })
  expect((await second.ended).code).toBe(1)
  expect(second.stderr()).toContain(first.dataDir)
  expect(second.stderr()).not.toMatch(/^\s+at /m)
  const { status } = await rest(first.url, first.adminKey).ask('GET', `${PROJECT}/flags`)
  expect(status).toBe(200)
  await first.kill()
})

it('says where a port is taken', async () => {
  const first = await all.startServer()
  const second = await all.startServer({ port: first.port, until: 'ended' })
  expect((await second.ended).code).toBe(1)
  expect(second.stderr()).toContain(`${first.port}`)
  await first.kill()
})

it('makes an admin key at the first start, and keeps it where this user alone can read it', async () => {
  const server = await all.startServer({ adminKey: null })
  const path = join(server.dataDir, 'admin-key')
  const key = readFileSync(path, 'utf8').trim()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(key).toMatch(/^hly_api_/)
  expect(server.stdout()).toContain(path)
  expect(server.stdout() + server.stderr()).not.toContain(key)
  const asked = (url: string) => rest(url, key).ask('GET', '/api/v1/projects')
  expect(await asked(server.url)).toMatchObject({ status: 200, body: { items: [{ key: 'default' }] } })

  await server.stop()
  const again = await server.again({ adminKey: null })
  expect(again.stdout()).not.toMatch(/admin key is/)
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

it('keeps a first state for its folder alone: its files are not for others', async () => {
  const { dataDir, kill } = await all.startServer()
  expect(statSync(dataDir).mode & 0o777).toBe(0o700)
  expect(statSync(join(dataDir, 'secret')).mode & 0o777).toBe(0o600)
  await kill()
})

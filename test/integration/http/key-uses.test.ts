import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'

const API_KEYS = '/api/v1/api-keys'
const KEYS = '/api/v1/projects/default/environments/development/keys'

/** Two instances on one Postgres. */
let database: FreshDatabase
let one: TestService
let other: TestService
beforeAll(async () => {
  database = await freshDatabase()
  one = await startService({ database: database.url })
  other = await startService({ database: database.url })
})
afterAll(async () => {
  await Promise.all([one.close(), other.close()])
  await database.drop()
})

const make = async (kind: 'server' | 'client' = 'server') =>
  (await one.ask('POST', KEYS, { body: { kind, name: kind } })).body
const read = async (service: TestService, id: string, keys = KEYS) =>
  (await service.ask('GET', `${keys}/${id}`)).body
const app = (name: string, sdk = 'node/0.1.0') => ({ 'halyard-app': name, 'halyard-sdk': sdk })
const evaluate = (service: TestService, key: string, headers: Record<string, string>) =>
  service.ask('POST', '/ofrep/v1/evaluate/flags', { key, body: { context: {} }, headers })
/** Apps and versions that the key was used by. */
const namesOf = (key: { lastUses: { app: string; version: string }[] }) =>
  key.lastUses.map(({ app, version }) => `${app}/${version}`)

describe('the last use of a key', () => {
  it('is null before there is one', async () => {
    const { id } = await make()
    expect(await read(one, id)).toMatchObject({ lastUsedAt: null, lastUses: [] })
    expect(await read(one, id)).not.toHaveProperty('lastUsesIncomplete')
  })

  it('is shown by app, version and SDK, of rulesets, evaluations and refused requests alike', async () => {
    const { id, secret } = await make()
    const before = Date.now()
    await one.ask('GET', '/sdk/v1/ruleset', { key: secret, headers: app('shop/1.4.0') })
    await evaluate(one, secret, app('till/2'))
    expect((await one.ask('GET', KEYS, { key: secret, headers: app('curious/0', '') })).status).toBe(403)
    const key = await read(one, id)
    expect(namesOf(key).sort()).toEqual(['curious/0', 'shop/1.4.0', 'till/2'])
    expect(key.lastUses).toContainEqual({
      app: 'shop',
      version: '1.4.0',
      sdk: 'node/0.1.0',
      at: expect.any(String),
    })
    expect(key.lastUses).toContainEqual(expect.objectContaining({ app: 'curious', sdk: null }))
    expect(Date.parse(key.lastUsedAt)).toBeGreaterThanOrEqual(before)
    expect(key.lastUsedAt).toBe(key.lastUses[0].at)
    const { items } = (await one.ask('GET', `${KEYS}?fields=lastUses&query=${id}`)).body
    expect(items).toEqual([{ id, lastUses: key.lastUses }])
  })

  it('is shown of management keys, the configured one among them', async () => {
    const { id, secret } = (
      await one.ask('POST', API_KEYS, { body: { name: 'pipeline', grants: [{ role: 'viewer' }] } })
    ).body
    await one.ask('GET', '/api/v1/projects', { key: secret, headers: app('pipeline/7') })
    await one.ask('GET', '/api/v1/projects', { headers: app('terraform/1') })
    expect(namesOf(await read(one, id, API_KEYS))).toEqual(['pipeline/7'])
    expect(namesOf(await read(one, 'admin', API_KEYS))).toContain('terraform/1')
    const { items } = (await one.ask('GET', `${API_KEYS}?fields=lastUsedAt`)).body
    expect(items.map((key: { id: string }) => key.id).sort()).toContain('admin')
    for (const { lastUsedAt } of items) expect(Date.parse(lastUsedAt)).toBeGreaterThan(0)
  })

  it('on one instance is shown by the other once it is saved, and the newest of both', async () => {
    const { id, secret } = await make('client')
    await until(
      'the other instance knows the key',
      async () => (await evaluate(other, secret, {})).status === 200,
    )
    await evaluate(one, secret, app('web/1'))
    expect(namesOf(await read(other, id))).not.toContain('web/1')
    await one.live.keyUses.save()
    expect(namesOf(await read(other, id))).toContain('web/1')
    await evaluate(other, secret, app('web/1'))
    const [here, there] = [await read(other, id), await read(one, id)]
    expect(here.lastUsedAt > there.lastUsedAt).toBe(true)
    await other.live.keyUses.save()
    expect((await read(one, id)).lastUses).toEqual(here.lastUses)
  })

  it('is saved when an instance stops', async () => {
    const { id, secret } = await make()
    const third = await startService({ database: database.url })
    expect((await evaluate(third, secret, app('short/1'))).status).toBe(200)
    await third.close()
    expect(namesOf(await read(one, id))).toEqual(['short/1'])
  })

  it('is now for as long as a stream is open', async () => {
    const url = await one.listen()
    const { id, secret } = await make()
    const cut = new AbortController()
    const headers = { authorization: `Bearer ${secret}`, ...app('worker/3') }
    await fetch(`${url}/sdk/v1/stream`, { headers, signal: cut.signal })
    const first = (await read(one, id)).lastUsedAt
    await until('time has passed, and the key is in use still', async () => {
      const { lastUsedAt, lastUses } = await read(one, id)
      expect(lastUses).toHaveLength(1)
      return lastUsedAt > first
    })
    cut.abort()
    await until('the stream is over', () => one.live.streams().server === 0)
    const last = (await read(one, id)).lastUsedAt
    await one.ask('GET', KEYS)
    expect((await read(one, id)).lastUsedAt).toBe(last)
  })

  it('is never in the way of a request, whatever a caller calls itself', async () => {
    const { id, secret } = await make('client')
    const odd = [
      ...['', '/', '//', '%', '%00/%00', 'a'.repeat(8_000), '"{}\\', "'; DROP TABLE halyard.key_uses; --/1"],
      ...Array.from(
        { length: 300 },
        () => `${randomBytes(8).toString('hex')}/${randomBytes(4).toString('hex')}`,
      ),
    ]
    for (const name of odd) expect((await evaluate(one, secret, app(name, name))).status).toBe(200)
    await one.live.keyUses.save()
    const key = await read(one, id)
    expect(key.lastUses).toHaveLength(10)
    expect(key.lastUsesIncomplete).toBeUndefined()
    await evaluate(one, secret, app('web/2'))
    expect(namesOf(await read(one, id))[0]).toBe('web/2')
  })
})

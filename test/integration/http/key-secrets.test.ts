/** What is left of a key where somebody could look for it: nothing but its id and the SHA-256 of its text. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digestOfKey, parseKey } from '../../../server/domain/keys.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const API_KEYS = '/api/v1/api-keys'
const PROJECTS = '/api/v1/projects'
const keysOf = (project: string, env = 'development') => `${PROJECTS}/${project}/environments/${env}/keys`

let database: FreshDatabase
let service: TestService
beforeAll(async () => {
  database = await freshDatabase()
  service = await startService({ database: database.url })
})
afterAll(async () => {
  await service.close()
  await database.drop()
})

/** Every row of every table, as text. */
async function dump(): Promise<string> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  )
  expect(tables.length).toBeGreaterThan(3)
  const texts: string[] = []
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} AS t`)
    texts.push(...rows.map(({ row }) => row))
  }
  await client.end()
  return texts.join('\n')
}

/** All that would give a key away: its text, its secret, and either of them encoded. */
function tracesOf(text: string): readonly string[] {
  const secret = parseKey(text)?.secret ?? text
  const encoded = [text, secret].flatMap((part) =>
    (['hex', 'base64', 'base64url'] as const).map((encoding) =>
      // What comes after a part may change the last letters of its encoding.
      Buffer.from(part).toString(encoding).slice(0, -4),
    ),
  )
  return [text, secret, secret.slice(0, 20), secret.slice(-20), ...encoded]
}

describe('the text of a key', () => {
  it('is in no table and no line of the log, whatever was done with it', async () => {
    const texts = [service.adminKey]
    const answered: string[] = []
    const made = async (url: string, body: object, headers = {}) => {
      const answer = await service.ask('POST', url, { body, headers })
      texts.push(answer.body.secret)
      return answer.body as { id: string; secret: string }
    }
    const kinds = [
      [keysOf('default'), { kind: 'server', name: 'server' }],
      [keysOf('default'), { kind: 'client', name: 'client' }],
      [API_KEYS, { name: 'management', grants: [{ role: 'viewer' }] }],
    ] as const
    for (const [url, body] of kinds) {
      const one = await made(url, body, { 'idempotency-key': `make-${body.name}` })
      const again = await service.ask('POST', url, {
        body,
        headers: { 'idempotency-key': `make-${body.name}` },
      })
      const rotated = await made(`${url}/${one.id}/rotate`, { graceSeconds: 60 })
      const gone = await made(url, body)
      for (const { secret: key } of [one, rotated, gone]) {
        const told = { 'halyard-app': `${key}/1`, 'halyard-sdk': encodeURIComponent(key) }
        await service.ask('GET', PROJECTS, { key, headers: told })
        await service.ask('GET', '/sdk/v1/ruleset', { key, headers: told })
        await service.ask('POST', '/ofrep/v1/evaluate/flags', { key, headers: told, body: { context: {} } })
      }
      await service.ask('DELETE', '/api/v1/keys/self', { key: gone.secret })
      await service.ask('DELETE', `${url}/${rotated.id}`)
      const listed = await service.ask('GET', url)
      const read = await service.ask('GET', `${url}/${one.id}`)
      answered.push(again.text, listed.text, read.text)
    }
    await service.live.keyUses.save()

    const places = {
      'the database': await dump(),
      'the log': service.logged.join('\n'),
      answers: answered.join('\n'),
    }
    expect(texts).toHaveLength(10)
    for (const [place, held] of Object.entries(places)) {
      for (const [index, text] of texts.entries()) {
        const found = tracesOf(text).filter((trace) => held.includes(trace))
        expect(found, `the key ${index} in ${place}`).toEqual([])
      }
    }
    // The looking finds what is there.
    for (const text of texts.slice(1)) {
      expect(places['the database']).toContain(digestOfKey(text))
      expect(places['the database']).toContain(parseKey(text)?.id)
    }
  })
})

describe('keys of what is deleted', () => {
  it('open nothing, nor what is made again under the same name', async () => {
    const make = async () => {
      await service.ask('POST', PROJECTS, { body: { key: 'shop' } })
      await service.ask('POST', `${PROJECTS}/shop/environments`, { body: { key: 'development' } })
    }
    const remove = (url: string) => service.ask('DELETE', url, { headers: { 'if-match': '*' } })
    await make()
    const sdk = await Promise.all([
      service.sdkKey('server', 'development', 'shop'),
      service.sdkKey('client', 'development', 'shop'),
    ])
    const management = await service.managementKey([{ role: 'admin', projects: ['shop'] }])
    const opens = () =>
      Promise.all(
        sdk.map(async (key) => {
          const answer = await service.ask('POST', '/ofrep/v1/evaluate/flags', { key, body: { context: {} } })
          return answer.status
        }),
      )
    const seen = async () =>
      (await service.ask('GET', PROJECTS, { key: management })).body.items.map(
        ({ key }: { key: string }) => key,
      )
    expect([await opens(), await seen()]).toEqual([[200, 200], ['shop']])

    await remove(`${PROJECTS}/shop`)
    expect([await opens(), await seen()]).toEqual([[401, 401], []])
    expect((await service.ask('DELETE', '/api/v1/keys/self', { key: sdk[0] ?? null })).status).toBe(401)
    await make()
    expect(await opens()).toEqual([401, 401])
    // Grants of management keys go by name.
    expect(await seen()).toEqual(['shop'])
  })
})

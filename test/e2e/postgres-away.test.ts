/**
 * Postgres goes and comes back: what is held serves on, writes are refused for as long as they must be, and nobody
 * restarts anything.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mintKey } from '../../server/domain/keys.ts'
import { type DatabaseProxy, databaseProxy } from '../support/database-proxy.ts'
import { canStartPostgres, type PostgresProcess, startPostgres } from '../support/postgres.ts'
import { processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, managementKey, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { type SdkProcess, startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'

const all = processes()
const FLAG = `${DEVELOPMENT}/flags/checkout`
const RECOVERS_WITHIN_MS = 5_000
const PROBES = { ada: { flag: 'checkout', otherwise: false, context: { targetingKey: 'ada' } } } as const

const readiness = async (server: Server) => {
  const answer = await fetch(`${server.url}/health/ready`)
  return { status: answer.status, body: (await answer.json()) as { status: string; store: { ok: boolean } } }
}

describe.skipIf(!canStartPostgres())('a running server', () => {
  let postgres: PostgresProcess
  let server: Server
  let api: Rest
  let key: string
  /** Used for the first time when the database is away. */
  let viewer: string
  let app: SdkProcess<'ada'>

  const evaluate = () =>
    fetch(`${server.url}/ofrep/v1/evaluate/flags/checkout`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: '{"context":{"targetingKey":"ada"}}',
    })

  beforeAll(async () => {
    postgres = await startPostgres()
    server = await all.startServer({ database: await all.freshDatabase(postgres.url) })
    api = rest(server.url, server.adminKey)
    await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
    await api.must('PUT', `${FLAG}/fallthrough`, { variant: 'on' }, ANY)
    await api.must('POST', `${FLAG}/enable`)
    key = await sdkKey(api, 'server')
    viewer = await managementKey(api)
    app = await startSdk(all, { url: server.url, key }, PROBES)
    await app.see('the server', ({ state }) => state === 'ready')
  })
  afterAll(() => postgres?.remove())

  it.each([
    ['stops', () => postgres.stop()],
    ['is killed', () => postgres.kill()],
  ])('whose Postgres %s reads and evaluates on, refuses writes, and recovers with it', async (_, goAway) => {
    await goAway()

    const refused = await api.ask('PUT', `${FLAG}/fallthrough`, { variant: 'off' }, ANY)
    expect(refused).toMatchObject({ status: 503, body: { type: expect.stringContaining('unavailable') } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(refused.headers.get('content-type')).toContain('application/problem+json')

    expect((await api.ask('GET', FLAG)).status).toBe(200)
    const answer = await evaluate()
    expect([answer.status, await answer.json()]).toMatchObject([200, { value: true }])
    const unknown = await fetch(`${server.url}/sdk/v1/ruleset`, {
      headers: { authorization: `Bearer ${key.slice(0, -1)}` },
    })
    expect(unknown.status).toBe(401)
    expect(
      (await fetch(`${server.url}/sdk/v1/ruleset`, { headers: { authorization: `Bearer ${key}` } })).status,
    ).toBe(200)
    const asViewer = (path: string, secret = viewer) => rest(server.url, secret).ask('GET', path)
    expect((await asViewer(FLAG)).status).toBe(200)
    expect((await asViewer(FLAG, viewer.slice(0, -1))).status).toBe(401)
    expect((await asViewer(FLAG, mintKey('management', randomBytes(32), 'nobody'))).status).toBe(401)
    expect((await rest(server.url, viewer).ask('DELETE', '/api/v1/keys/self')).status).toBe(503)
    await until('readiness shows it', async () => {
      const { status, body } = await readiness(server)
      return status === 200 && body.status === 'degraded' && !body.store.ok
    })
    expect((await app.ask()).results.ada.value).toBe(true)
    const { status, body } = await asViewer(`${DEVELOPMENT}/keys`)
    const [shown] = (body as { items: { lastUses: object[]; lastUsesIncomplete: true }[] }).items
    expect([status, shown?.lastUsesIncomplete]).toEqual([200, true])
    expect(shown?.lastUses).toContainEqual(expect.objectContaining({ app: 'shop', version: '2.4.0' }))

    await postgres.start()
    const killed = await until(
      'a write is taken again',
      async () => {
        const kill = await api.ask<{ revision: number }>('PUT', `${FLAG}/kill`)
        return kill.status === 200 ? kill.body : undefined
      },
      RECOVERS_WITHIN_MS,
    )
    const off = await app.see('the kill', ({ revision }) => revision === killed.revision)
    expect(off.results.ada.value).toBe(false)
    await until('it is ready again', async () => (await readiness(server)).body.status === 'ready')
    await api.must('DELETE', `${FLAG}/kill`)
    expect(server.child.exitCode).toBeNull()
  })
})

describe('a server that is started before its Postgres', () => {
  let proxy: DatabaseProxy
  afterAll(() => proxy?.close())

  it('is up, says that it is not ready, knows nobody yet, and becomes ready by itself', async () => {
    proxy = await databaseProxy(await all.freshDatabase(), { away: true })
    const server = await all.startServer({ database: proxy.url, until: 'live' })
    expect(await readiness(server)).toMatchObject({ status: 503, body: { status: 'starting' } })
    const api = rest(server.url, server.adminKey)
    const early = await api.ask('POST', `${PROJECT}/flags`, { key: 'early', type: 'boolean' })
    expect(early.status).toBe(503)
    // Absence is no truth: a key that it cannot look up yet is not refused.
    const key = mintKey('server', randomBytes(32), 'unknownsofar')
    const ruleset = await fetch(`${server.url}/sdk/v1/ruleset`, {
      headers: { authorization: `Bearer ${key}` },
    })
    expect(ruleset.status).toBe(503)
    const viewer = rest(server.url, mintKey('management', randomBytes(32), 'unknownsofar'))
    expect((await viewer.ask('GET', PROJECT)).status).toBe(503)
    expect((await viewer.ask('DELETE', '/api/v1/keys/self')).status).toBe(503)

    await proxy.giveBack()
    await until('it is ready', async () => (await readiness(server)).status === 200, RECOVERS_WITHIN_MS)
    await until('its default project is there', async () => (await api.ask('GET', PROJECT)).status === 200)
    await api.must('POST', `${PROJECT}/flags`, { key: 'late', type: 'boolean' })
    expect((await server.stop()).code).toBe(0)
  })

  it('can be stopped while it waits', async () => {
    const nowhere = await databaseProxy(await all.freshDatabase(), { away: true })
    const server = await all.startServer({ database: nowhere.url, until: 'live' })
    expect((await server.stop()).code).toBe(0)
  })
})

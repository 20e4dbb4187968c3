import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseKey } from '../../../server/domain/keys.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const SELF = '/api/v1/keys/self'
const DEVELOPMENT = '/api/v1/projects/default/environments/development'

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

const end = (key: string) => service.ask('DELETE', SELF, { key })

describe('a key that ends itself', () => {
  it.each(['admin', 'editor', 'viewer', 'killer'] as const)('may be of the role %s', async (role) => {
    const key = await service.managementKey([{ role, environments: ['default/staging'] }])
    const { status, body } = await end(key)
    expect([status, body]).toEqual([200, expect.objectContaining({ key: parseKey(key)?.id, deleted: true })])
    expect((await end(key)).status).toBe(401)
    expect((await service.ask('GET', `/api/v1/api-keys/${parseKey(key)?.id}`)).status).toBe(404)
  })

  it('may be a server key: its streams are cut, and the log says that it was itself', async () => {
    const url = await service.listen()
    // Not even an environment that asks for comments holds it up.
    await service.ask('PATCH', DEVELOPMENT, {
      body: { settings: { requireComment: true } },
      headers: { 'if-match': '*', 'halyard-comment': 'for the test' },
    })
    const key = await service.sdkKey('server')
    const stream = await fetch(`${url}/sdk/v1/stream`, { headers: { authorization: `Bearer ${key}` } })
    const over = stream.text()
    expect((await end(key)).status).toBe(200)
    await over
    expect((await service.ask('GET', '/sdk/v1/ruleset', { key })).status).toBe(401)
    const project = service.live.project('default')?.id ?? ''
    const { head, provenance } = service.live.held(project) ?? {}
    expect(provenance?.get(head?.revision ?? 0)?.by).toEqual({
      kind: 'sdk-key',
      id: parseKey(key)?.id,
      name: 'server of the tests',
    })
  })

  it('is no client key: that may be public, and any visitor could end it', async () => {
    const key = await service.sdkKey('client', 'staging')
    const refused = await end(key)
    expect([refused.status, refused.body.detail]).toEqual([403, expect.stringContaining('public')])
    const answer = await service.ask('POST', '/ofrep/v1/evaluate/flags', { key, body: { context: {} } })
    expect(answer.status).toBe(200)
  })

  it('is not the configured one, nor the last that administers the service', async () => {
    const configured = await end(service.adminKey)
    expect([configured.status, configured.body.detail]).toEqual([
      409,
      expect.stringContaining('HALYARD_ADMIN_KEY'),
    ])
    const bare = await startService({ adminKey: undefined })
    const last = await bare.ask('DELETE', SELF)
    expect([last.status, last.body.type]).toEqual([409, expect.stringContaining('last-admin-key')])
    await bare.close()
  })

  it('may do so twice at once: one is told that it is gone', async () => {
    const key = await service.managementKey([{ role: 'killer' }])
    const statuses = (await Promise.all([end(key), end(key)])).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 401])
  })

  it('stays where it only asks what would happen', async () => {
    const key = await service.managementKey([{ role: 'viewer' }])
    const tried = await service.ask('DELETE', `${SELF}?dryRun=true`, { key })
    expect(tried.body).toMatchObject({ key: parseKey(key)?.id, dryRun: true })
    expect((await end(key)).status).toBe(200)
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allEndpoints, type EndpointId } from '../../../server/contract/index.ts'
import { startService, type TestService } from '../../support/start-service.ts'

/** Who may call which kind of endpoint, of the environment `default/development`: written out, by hand. */
const ALLOWED = {
  anyone: ['nobody', 'garbage', 'server', 'client', 'admin', 'killer of development'],
  'read the service': [
    ...['admin', 'admin of default', 'admin of another project', 'editor', 'viewer'],
    ...['editor of development', 'editor of staging', 'viewer of development', 'viewer of staging'],
  ],
  'administer the service': ['admin'],
  'read the project': [
    ...['admin', 'admin of default', 'editor', 'viewer'],
    ...['editor of development', 'editor of staging', 'viewer of development', 'viewer of staging'],
  ],
  'edit the project': ['admin', 'admin of default', 'editor'],
  'administer the project': ['admin', 'admin of default'],
  'read the environment': [
    ...['admin', 'admin of default', 'editor', 'viewer'],
    ...['editor of development', 'viewer of development'],
  ],
  'read kills': [
    ...['admin', 'admin of default', 'editor', 'viewer'],
    ...['editor of development', 'viewer of development', 'killer of development'],
  ],
  kill: ['admin', 'admin of default', 'editor', 'editor of development', 'killer of development'],
  'edit the environment': ['admin', 'admin of default', 'editor', 'editor of development'],
  'read staging and edit production': ['admin', 'admin of default', 'editor'],
  'administer the environment': ['admin', 'admin of default'],
  evaluate: ['server', 'client'],
  'follow the ruleset': ['server'],
  'show a token': [],
  'end itself': [
    ...['server', 'admin', 'admin of default', 'admin of another project', 'editor', 'viewer'],
    ...['editor of development', 'editor of staging', 'viewer of development', 'viewer of staging'],
    ...['killer of development', 'killer of staging'],
  ],
} as const

const ROWS: Readonly<Record<EndpointId, keyof typeof ALLOWED>> = {
  'projects.list': 'read the service',
  'projects.create': 'administer the service',
  'projects.get': 'read the project',
  'projects.update': 'administer the project',
  'projects.delete': 'administer the project',
  'environments.list': 'read the project',
  'environments.create': 'administer the project',
  'environments.get': 'read the environment',
  'environments.update': 'administer the environment',
  'environments.delete': 'administer the environment',
  'flags.list': 'read the project',
  'flags.create': 'edit the project',
  'flags.get': 'read the project',
  'flags.update': 'edit the project',
  'flags.archive': 'edit the project',
  'flags.unarchive': 'edit the project',
  'flags.delete': 'edit the project',
  'configurations.list': 'read kills',
  'configurations.get': 'read kills',
  'configurations.put': 'edit the environment',
  'configurations.patch': 'edit the environment',
  'configurations.enable': 'edit the environment',
  'configurations.disable': 'edit the environment',
  'configurations.fallthrough': 'edit the environment',
  'configurations.targets.put': 'edit the environment',
  'configurations.targets.delete': 'edit the environment',
  'configurations.rules.add': 'edit the environment',
  'configurations.rules.patch': 'edit the environment',
  'configurations.rules.delete': 'edit the environment',
  'kills.put': 'kill',
  'kills.post': 'kill',
  'kills.delete': 'edit the environment',
  'segments.list': 'read the environment',
  'segments.get': 'read the environment',
  'segments.put': 'edit the environment',
  'segments.patch': 'edit the environment',
  'segments.delete': 'edit the environment',
  'segments.references': 'read the environment',
  'members.list': 'read the environment',
  'members.edit': 'edit the environment',
  'members.check': 'read the environment',
  'commits.create': 'edit the environment',
  'environments.revert': 'edit the environment',
  'promotions.create': 'read staging and edit production',
  'keys.list': 'read the environment',
  'keys.create': 'administer the environment',
  'keys.get': 'read the environment',
  'keys.rotate': 'administer the environment',
  'keys.delete': 'administer the environment',
  'api-keys.list': 'administer the service',
  'api-keys.create': 'administer the service',
  'api-keys.get': 'administer the service',
  'api-keys.rotate': 'administer the service',
  'api-keys.delete': 'administer the service',
  'keys.revoke-self': 'end itself',
  'ofrep.evaluate': 'evaluate',
  'ofrep.evaluate-all': 'evaluate',
  'ofrep.stream': 'show a token',
  'sdk.ruleset': 'follow the ruleset',
  'sdk.stream': 'follow the ruleset',
  'health.live': 'anyone',
  'health.ready': 'anyone',
  metrics: 'anyone',
  openapi: 'anyone',
  docs: 'anyone',
}

const CALLERS = [
  ...['nobody', 'garbage', 'server', 'client', 'admin', 'admin of default', 'admin of another project'],
  ...['editor', 'editor of development', 'editor of staging'],
  ...['viewer', 'viewer of development', 'viewer of staging'],
  ...['killer of development', 'killer of staging'],
] as const

let service: TestService
let url: string
const keys = new Map<string, string | null>()

beforeAll(async () => {
  service = await startService()
  url = await service.listen()
  await service.ask('POST', '/api/v1/projects', { body: { key: 'other' } })
  keys.set('nobody', null)
  keys.set('garbage', 'hly_api_nothing_like_a_key')
  keys.set('server', await service.sdkKey('server'))
  keys.set('client', await service.sdkKey('client'))
  keys.set('admin', await service.managementKey([{ role: 'admin' }]))
  keys.set('admin of default', await service.managementKey([{ role: 'admin', projects: ['default'] }]))
  keys.set('admin of another project', await service.managementKey([{ role: 'admin', projects: ['other'] }]))
  for (const role of ['editor', 'viewer', 'killer'] as const) {
    keys.set(role, await service.managementKey([{ role }]))
    for (const environment of ['development', 'staging']) {
      const grant = { role, environments: [`default/${environment}`] }
      keys.set(`${role} of ${environment}`, await service.managementKey([grant]))
    }
  }
})
afterAll(() => service.close())

/** A request that changes nothing: writes are dry runs. Streams are cut as soon as they are answered. */
async function ask(id: EndpointId, caller: string, more: Record<string, string> = {}) {
  const endpoint = allEndpoints.find((one) => one.id === id)
  if (endpoint === undefined) throw new Error(id)
  const params: Record<string, string> = { project: 'default', env: 'development', flag: 'a', key: 'a' }
  const path = endpoint.path.replace(/:(\w+)/g, (_, name: string) => params[name] ?? 'a')
  const dry = 'dryRun' in endpoint.query.shape ? '?dryRun=true' : ''
  const key = keys.get(caller)
  const cut = new AbortController()
  const response = await fetch(url + path + dry, {
    method: endpoint.method,
    signal: cut.signal,
    headers: {
      ...(typeof key === 'string' ? { authorization: `Bearer ${key}` } : {}),
      ...(endpoint.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...more,
    },
    ...(endpoint.body === undefined ? {} : { body: JSON.stringify(endpoint.body.example ?? {}) }),
  })
  const type = response.headers.get('content-type') ?? ''
  const body = type.includes('problem+json') ? ((await response.json()) as { type: string }) : { type: '' }
  cut.abort()
  return {
    status: response.status,
    type: body.type.split('/').at(-1),
  }
}

describe('who may call what', () => {
  it('has a row for every endpoint, and every route of the server is an endpoint', () => {
    expect(Object.keys(ROWS).sort()).toEqual(allEndpoints.map(({ id }) => id).sort())
  })

  describe.each(Object.entries(ROWS) as [EndpointId, keyof typeof ALLOWED][])('%s: %s', (id, row) => {
    it.each(CALLERS)('%s', async (caller) => {
      const { status, type } = await ask(id, caller)
      const allowed: readonly string[] = ALLOWED[row]
      const open = row === 'anyone'
      if (open || allowed.includes(caller)) expect([401, 403], `${status} ${type}`).not.toContain(status)
      else if (['nobody', 'garbage'].includes(caller) || row === 'show a token') expect(status).toBe(401)
      else expect([status, type]).toEqual([403, 'forbidden'])
    })
  })

  it.each(Object.entries(ROWS).filter(([, row]) => row !== 'anyone' && row !== 'show a token'))(
    '%s refuses secret keys from browsers, before it says what they may do',
    async (id) => {
      for (const caller of ['admin', 'server']) {
        for (const header of [{ origin: 'https://page.example' }, { 'sec-fetch-site': 'cross-site' }]) {
          const { status, type } = await ask(id as EndpointId, caller, header as Record<string, string>)
          expect([status, type]).toEqual([403, 'secret-key-in-browser'])
        }
      }
    },
  )

  it('counts secret keys from browsers, and logs which key it was, never its text', async () => {
    const metrics = await service.ask('GET', '/metrics', { key: null })
    expect(metrics.text).toMatch(/halyard_secret_keys_in_browsers_total [1-9]/)
    const lines = service.logged.join('\n')
    expect(lines).toContain('a secret key was sent from a browser')
    for (const key of keys.values()) if (key !== null) expect(lines).not.toContain(key)
  })

  it('shows a key of one environment that environment alone', async () => {
    const key = keys.get('viewer of staging') ?? ''
    const environments = await service.ask('GET', '/api/v1/projects/default/environments', { key })
    expect(environments.body.items.map((one: { key: string }) => one.key)).toEqual(['staging'])
    const projects = await service.ask('GET', '/api/v1/projects', { key })
    expect(projects.body.items.map((one: { key: string }) => one.key)).toEqual(['default'])
  })

  it('shows a killer which flags there are and which are killed, and nothing else of them', async () => {
    await service.ask('POST', '/api/v1/projects/default/flags', { body: { key: 'shown', type: 'boolean' } })
    const key = keys.get('killer of development') ?? ''
    const path = '/api/v1/projects/default/environments/development/flags'
    expect((await service.ask('GET', `${path}?fields=variants`, { key })).body.items).toEqual([
      { key: 'shown', kill: null },
    ])
    expect((await service.ask('GET', `${path}/shown`, { key })).body).toEqual({ key: 'shown', kill: null })
  })

  it('does not tell a key what exists where it may not look', async () => {
    const key = keys.get('viewer of staging') ?? ''
    const there = await service.ask('GET', '/api/v1/projects/other/environments', { key })
    const nowhere = await service.ask('GET', '/api/v1/projects/nowhere/environments', { key })
    expect([there.status, nowhere.status]).toEqual([403, 403])
  })

  it('does not let an environment’s key open one made again under the same name', async () => {
    const path = '/api/v1/projects/default/environments'
    await service.ask('POST', path, { body: { key: 'short-lived' } })
    const key = await service.sdkKey('server', 'short-lived')
    expect((await service.ask('GET', '/sdk/v1/ruleset', { key })).status).toBe(200)
    await service.ask('DELETE', `${path}/short-lived`, { headers: { 'if-match': '*' } })
    expect((await service.ask('GET', '/sdk/v1/ruleset', { key })).status).toBe(401)
    await service.ask('POST', path, { body: { key: 'short-lived' } })
    expect((await service.ask('GET', '/sdk/v1/ruleset', { key })).status).toBe(401)
  })

  it('does not register a route that says nothing of who may call it', async () => {
    const { createHttp } = await import('../../../server/http/index.ts')
    const http = createHttp({
      live: service.live,
      config: { trustProxy: false, managementRequestsPerSecond: 1, evaluationsPerSecond: undefined },
      clock: { now: () => 0 },
      log: { info() {}, warn() {}, error() {} },
    })
    expect(() => http.get('/secret', () => 'everything')).toThrow('declares no access')
  })
})

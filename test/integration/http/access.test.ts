import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allEndpoints, type Endpoint, type EndpointId, problemUri } from '../../../server/contract/index.ts'
import { startService, type TestService } from '../../support/start-service.ts'

/**
 * The matrix: every endpoint is called by every kind of key and every role, in an environment of its own, in another
 * one of its project, and in another project. What is expected is written out here, by hand; nothing of it is taken
 * from the contract or from the server.
 */
const PLACES = {
  'its own environment': { project: 'default', env: 'development' },
  'another environment of its project': { project: 'default', env: 'staging' },
  'another project': { project: 'other', env: 'development' },
} as const
type PlaceName = keyof typeof PLACES

/** What a management key's only grant covers. */
const GRANTS = {
  everything: {},
  'the project': { projects: ['default'] },
  'the environment': { environments: ['default/development'] },
} as const
type Reach = keyof typeof GRANTS

const EVERYTHING: readonly Reach[] = ['everything']
const PROJECT: readonly Reach[] = ['everything', 'the project']
const ENVIRONMENT: readonly Reach[] = ['everything', 'the project', 'the environment']

/** Which grants reach there, by the place, in the order of `PLACES`. Of what is read, a part is enough. */
const REACHES = {
  //                           own          another env. another project
  'a part of the service': [ENVIRONMENT, ENVIRONMENT, ENVIRONMENT],
  'all of the service': [EVERYTHING, EVERYTHING, EVERYTHING],
  'a part of the project': [ENVIRONMENT, ENVIRONMENT, EVERYTHING],
  'all of the project': [PROJECT, PROJECT, EVERYTHING],
  'the environment': [ENVIRONMENT, PROJECT, EVERYTHING],
} as const

type Role = 'admin' | 'editor' | 'viewer' | 'killer'
const ROLES: readonly Role[] = ['admin', 'editor', 'viewer', 'killer']

/** For each row: the roles that may, and where their grant must reach; or the callers, where grants do not matter. */
const NEEDS = {
  'read the service': { roles: ['admin', 'editor', 'viewer'], reach: 'a part of the service' },
  'administer the service': { roles: ['admin'], reach: 'all of the service' },
  'read the project': { roles: ['admin', 'editor', 'viewer'], reach: 'a part of the project' },
  'edit the project': { roles: ['admin', 'editor'], reach: 'all of the project' },
  'administer the project': { roles: ['admin'], reach: 'all of the project' },
  'read the environment': { roles: ['admin', 'editor', 'viewer'], reach: 'the environment' },
  'read kills': { roles: ['admin', 'editor', 'viewer', 'killer'], reach: 'the environment' },
  kill: { roles: ['admin', 'editor', 'killer'], reach: 'the environment' },
  // A killer what it killed itself: see kills.test.ts for what it is refused.
  'un-kill': { roles: ['admin', 'editor', 'killer'], reach: 'the environment' },
  'edit the environment': { roles: ['admin', 'editor'], reach: 'the environment' },
  'administer the environment': { roles: ['admin'], reach: 'the environment' },
  'read staging and production': { roles: ['admin', 'editor', 'viewer'], reach: 'all of the project' },
  'read staging and edit production': { roles: ['admin', 'editor'], reach: 'all of the project' },
  evaluate: { callers: ['server', 'client'] },
  'follow the ruleset': { callers: ['server'] },
  'show a token': { callers: [] },
  'hold a link': { callers: [] },
  'end itself': { callers: ['server'], roles: ROLES, reach: 'a part of the service' },
  anyone: 'anyone',
} as const satisfies Record<string, Need>
type Need =
  | 'anyone'
  | Partial<{ callers: readonly string[]; roles: readonly Role[]; reach: keyof typeof REACHES }>

const ROWS: Readonly<Record<EndpointId, keyof typeof NEEDS>> = {
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
  'kills.short': 'kill',
  'kills.group': 'kill',
  'kills.status': 'read kills',
  'kills.delete': 'un-kill',
  'delivery.get': 'read kills',
  'kill-links.create': 'kill',
  'kill-links.page': 'hold a link',
  'kill-links.kill': 'hold a link',
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
  'changes.list': 'read the environment',
  'changes.get': 'read the environment',
  'changes.of-project.list': 'read the project',
  'changes.of-project.get': 'read the project',
  'changes.of-service.list': 'read the service',
  'changes.of-service.get': 'read the service',
  'revisions.get': 'read the environment',
  'flags.usage': 'read the environment',
  'flags.explain': 'read the environment',
  'flags.compare': 'read staging and production',
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
  'sdk.acks': 'evaluate',
  'sdk.telemetry': 'evaluate',
  'health.live': 'anyone',
  'health.ready': 'anyone',
  metrics: 'anyone',
  openapi: 'anyone',
  docs: 'anyone',
}

type Caller = { readonly name: string; readonly role?: Role; readonly reach?: Reach }
/** Keys are the own environment's, or reach as far as their grant says. */
const CALLERS: readonly Caller[] = [
  ...['nobody', 'garbage', 'server', 'client'].map((name) => ({ name })),
  ...ROLES.flatMap((role) =>
    (Object.keys(GRANTS) as Reach[]).map((reach) => ({ name: `${role} of ${reach}`, role, reach })),
  ),
]

let service: TestService
let url: string
const keys = new Map<string, string | null>()

beforeAll(async () => {
  service = await startService()
  url = await service.listen()
  await service.ask('POST', '/api/v1/projects', { body: { key: 'other' } })
  for (const env of ['development', 'staging', 'production']) {
    await service.ask('POST', '/api/v1/projects/other/environments', { body: { key: env } })
  }
  // What is asked about exists everywhere.
  for (const { project, env } of Object.values(PLACES)) {
    await service.ask('POST', `/api/v1/projects/${project}/flags`, { body: { key: 'a', type: 'boolean' } })
    await service.ask('PUT', `/api/v1/projects/${project}/environments/${env}/segments/a`, { body: {} })
  }
  keys.set('nobody', null)
  keys.set('garbage', 'hly_api_nothing_like_a_key')
  keys.set('server', await service.sdkKey('server'))
  keys.set('client', await service.sdkKey('client'))
  for (const { name, role, reach } of CALLERS) {
    if (role === undefined || reach === undefined) continue
    keys.set(name, await service.managementKey([{ role, ...GRANTS[reach] }]))
  }
})
afterAll(() => service.close())

type Params = Readonly<Record<string, string>>

/** A request that changes nothing: writes are dry runs. */
async function ask(endpoint: Endpoint, caller: string, params: Params, more: Record<string, string> = {}) {
  const { method, path, query, headers, body, answers } = endpoint
  const address = path.replace(/:(\w+)/g, (_, name: string) => params[name] ?? 'a')
  const dry = 'dryRun' in query.shape ? '?dryRun=true' : ''
  const sent = { ...('if-match' in headers.shape ? { 'if-match': '*' } : {}), ...more }
  const key = keys.get(caller) ?? null
  if (answers[200]?.mediaType === 'text/event-stream') return open(address, key, sent)
  const asked = { key, headers: sent, ...(body === undefined ? {} : { body: body.example ?? {} }) }
  const answer = await service.ask(method, address + dry, asked)
  return { status: answer.status, problem: answer.body as Problem }
}
type Problem = { readonly type: string; readonly detail?: string; readonly instance?: string }

/** A stream is cut as soon as it is answered. */
async function open(address: string, key: string | null, headers: Record<string, string>) {
  const cut = new AbortController()
  const authorization: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` }
  const response = await fetch(url + address, {
    signal: cut.signal,
    headers: { ...authorization, ...headers },
  })
  const problem = response.ok ? { type: '' } : ((await response.json()) as Problem)
  cut.abort()
  return { status: response.status, problem }
}

const mayDo = (row: keyof typeof NEEDS, place: PlaceName, { name, role, reach }: Caller): boolean => {
  const need: Need = NEEDS[row]
  if (need === 'anyone') return true
  if (role === undefined || reach === undefined) return need.callers?.includes(name) === true
  if (need.roles === undefined || need.reach === undefined) return false
  const there = REACHES[need.reach][Object.keys(PLACES).indexOf(place)]
  return need.roles.includes(role) && there?.includes(reach) === true
}

const CELLS = allEndpoints.flatMap((endpoint) => {
  const everywhere = Object.keys(PLACES) as PlaceName[]
  // What is no part of a project is in one place alone.
  const places = endpoint.path.includes(':project') ? everywhere : everywhere.slice(0, 1)
  return places.map((place) => ({ endpoint, row: ROWS[endpoint.id as EndpointId], place }))
})

describe('who may call what', () => {
  it('has a row for every endpoint, and every route of the server is an endpoint', () => {
    expect(Object.keys(ROWS).sort()).toEqual(allEndpoints.map(({ id }) => id).sort())
  })

  it.each(CELLS)('$endpoint.id in $place: $row', async ({ endpoint, row, place }) => {
    const answers: Record<string, string> = {}
    const expected: Record<string, string> = {}
    for (const caller of CALLERS) {
      const { status, problem } = await ask(endpoint, caller.name, PLACES[place])
      const refused = status === 401 || status === 403 || problem?.type === problemUri('link-not-found')
      answers[caller.name] = refused ? `${status} ${problem.type.split('/').at(-1)}` : 'yes'
      const isKey = caller.name !== 'nobody' && caller.name !== 'garbage' && row !== 'show a token'
      // A link is for whoever holds it, and no key stands in for it.
      const refusal =
        row === 'hold a link' ? '404 link-not-found' : isKey ? '403 forbidden' : '401 unauthenticated'
      expected[caller.name] = mayDo(row, place, caller) ? 'yes' : refusal
    }
    expect(answers).toEqual(expected)
  })

  it.each(CELLS.filter(({ endpoint }) => endpoint.path.includes(':')))(
    '$endpoint.id in $place tells nobody who is refused whether anything is there',
    async ({ endpoint, row, place }) => {
      const { project, env } = PLACES[place]
      const ghost = { flag: 'ghost', segment: 'ghost', id: 'ghost', variant: 'ghost', rule: 'ghost' }
      const nowhere = project === 'other' ? { project: 'nowhere', env } : { project, env: 'nowhere' }
      for (const caller of CALLERS.filter((one) => !mayDo(row, place, one))) {
        const there = await ask(endpoint, caller.name, PLACES[place])
        for (const params of [
          { ...PLACES[place], ...ghost },
          { ...nowhere, ...ghost },
        ]) {
          const elsewhere = await ask(endpoint, caller.name, params)
          const { instance: _there, ...said } = there.problem
          const { instance: _elsewhere, ...saidElsewhere } = elsewhere.problem
          expect([caller.name, elsewhere.status, saidElsewhere]).toEqual([caller.name, there.status, said])
        }
      }
    },
  )

  it.each(Object.entries(PLACES))('SDK keys of %s open that environment, and no other', async (_, place) => {
    const { project, env } = place
    const key = await service.sdkKey('server', env, project)
    const ruleset = await service.ask('GET', '/sdk/v1/ruleset', { key })
    expect(ruleset.body).toMatchObject({ project, environment: env })
    for (const one of [key, await service.sdkKey('client', env, project)]) {
      const evaluated = await service.ask('POST', '/ofrep/v1/evaluate/flags', {
        key: one,
        body: { context: {} },
      })
      expect(evaluated.body.metadata.flagSetId).toBe(`${project}/${env}`)
    }
  })

  it.each(
    Object.entries(ROWS).filter(
      ([, row]) => row !== 'anyone' && row !== 'show a token' && row !== 'hold a link',
    ),
  )('%s refuses secret keys from browsers, before it says what they may do', async (id) => {
    const endpoint = allEndpoints.find((one) => one.id === id) as Endpoint
    for (const caller of ['admin of everything', 'server']) {
      for (const header of [{ origin: 'https://page.example' }, { 'sec-fetch-site': 'cross-site' }]) {
        const params = PLACES['its own environment']
        const { status, problem } = await ask(endpoint, caller, params, header as Record<string, string>)
        expect([status, problem.type]).toEqual([403, problemUri('secret-key-in-browser')])
      }
    }
  })

  it('counts secret keys from browsers, and logs which key it was, never its text', async () => {
    const metrics = await service.ask('GET', '/metrics', { key: null })
    expect(metrics.text).toMatch(/halyard_secret_keys_in_browsers_total [1-9]/)
    const lines = service.logged.join('\n')
    expect(lines).toContain('a secret key was sent from a browser')
    for (const key of keys.values()) if (key !== null) expect(lines).not.toContain(key)
  })

  it('shows a key of one environment that environment alone', async () => {
    const key = keys.get('viewer of the environment') ?? ''
    const environments = await service.ask('GET', '/api/v1/projects/default/environments', { key })
    expect(environments.body.items.map((one: { key: string }) => one.key)).toEqual(['development'])
    const projects = await service.ask('GET', '/api/v1/projects', { key })
    expect(projects.body.items.map((one: { key: string }) => one.key)).toEqual(['default'])
  })

  it('shows a killer which flags there are and which are killed, and nothing else of them', async () => {
    const key = keys.get('killer of the environment') ?? ''
    const path = '/api/v1/projects/default/environments/development/flags'
    expect((await service.ask('GET', `${path}?fields=variants`, { key })).body.items).toEqual([
      { key: 'a', kill: null },
    ])
    expect((await service.ask('GET', `${path}/a`, { key })).body).toEqual({ key: 'a', kill: null })
  })

  it('does not tell a key what exists where it may not look', async () => {
    const key = keys.get('viewer of the environment') ?? ''
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
      config: {
        trustProxy: false,
        managementRequestsPerSecond: 1,
        evaluationsPerSecond: undefined,
        unknownKeysPerSecond: 1,
      },
      clock: { now: () => 0 },
      log: { info() {}, warn() {}, error() {} },
      version: '1.2.3',
    })
    expect(() => http.get('/secret', () => 'everything')).toThrow('declares no access')
  })
})

import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allEndpoints, type Endpoint, PROBLEM_TYPES, problemUri } from '../../../server/contract/index.ts'
import { parseKey } from '../../../server/domain/keys.ts'
import { Problem, type ProblemType } from '../../../server/domain/problem.ts'
import { createHttp } from '../../../server/http/index.ts'
import type { Live } from '../../../server/live/live.ts'
import { type AskOptions, startService, type TestService } from '../../support/start-service.ts'
import { Peer } from '../../unit/live/support.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

const USED = 'used-before'
/** Longer than making a key takes on a busy machine. */
const EXPIRE_MS = 3_000

let service: TestService
let limited: TestService
/** Without a configured admin key: its first key is the last that administers. */
let unconfigured: TestService
const keys: Record<string, string> = {}
const keyIds: Record<string, string> = {}
/** Tokens of kill links, of `service`, by flag; `expired` is one that was. */
const links: Record<string, string> = {}

beforeAll(async () => {
  service = await startService()
  limited = await startService({
    managementRequestsPerSecond: 1,
    evaluationsPerSecond: 1,
    unknownKeysPerSecond: 1,
    maxStreamsPerKey: 1,
  })
  unconfigured = await startService({ adminKey: undefined })
  keys.server = await service.sdkKey('server')
  keys.client = await service.sdkKey('client')
  keys.management = await service.managementKey([{ role: 'admin' }])
  await makeEndedKeys()
  const make = (body: object) => service.ask('POST', `${PROJECT}/flags`, { body })
  for (const key of ['plain', 'archived', 'base', 'dependent', 'killed']) await make({ key, type: 'boolean' })
  await service.ask('POST', `${PROJECT}/flags/archived/archive`)
  await service.ask('PATCH', `${ENVIRONMENT}/flags/dependent`, {
    body: { prerequisites: [{ flag: 'base', variants: ['on'] }] },
    headers: { 'if-match': '*' },
  })
  await make({ key: 'broken', type: 'boolean' })
  await breakFlag('broken')
  await service.ask('PUT', `${ENVIRONMENT}/flags/killed/kill`)
  await service.ask('POST', `${ENVIRONMENT}/flags/killed/enable`, { headers: { 'if-match': '*' } })
  await service.ask('PUT', `${ENVIRONMENT}/segments/used`, { body: {} })
  await service.ask('PUT', `${ENVIRONMENT}/segments/free`, { body: {} })
  await service.ask('POST', `${ENVIRONMENT}/flags/plain/rules`, {
    body: { id: 'first', when: { segment: 'used' }, serve: { variant: 'on' } },
  })
  await makeLinks()
  await useKey()
})
afterAll(() => Promise.all([service, limited, unconfigured].map((one) => one.close())))

/** A write of each log under the key that is then used. */
async function useKey(): Promise<void> {
  const headers = { 'idempotency-key': USED, 'if-match': '*' }
  const key = keys.management ?? null
  for (const [method, url, body] of [
    ['PATCH', PROJECT, { name: 'Used' }],
    ['PATCH', `${PROJECT}/flags/plain`, { description: 'Used' }],
    ['POST', `${ENVIRONMENT}/flags/plain/disable`, undefined],
  ] as const) {
    const { status } = await service.ask(method, url, { body, headers, key })
    if (status !== 200) throw new Error(`${method} ${url}: ${status}`)
  }
}

/** Keys of both kinds: one rotated, one expired. */
async function makeEndedKeys(): Promise<void> {
  const soon = () => new Date(Date.now() + EXPIRE_MS).toISOString()
  const made = async (url: string, body: object) => (await service.ask('POST', url, { body })).body.id
  for (const [kind, url, body] of [
    ['', `${ENVIRONMENT}/keys`, { kind: 'server', name: 'ends' }],
    ['Api', '/api/v1/api-keys', { name: 'ends', grants: [{ role: 'viewer' }] }],
  ] as const) {
    keyIds[`expired${kind}`] = await made(url, { ...body, expiresAt: soon() })
    keyIds[`rotated${kind}`] = await made(url, body)
    await service.ask('POST', `${url}/${keyIds[`rotated${kind}`]}/rotate`)
  }
  await new Promise((resolve) => setTimeout(resolve, EXPIRE_MS))
}

async function makeLinks(): Promise<void> {
  const environment = service.live.environment('default', 'development')
  if (environment === undefined) throw new Error('There is no environment.')
  const expiresAt = { plain: Date.now() + 600_000, nope: Date.now() + 600_000, expired: Date.now() - 1_000 }
  const other = { archived: expiresAt.plain, group: expiresAt.plain }
  for (const [flag, at] of Object.entries({ ...expiresAt, ...other })) {
    const target = flag === 'group' ? ({ all: true, expect: 99_999 } as const) : { flag }
    const asked = { id: 'tests', environment: environment.id, target, comment: undefined, expiresAt: at }
    links[flag] = (await service.live.makeKillLink('admin', asked))?.token ?? ''
  }
}

/** As SQL by hand would: a configuration whose value is of no type that the flag has. */
async function breakFlag(key: string): Promise<void> {
  const environment = service.live.environment('default', 'development')
  if (environment === undefined) throw new Error('There is no environment.')
  const definition = {
    ...{ type: 'boolean', enabled: true, visibility: 'server', variants: { on: 'text', off: false } },
    ...{ offVariant: 'off', prerequisites: [], fallthrough: { variant: 'on' } },
    targets: [{ variant: 'on', by: 'targetingKey', units: ['u'] }],
    rules: [{ id: 'first', serve: { variant: 'on' } }],
  }
  await service.live.commit({
    scope: { path: [environment.id] },
    actor: { kind: 'system', id: 'tests', name: 'Tests' },
    edit: () => ({
      action: 'flag.break',
      edits: new Map([[environment.id, [{ kind: 'flag', key, definition }]]]),
      warnings: [],
      result: undefined,
    }),
  })
}

type Request = { readonly params?: Record<string, string>; readonly query?: string } & AskOptions

const PARAMS: Readonly<Record<string, string>> = {
  project: 'default',
  env: 'development',
  flag: 'plain',
  segment: 'used',
  variant: 'on',
  rule: 'first',
  revision: '1',
}

/** A request that the endpoint would take, changed by what a problem needs. */
function send(target: TestService, endpoint: Endpoint, request: Request = {}) {
  const dry = 'dryRun' in endpoint.query.shape ? '?dryRun=true' : ''
  const { params = {}, query = dry, ...options } = request
  const token = links.plain ?? ''
  const known: Record<string, string> = {
    ...PARAMS,
    token,
    key: endpoint.access.by === 'sdk' ? 'plain' : 'no-key',
  }
  const path = endpoint.path.replace(/:(\w+)/g, (_, name: string) => params[name] ?? known[name] ?? 'x')
  const key = endpoint.access.by === 'management' ? keys.management : keys.server
  const ifMatch = 'if-match' in endpoint.headers.shape ? { 'if-match': '*' } : {}
  return target.ask(endpoint.method, path + query, {
    ...(endpoint.body === undefined ? {} : { body: endpoint.body.example ?? {} }),
    key: key ?? null,
    ...options,
    headers: 'headers' in options ? { ...options.headers } : ifMatch,
  })
}

/** The body of an endpoint whose body names what is moved, or asked about; nothing for others. */
const named = (id: string, more: object): Pick<Request, 'body'> => {
  if (id === 'kill-links.create') {
    const { flags: [flag] = ['plain'] } = more as { flags?: string[] }
    return { body: { flag } }
  }
  if (id === 'environments.revert') return { body: { toRevision: 1, ...more } }
  const promotion = { from: 'staging', to: 'development', flags: ['plain'], ...more }
  if (id === 'promotions.create') return { body: promotion }
  const { from: environment = 'staging', flags, at }: { from?: string; flags?: string[]; at?: number } = more
  if (id === 'flags.explain') return { body: { context: {}, flag: flags?.[0], at } }
  const side = { environment, at }
  return id === 'flags.compare' ? { body: { context: {}, from: side, to: side, flags } } : {}
}

const form = (body: string): Request => ({
  body,
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
})

/** How each problem is met: by which request, at any endpoint that declares it. */
const MET_BY: Readonly<Partial<Record<ProblemType, (endpoint: Endpoint) => Request>>> = {
  'malformed-json': () => ({ body: '{"key": ' }),
  'invalid-request': ({ access }) =>
    access.by === 'kill-link' ? form('step=what') : { query: '?nonsense=1' },
  unauthenticated: () => ({ key: null }),
  forbidden: ({ access }) => ({ key: (access.by === 'sdk' ? keys.management : keys.client) ?? null }),
  'cross-site': () => ({ headers: { origin: 'https://page.example' } }),
  'link-not-found': () => ({ params: { token: 'nope' } }),
  'link-ended': () => ({ params: { token: links.expired ?? '' } }),
  'secret-key-in-browser': () => ({ headers: { origin: 'https://page.example' } }),
  'project-not-found': () => ({ params: { project: 'nowhere' } }),
  'environment-not-found': ({ id }) => ({
    params: { env: 'nowhere' },
    ...(id !== 'environments.revert' && named(id, { from: 'nowhere' })),
  }),
  'flag-not-found': ({ id }) => ({
    params: { flag: 'nope', token: links.nope ?? '' },
    ...(id === 'kills.group' ? { body: { tag: 'nope' } } : named(id, { flags: ['nope'] })),
  }),
  'kill-not-found': () => ({ params: { kill: 'nope' } }),
  'segment-not-found': ({ id }) => ({ params: { segment: 'nope' }, ...named(id, { segments: ['nope'] }) }),
  'revision-not-found': ({ id }) => ({
    params: { revision: '999999' },
    ...(id !== 'environments.revert' && named(id, { at: 999_999 })),
  }),
  'variant-not-found': () => ({ params: { variant: 'nope' } }),
  'rule-not-found': ({ id }) =>
    id === 'configurations.rules.add'
      ? { body: { before: 'nope', serve: { variant: 'on' } } }
      : { params: { rule: 'nope' } },
  'key-not-found': () => ({ params: { id: 'nope' } }),
  'last-admin-key': () => ({
    key: unconfigured.adminKey,
    params: { id: parseKey(unconfigured.adminKey)?.id ?? '' },
  }),
  'key-rotated': ({ id }) => ({
    params: { id: keyIds[id === 'keys.rotate' ? 'rotated' : 'rotatedApi'] ?? '' },
  }),
  'key-expired': ({ id }) => ({
    params: { id: keyIds[id === 'keys.rotate' ? 'expired' : 'expiredApi'] ?? '' },
  }),
  'key-configured': () => ({ key: service.adminKey, params: { id: 'admin' } }),
  'already-exists': ({ id }) => ({
    body:
      id === 'projects.create'
        ? { key: 'default' }
        : id === 'environments.create'
          ? { key: 'development' }
          : { key: 'plain', type: 'boolean' },
  }),
  'flag-archived': ({ id }) => ({
    params: { flag: 'archived', token: links.archived ?? '' },
    ...named(id, { flags: ['archived'] }),
  }),
  'flag-not-archived': () => ({}),
  'flag-required': ({ id, body }) => ({
    params: { flag: 'base' },
    ...(body?.optional ? {} : { body: { changes: [{ op: 'delete', kind: 'flag', key: 'base' }] } }),
    ...named(id, { flags: ['base'] }),
  }),
  'segment-referenced': ({ id, body }) => ({
    ...(body === undefined ? {} : { body: { changes: [{ op: 'delete', kind: 'segment', key: 'used' }] } }),
    ...named(id, { segments: ['used'] }),
  }),
  'plan-stale': ({ id }) => named(id, { plan: `1-1.1-1.${'0'.repeat(64)}` }),
  'kill-count-differs': () => ({ params: { token: links.group ?? '' }, body: { all: true, expect: 999 } }),
  'kill-changed': () => ({ params: { flag: 'killed' }, query: '?kill=another&dryRun=true' }),
  'edited-while-killed': () => ({ params: { flag: 'killed' } }),
  'not-killed': () => ({}),
  // The key came with one request in each log before; a dry run would do nothing else than find that.
  'idempotency-key-reused': ({ id, headers }) => ({
    ...(id === 'kills.group' ? { body: { all: true, expect: 999 } } : named(id, {})),
    headers: { 'idempotency-key': USED, ...('if-match' in headers.shape ? { 'if-match': '*' } : {}) },
  }),
  'revision-conflict': () => ({
    body: { changes: [{ op: 'delete', kind: 'segment', key: 'free', ifRevision: 99_999 }] },
  }),
  stale: () => ({ headers: { 'if-match': '"1-1"' } }),
  'precondition-required': () => ({ headers: {} }),
  'too-large': ({ body }) => ({
    body: JSON.stringify({ context: 'x'.repeat(body?.size === 'context' ? 18_000 : 8 * 1024 * 1024) }),
  }),
  'unsupported-media-type': () => ({ body: '<flag/>', headers: { 'content-type': 'text/xml' } }),
  // Where no body is taken, only a document that was broken by other means can break a rule.
  'invalid-document': ({ body }) =>
    body === undefined ? { params: { flag: 'broken' } } : { body: '{"comment": "\\u0000"}' },
}

const declared = allEndpoints.flatMap((endpoint) =>
  [...new Set(endpoint.problems)].map((type) => ({ endpoint, type, name: `${endpoint.id} answers ${type}` })),
)
const failures = ['internal', 'unavailable', 'history-compacted'] as const
const ofOthers: readonly ProblemType[] = [...failures, 'too-many-requests']

describe('each problem that an endpoint declares can be met there', () => {
  it.each(declared.filter(({ type }) => !ofOthers.includes(type)))('$name', async ({ endpoint, type }) => {
    const how = MET_BY[type]
    if (how === undefined) throw new Error(`No request is known that meets ${type}.`)
    const target = type === 'last-admin-key' ? unconfigured : service
    const answer = await send(target, endpoint, how(endpoint))
    expect(answer.body?.type, `${answer.status} ${answer.text}`).toBe(problemUri(type))
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.body.instance).toMatch(/^urn:halyard:request:/)
    expect(answer.headers['cache-control']).toBe('no-store')
    if (type === 'unauthenticated') expect(answer.headers['www-authenticate']).toContain('Bearer')
  })

  it.each(declared.filter(({ type }) => type === 'too-many-requests'))(
    '$name',
    async ({ endpoint, type }) => {
      const { live } = limited
      const environment = live.environment('default', 'development')
      const kind = endpoint.id.startsWith('ofrep.') ? 'client' : 'server'
      const key = await (['management', 'self'].includes(endpoint.access.by)
        ? limited.managementKey([{ role: 'admin' }])
        : limited.sdkKey(kind))
      const principal = await live.authenticate(key)
      if (environment === undefined || typeof principal === 'string') throw new Error('The key is not known.')
      const { keyId } = principal
      const token = live.streamToken(environment.id, keyId, 'client')
      // The limits are one: a stream of a key, or a request a second. Of downloads, those with keys that nobody knows.
      const request = {
        key: ['sdk.ruleset', 'sdk.telemetry', 'sdk.acks'].includes(endpoint.id) ? 'nobody’s' : key,
        ...(endpoint.id === 'ofrep.stream' ? { query: `?token=${token}` } : {}),
        ...(endpoint.access.by === 'kill-link' ? { params: { token: 'forged' } } : {}),
      }
      if (endpoint.id === 'ofrep.stream') live.openRefetchStream(environment.id, keyId, 'client', new Peer())
      else if (endpoint.id === 'sdk.stream') live.openStream(environment.id, keyId, undefined, new Peer())
      else await send(limited, endpoint, request)
      const again = Array.from({ length: endpoint.limit === 'kills' ? 200 : 1 }, () =>
        send(limited, endpoint, request),
      )
      const answers = await Promise.all(again)
      const answer = answers.find(({ status }) => status === 429) ?? answers[0]
      if (answer === undefined) throw new Error('Nothing was asked.')
      expect(answer.body?.type, answer.text).toBe(problemUri(type))
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
    },
  )

  describe('where the live room fails', () => {
    const fails = [
      ...[
        'changes',
        'flagUsage',
        'live',
        'commit',
        'held',
        'past',
        'answer',
        'evaluateAll',
        'ruleset',
        'openStream',
      ],
      ...['verifyStreamToken', 'openKillLink', 'rollCall', 'status', 'streams'],
    ]
    const brokenBy = (error: Error): FastifyInstance => {
      const fail = () => {
        throw error
      }
      const delivery = { ...service.live.delivery, told: fail, acknowledged: fail }
      const live = new Proxy(service.live, {
        get: (target, name) =>
          name === 'delivery' ? delivery : fails.includes(String(name)) ? fail : target[name as keyof Live],
      })
      return createHttp({
        live,
        config: {
          trustProxy: false,
          managementRequestsPerSecond: 1_000_000,
          evaluationsPerSecond: undefined,
          unknownKeysPerSecond: 1_000_000,
        },
        clock: { now: () => Date.now() },
        log: { info() {}, warn() {}, error() {} },
        version: '1.2.3',
      })
    }
    const causes = {
      internal: new Error('SELECT secret FROM inside'),
      unavailable: new Problem('unavailable', 'The database does not answer.', { retryAfter: 2.5 }),
      'history-compacted': new Problem('history-compacted', 'This revision was not kept.'),
    }

    it.each(declared.filter(({ type }) => failures.some((failure) => failure === type)))(
      '$name, and tells nothing of the inside',
      async ({ endpoint, type }) => {
        const http = brokenBy(causes[type as keyof typeof causes])
        const asked = {
          ...service,
          ask: async (method: string, url: string, { body, key, headers }: AskOptions = {}) => {
            const {
              statusCode,
              payload,
              headers: answered,
            } = await http.inject({
              method: method as 'GET',
              url,
              headers: {
                'halyard-instance': 'one',
                ...headers,
                ...(key ? { authorization: `Bearer ${key}` } : {}),
                ...(body === undefined ? {} : { 'content-type': 'application/json' }),
              },
              ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
            })
            return {
              status: statusCode,
              body: JSON.parse(payload),
              headers: answered,
              text: payload,
              etag: '',
            }
          },
        }
        const query = endpoint.id === 'ofrep.stream' ? '?token=any' : ''
        const answer = await send(asked, endpoint, { query })
        expect(answer.body.type, answer.text).toBe(problemUri(type))
        expect(answer.text).not.toMatch(/SELECT|secret|at .*\.ts/)
        if (type === 'unavailable') expect(answer.headers['retry-after']).toBe('3')
      },
    )
  })

  it('covers the whole catalogue', () => {
    const met = new Set(declared.map(({ type }) => type))
    const everywhere: readonly ProblemType[] = ['route-not-found', 'method-not-allowed']
    expect(PROBLEM_TYPES.filter((type) => !met.has(type) && !everywhere.includes(type))).toEqual([])
  })

  it('answers an unknown address and an unknown method as problems, too', async () => {
    const missing = await service.ask('GET', '/api/v2/everything')
    expect([missing.status, missing.body.type]).toEqual([404, problemUri('route-not-found')])
    const method = await service.ask('PUT', `${PROJECT}/flags`)
    expect([method.status, method.body.type]).toEqual([405, problemUri('method-not-allowed')])
    expect(method.headers.allow).toBe('GET, POST')
    const encoding = await service.ask('GET', '/api/v1/projects/%E0%A4%A')
    expect([encoding.status, encoding.body.type]).toEqual([400, problemUri('invalid-request')])
  })

  it('names the nearest key where one is unknown', async () => {
    const flag = await service.ask('GET', `${ENVIRONMENT}/flags/plian`)
    expect(flag.body).toMatchObject({ status: 404, didYouMean: 'plain' })
    const environment = await service.ask('GET', `${PROJECT}/environments/developmnt`)
    expect(environment.body.didYouMean).toBe('development')
    const far = await service.ask('GET', `${ENVIRONMENT}/flags/something-else-altogether`)
    expect(far.body.didYouMean).toBeUndefined()
  })
})

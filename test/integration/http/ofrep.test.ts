import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const ONE = '/ofrep/v1/evaluate/flags/'
const ALL = '/ofrep/v1/evaluate/flags'

let service: TestService
let server: string
let client: string
const ask: TestService['ask'] = (...request) => service.ask(...request)
beforeAll(async () => {
  service = await startService()
  server = await service.sdkKey('server')
  client = await service.sdkKey('client')
  await ask('POST', `${PROJECT}/flags`, { body: { key: 'open', type: 'boolean', visibility: 'client' } })
  await ask('POST', `${PROJECT}/flags`, { body: { key: 'inner', type: 'boolean' } })
  await ask('POST', `${PROJECT}/flags`, {
    body: { key: 'default', type: 'string', variants: { a: 'A' }, offVariant: null, visibility: 'client' },
  })
  await ask('PUT', `${ENVIRONMENT}/flags/open`, {
    headers: { 'if-match': '*' },
    body: {
      enabled: true,
      visibility: 'client',
      variants: { on: true, off: false },
      offVariant: 'off',
      rules: [
        { id: 'pro', when: { attribute: 'plan', op: 'in', values: ['pro'] }, serve: { variant: 'on' } },
      ],
      fallthrough: { split: { shares: [{ variant: 'on', percent: 100 }] } },
    },
  })
})
afterAll(() => service.close())

const one = (key: string, flag: string, body: unknown, headers = {}) =>
  ask('POST', ONE + encodeURIComponent(flag), { key, body, headers })
const all = (key: string, context: unknown, headers: Record<string, string> = {}, query = '') =>
  ask('POST', ALL + query, { key, body: { context }, headers })

describe('evaluating a flag by OFREP', () => {
  it('answers value, variant, reason and flat metadata', async () => {
    const answer = await one(server, 'open', { context: { targetingKey: 'u1', plan: 'pro' } })
    expect(answer.body).toMatchObject({ key: 'open', value: true, variant: 'on', reason: 'TARGETING_MATCH' })
    expect(answer.body.metadata).toMatchObject({ rule: 'pro', flagSetId: 'default/development' })
    expect(answer.body.metadata.revision).toBeGreaterThanOrEqual(answer.body.metadata.version)
    const toClient = await one(client, 'open', { context: { targetingKey: 'u1', plan: 'pro' } })
    expect(toClient.body.metadata.rule).toBeUndefined()
  })

  it('leaves value and variant out where the code default applies', async () => {
    const answer = await one(client, 'default', { context: {} })
    expect(answer.body).toMatchObject({ key: 'default', reason: 'DISABLED' })
    expect(answer.body).not.toHaveProperty('value')
    expect(answer.body).not.toHaveProperty('variant')
  })

  it('answers an unknown flag, a malformed key and a flag that the key may not see alike', async () => {
    const bodies = []
    for (const flag of ['nope', '../etc', 'inner', 'a'.repeat(300)]) {
      const answer = await one(client, flag, { context: {} })
      expect(answer.status).toBe(404)
      expect(answer.body).toMatchObject({ key: flag, errorCode: 'FLAG_NOT_FOUND' })
      bodies.push(answer.text.replace(flag, ''))
    }
    expect(new Set(bodies).size).toBe(1)
    expect((await one(server, 'inner', { context: {} })).status).toBe(200)
  })

  it('says which attribute is missing', async () => {
    const answer = await one(client, 'open', { context: {} })
    expect([answer.status, answer.body.errorCode]).toEqual([400, 'TARGETING_KEY_MISSING'])
    expect(answer.body.errorDetails).toContain('targetingKey')
  })

  it.each([
    ['no JSON', '{"context": {'],
    ['no body', ''],
    ['no context', '{}'],
    ['a context that is no object', '{"context": []}'],
    ['a context that is null', '{"context": null}'],
    ['a context of nine levels', `{"context": {"a": ${'['.repeat(8)}${']'.repeat(8)}}}`],
    [
      'a context of 257 attributes',
      JSON.stringify({ context: Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`a${n}`, n])) }),
    ],
    ['1e309', '{"context": {"n": 1e309}}'],
    ['__proto__', '{"context": {"__proto__": {"plan": "pro"}}}'],
    ['half a surrogate pair', '{"context": {"a": "\\ud800"}}'],
  ])('refuses %s as INVALID_CONTEXT, single and bulk', async (_, body) => {
    const single = await one(client, 'open', body)
    expect([single.status, single.body.key, single.body.errorCode]).toEqual([400, 'open', 'INVALID_CONTEXT'])
    const bulk = await ask('POST', ALL, { key: client, body })
    expect([bulk.status, bulk.body.errorCode, 'key' in bulk.body]).toEqual([400, 'INVALID_CONTEXT', false])
  })

  it('takes a context of eight levels, 256 attributes and 16 KiB, and not a byte more', async () => {
    const deep = `{"context": {"targetingKey": "u", "a": ${'['.repeat(7)}${']'.repeat(7)}}}`
    expect((await one(client, 'open', deep)).status).toBe(200)
    const sized = (bytes: number) => {
      const empty = JSON.stringify({ targetingKey: 'u', pad: '' }).length
      return { context: { targetingKey: 'u', pad: 'x'.repeat(bytes - empty) } }
    }
    expect((await one(client, 'open', sized(16_384))).status).toBe(200)
    expect((await one(client, 'open', sized(16_385))).status).toBe(413)
    expect((await all(client, sized(20_000).context)).status).toBe(413)
  })

  it('does not read a context’s inherited names', async () => {
    const answer = await one(server, 'open', {
      context: { targetingKey: 'u', constructor: 'x', toString: 1 },
    })
    expect(answer.status).toBe(200)
  })

  it('refuses management keys and keys that are none', async () => {
    expect((await ask('POST', ALL, { body: { context: {} } })).status).toBe(403)
    expect((await all('hly_pub_nothing', {})).status).toBe(401)
    const header = await ask('POST', ALL, {
      key: null,
      headers: { 'x-api-key': client },
      body: { context: {} },
    })
    expect(header.status).toBe(200)
  })
})

describe('evaluating every flag by OFREP', () => {
  it('answers each flag as it is answered alone, and to a client only what it may see', async () => {
    const context = { targetingKey: 'u2', plan: 'free' }
    for (const [key, flags] of [
      [server, ['default', 'inner', 'open']],
      [client, ['default', 'open']],
    ] as const) {
      const bulk = await all(key, context)
      expect(bulk.body.flags.map((flag: { key: string }) => flag.key).sort()).toEqual(flags)
      for (const flag of bulk.body.flags) {
        expect(flag).toEqual((await one(key, flag.key, { context })).body)
      }
      expect(bulk.headers['x-evaluation-cache']).toMatch(/computed|memory/)
    }
  })

  it('answers 304 to the ETag, and another ETag to another context or after an edit', async () => {
    const first = await all(client, { targetingKey: 'u3' })
    const again = await all(client, { targetingKey: 'u3' }, { 'if-none-match': first.etag })
    expect([again.status, again.text, again.etag]).toEqual([304, '', first.etag])
    const weak = await all(client, { targetingKey: 'u3' }, { 'if-none-match': `"x", W/${first.etag}` })
    expect(weak.status).toBe(304)
    const other = await all(client, { targetingKey: 'u3', plan: 'pro' }, { 'if-none-match': first.etag })
    expect(other.status).toBe(200)
    await ask('PUT', `${ENVIRONMENT}/flags/open/kill`)
    const killed = await all(client, { targetingKey: 'u3' }, { 'if-none-match': first.etag })
    expect(killed.status).toBe(200)
    expect(killed.body.flags).toContainEqual(
      expect.objectContaining({ key: 'open', value: false, reason: 'DISABLED' }),
    )
    await ask('DELETE', `${ENVIRONMENT}/flags/open/kill`)
  })

  it('computes nothing for who holds the answer already', async () => {
    const computed = async () => {
      const { text } = await ask('GET', '/metrics', { key: null })
      return Number(/^halyard_bulk_answers_total\{from="computed"\} (\d+)$/m.exec(text)?.[1])
    }
    const first = await all(client, { targetingKey: 'u4' })
    const before = await computed()
    const again = await all(client, { targetingKey: 'u4' }, { 'if-none-match': first.etag })
    expect([again.status, await computed()]).toEqual([304, before])
    expect((await all(client, { targetingKey: 'u4' })).status).toBe(200)
    expect(await computed()).toBe(before + 1)
  })

  it('names an event stream whose address stays the same', async () => {
    const [first, second] = [
      await all(client, { targetingKey: 'a' }),
      await all(client, { targetingKey: 'b' }),
    ]
    expect(first.body.eventStreams).toEqual(second.body.eventStreams)
    expect(first.body.eventStreams[0]).toMatchObject({ type: 'sse', inactivityDelaySec: 60 })
    expect(first.body.eventStreams[0].endpoint.requestUri).toMatch(/^\/ofrep\/v1\/stream\?token=/)
    expect((await ask('GET', '/ofrep/v1/stream?token=made.up', { key: null })).status).toBe(401)
  })

  it('catches up before it answers a request that names a newer state', async () => {
    const caughtUp: string[] = []
    const { live } = service
    const catchUp = live.catchUp
    live.catchUp = (log) => {
      caughtUp.push(log)
      return catchUp(log)
    }
    const { epoch, revision } = live.status().environments[0] ?? { epoch: 0, revision: 0 }
    const known = encodeURIComponent(`"${epoch}-1"`)
    expect((await all(client, {}, {}, `?flagConfigEtag=${known}`)).status).toBe(200)
    expect(caughtUp).toHaveLength(0)
    const newer = encodeURIComponent(`"${epoch}-${revision + 50}"`)
    expect((await all(client, {}, {}, `?flagConfigEtag=${newer}`)).status).toBe(200)
    expect(caughtUp).toHaveLength(1)
    expect((await all(client, {}, {}, '?flagConfigEtag=nonsense&flagConfigLastModified=1')).status).toBe(200)
    live.catchUp = catchUp
  })
})

describe('calling from a page', () => {
  const origin = 'https://shop.example'
  it('answers preflights by the union of all environments', async () => {
    await ask('PATCH', `${PROJECT}/environments/staging`, {
      body: { settings: { corsOrigins: [origin] } },
      headers: { 'if-match': '*' },
    })
    const preflight = (from: string) =>
      ask('OPTIONS', ALL, { key: null, headers: { origin: from, 'access-control-request-method': 'POST' } })
    const allowed = await preflight(origin)
    expect(allowed.status).toBe(204)
    expect(allowed.headers['access-control-allow-origin']).toBe(origin)
    expect(allowed.headers['access-control-allow-headers']).toBe(
      'Authorization, Content-Type, If-None-Match, X-API-Key, Halyard-App, Halyard-Instance, Halyard-SDK',
    )
    expect((await preflight('http://localhost:5173')).headers['access-control-allow-origin']).toBe(
      'http://localhost:5173',
    )
    expect((await preflight('https://evil.example')).headers['access-control-allow-origin']).toBeUndefined()
  })

  it('lets a page read an answer where the key’s own environment names its origin', async () => {
    const staging = await service.sdkKey('client', 'staging')
    const there = await all(staging, {}, { origin })
    expect(there.headers['access-control-allow-origin']).toBe(origin)
    expect(there.headers['access-control-expose-headers']).toBe('ETag, Retry-After')
    expect(there.headers.vary).toBe('Origin')
    const here = await all(client, {}, { origin })
    expect([here.status, here.headers['access-control-allow-origin']]).toEqual([200, undefined])
    const refused = await all('hly_pub_nothing', {}, { origin })
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, origin])
  })
})

describe('what a client key learns', () => {
  it('is never a rule, a segment, a description, a server-only flag, nor another’s data', async () => {
    const canary = (name: string) => `canary-${name}`
    const secret = canary('server-flag')
    await ask('PUT', `${ENVIRONMENT}/segments/${canary('segment')}`, {
      body: { when: { attribute: canary('attribute'), op: 'in', values: [canary('value')] } },
    })
    await ask('PATCH', `${ENVIRONMENT}/segments/${canary('segment')}/members`, {
      body: { included: { add: [canary('member')] } },
    })
    await ask('POST', `${PROJECT}/flags`, {
      body: { key: secret, type: 'boolean', description: canary('words') },
    })
    await ask('POST', `${PROJECT}/flags`, {
      body: {
        key: 'shown',
        type: 'string',
        variants: { v: 'text', [canary('unserved')]: canary('worth') },
        offVariant: 'v',
        visibility: 'client',
      },
    })
    const put = await ask('PUT', `${ENVIRONMENT}/flags/shown`, {
      headers: { 'if-match': '*', 'halyard-comment': canary('comment') },
      body: {
        enabled: true,
        visibility: 'client',
        variants: { v: 'text', [canary('unserved')]: canary('worth') },
        offVariant: 'v',
        prerequisites: [{ flag: secret, variants: ['on'] }],
        targets: [{ variant: canary('unserved'), units: [canary('target')] }],
        rules: [
          {
            id: canary('rule'),
            description: canary('description'),
            when: { segment: canary('segment') },
            serve: { variant: canary('unserved') },
          },
        ],
        fallthrough: {
          split: { salt: canary('salt'), by: canary('unit'), shares: [{ variant: 'v', percent: 100 }] },
        },
      },
    })
    expect(put.status, put.text).toBe(200)
    await ask('PUT', `${ENVIRONMENT}/flags/${secret}/kill`, { body: { comment: canary('why') } })

    const answers = [
      await all(client, { targetingKey: 'u' }),
      await all(client, { targetingKey: 'u' }, { origin: 'http://localhost:1' }),
      await one(client, 'shown', { context: { targetingKey: 'u' } }),
      await one(client, 'shown', { context: {} }),
      await one(client, 'shown', '{"context": 1}'),
      await ask('GET', '/sdk/v1/ruleset', { key: client }),
      await ask('GET', `${ENVIRONMENT}/flags`, { key: client }),
      await ask('PUT', `${ENVIRONMENT}/flags/shown/kill`, { key: client }),
    ]
    for (const { text, headers } of answers) expect(text + JSON.stringify(headers)).not.toContain('canary')
    const named = await one(client, secret, { context: {} })
    expect(named.text.replace(JSON.stringify(secret), '')).not.toContain('canary')
    expect((await ask('GET', '/metrics', { key: null })).text).not.toContain('canary')
  })

  it('nothing of it, nor a context, a key or a token, is ever logged', () => {
    const lines = service.logged.join('\n')
    for (const text of ['canary-value', 'canary-member', client, server, 'token=', '"plan"', '/ofrep/']) {
      expect(lines).not.toContain(text)
    }
  })
})

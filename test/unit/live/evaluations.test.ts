import { type Compiled, type Context, compile, evaluate, type Json, type State } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEvaluations } from '../../../server/live/evaluations.ts'
import type { LiveEnvironment } from '../../../server/live/live.ts'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { WINDOW_MS } from '../../../server/live/stream-token.ts'
import { boolean, Clock, EPOCH, edited, started } from './support.ts'

const CANARY = 'canary-7f3a'
const TURN = 1_800_000_060_000

const is = (attribute: string, ...values: Json[]): Json => ({ attribute, op: 'in', values })
const rule = (id: string, when: Json, serve: Json = { variant: 'off' }): Json => ({ id, when, serve })
const split = (by: string, missing: string | null = null): Json => ({
  split: {
    by,
    salt: 'salt',
    shares: [
      { variant: 'on', percent: 50 },
      { variant: 'off', percent: 50 },
    ],
    ranges: [
      { variant: 'on', from: 0, to: 50_000 },
      { variant: 'off', from: 50_000, to: 100_000 },
    ],
    ...(missing !== null && { missing }),
  },
})
const client = (over: Readonly<Record<string, Json>> = {}): Json => boolean({ visibility: 'client', ...over })

/** Of every shape, each hidden name with the canary in it. */
const STATE = started({
  'flag/static': client(),
  'flag/rules': client({
    rules: [rule(`${CANARY}-rule`, is('plan', 'pro', 1, true)), rule('r2', { segment: CANARY })],
  }),
  'flag/nested': client({ rules: [rule('r1', is('user.address.city', 'Bern'))] }),
  'flag/split': client({ fallthrough: split('targetingKey', 'off') }),
  'flag/strict': client({ fallthrough: split('device.id') }),
  'flag/targets': client({
    targets: [{ variant: 'off', by: 'targetingKey', units: [`${CANARY}-user`, 'u1'] }],
  }),
  'flag/requires': client({ prerequisites: [{ flag: `${CANARY}-flag`, variants: ['on'] }] }),
  'flag/dated': client({ rules: [rule('r1', { attribute: '$now', op: 'after', values: [TURN] })] }),
  'flag/off': client({ enabled: false, offVariant: null }),
  'flag/killed': client(),
  'kill/killed': { id: 'x', by: CANARY, at: '2027-01-01T00:00:00Z', comment: CANARY },
  'flag/objects': client({
    type: 'object',
    variants: { on: { list: [1, 'two', null], __proto: {} }, off: {} },
    fallthrough: { variant: 'on' },
  }),
  'flag/broken': client({ variants: CANARY, rules: `${CANARY} is no list` }),
  [`flag/${CANARY}-flag`]: boolean({ enabled: false }),
  'flag/hidden': boolean({ rules: [rule(CANARY, is('plan', 'pro'))] }),
  [`segment/${CANARY}`]: { by: 'targetingKey', when: is('email', 'ann@example.com') },
})

function house(state: State = STATE, cacheBytes = 2 ** 20) {
  const clock = new Clock()
  const metrics = createLiveMetrics()
  let tokens = 0
  const evaluations = createEvaluations({
    clock,
    metrics,
    streamToken: (environment, keyId, scope) => `token-${environment}-${keyId}-${scope}-${++tokens}`,
    cacheBytes,
  })
  const compiled = compile(state)
  return { ...evaluations, clock, metrics, environment: environmentOf(compiled) }
}

const environmentOf = (compiled: Compiled, id = 'env_1'): LiveEnvironment => ({
  id,
  compiled,
  state: compiled.state,
})

const scalar = fc.oneof(
  fc.constantFrom('pro', '1', 1, true, 'true', 'Bern', 'u1', 'ann@example.com', '', null, 0),
  fc.double(),
  fc.string(),
)
const context = fc.record(
  {
    targetingKey: scalar,
    plan: fc.oneof(scalar, fc.array(scalar)),
    email: scalar,
    user: fc.oneof(scalar, fc.record({ address: fc.oneof(scalar, fc.record({ city: scalar })) })),
    'user.address.city': scalar,
    device: fc.record({ id: scalar }, { requiredKeys: [] }),
    'device.id': scalar,
    unrelated: fc.jsonValue(),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Context>
/** So few that the same come again. */
const few = fc.record(
  {
    targetingKey: fc.constantFrom('u1', 1, '1'),
    plan: fc.constantFrom('pro', 1, [1], 'free'),
    unrelated: fc.nat(5),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Context>
const scope = fc.constantFrom('server' as const, 'client' as const)

describe('all flags at once', () => {
  it('are the single answers of every flag that the scope sees', () => {
    const { answer, evaluateAll, environment, clock } = house()
    fc.assert(
      fc.property(context, scope, fc.boolean(), (given, scope, late) => {
        clock.time = late ? TURN + 1 : TURN - 1
        const { flags } = JSON.parse(evaluateAll(environment, { scope, keyId: 'k1' }, given).body.toString())
        const keys = [...environment.compiled.flags.keys()].sort()
        const singles = keys
          .map((key) => answer(environment, scope, key, given))
          .filter(({ status }) => status !== 404)
        expect(flags).toEqual(singles.map(({ body }) => JSON.parse(body)))
        expect(flags).toHaveLength(scope === 'server' ? keys.length : keys.length - 2)
      }),
    )
  })

  it('are the same from the cache as computed', () => {
    const warm = house()
    fc.assert(
      fc.property(fc.oneof(few, context), scope, fc.nat(1), fc.boolean(), (given, scope, key, late) => {
        const cold = house()
        warm.clock.time = cold.clock.time = late ? TURN + 1 : TURN - 1
        const principal = { scope, keyId: `k${key}` }
        const [cached, computed] = [warm, cold].map(({ evaluateAll, environment }) =>
          evaluateAll(environment, principal, given),
        )
        expect(withoutToken(cached!.body)).toBe(withoutToken(computed!.body))
        expect(cached!.etag).toBe(computed!.etag)
      }),
      { numRuns: 500 },
    )
    expect(warm.metrics.evaluationCacheHits).toBeGreaterThan(20)
  })

  it('tell a client key neither of rules, segments and prerequisites, nor of flags of servers', () => {
    const { answer, evaluateAll, environment } = house()
    fc.assert(
      fc.property(context, (given) => {
        const bulk = evaluateAll(environment, { scope: 'client', keyId: 'k1' }, given).body.toString()
        const singles = [...environment.compiled.flags.keys(), 'nothing']
          .filter((key) => !key.includes(CANARY))
          .map((key) => answer(environment, 'client', key, given).body)
        for (const text of [bulk, ...singles]) {
          expect(text).not.toContain(CANARY)
          expect(text).not.toContain('"rule"')
          expect(text).not.toContain('"prerequisite"')
        }
        expect(bulk).not.toContain('hidden')
      }),
    )
  })

  it('come with the flag set, the revision and the stream to listen to', () => {
    const { evaluateAll, environment } = house()
    const answer = JSON.parse(evaluateAll(environment, { scope: 'client', keyId: 'k1' }, {}).body.toString())
    expect(answer.metadata).toEqual({ flagSetId: 'shop/production', revision: 1 })
    expect(answer.eventStreams).toEqual([
      {
        type: 'sse',
        endpoint: { requestUri: '/ofrep/v1/stream?token=token-env_1-k1-client-1' },
        inactivityDelaySec: 60,
      },
    ])
  })
})

describe('the ETag and the cache key', () => {
  const ask = (
    at: ReturnType<typeof house>,
    given: Context = {},
    keyId = 'k1',
    scope: 'server' | 'client' = 'client',
  ) => at.evaluateAll(at.environment, { scope, keyId }, given)

  it('stand while nothing changes that an answer depends on', () => {
    const at = house()
    const answers = [1, 2, 3].map((unrelated) => {
      at.clock.time += 1_000
      return ask(at, { plan: 'pro', unrelated })
    })
    expect(new Set(answers.map(({ etag }) => etag)).size).toBe(1)
    expect(new Set(answers.map(({ body }) => withoutToken(body))).size).toBe(1)
    expect(answers[0]?.etag).toMatch(/^"[\w-]+"$/)
  })

  it('keep what was asked for twice, since most contexts never come again', () => {
    const at = house()
    expect([1, 2, 3].map(() => ask(at).from)).toEqual(['computed', 'computed', 'memory'])
    for (let user = 0; user < 100; user++) ask(at, { targetingKey: `user-${user}` })
    expect(at.metrics.evaluationCacheBytes).toBeLessThan(10_000)
  })

  it('let nothing be computed for a caller that knows the answer', () => {
    const at = house()
    const { etag } = ask(at)
    const principal = { scope: 'client', keyId: 'k1' } as const
    const knows = (known: string) => known === etag
    expect(at.evaluateAll(at.environment, principal, {}, knows)).toEqual({
      body: Buffer.alloc(0),
      etag,
      from: 'unchanged',
    })
    expect(at.evaluateAll(at.environment, principal, { plan: 'pro' }, knows).from).toBe('computed')
  })

  it('change with the context, its types, the key, the scope, the environment, the state, the time and the window', () => {
    const at = house()
    const etags = [ask(at).etag]
    const contexts = [
      { plan: 'pro' },
      { plan: 1 },
      { plan: '1' },
      { plan: true },
      { plan: 'true' },
      { plan: [1] },
      { plan: ['1'] },
    ]
    for (const given of contexts) etags.push(ask(at, given).etag)
    etags.push(ask(at, {}, 'k2').etag, ask(at, {}, 'k1', 'server').etag)
    etags.push(
      at.evaluateAll(environmentOf(at.environment.compiled, 'env_2'), { scope: 'client', keyId: 'k1' }, {})
        .etag,
    )
    const next = compile(edited(STATE, { 'flag/hidden': null }))
    etags.push(at.evaluateAll(environmentOf(next), { scope: 'client', keyId: 'k1' }, {}).etag)
    const epoch = compile({ ...STATE, epoch: EPOCH + 1 })
    etags.push(at.evaluateAll(environmentOf(epoch), { scope: 'client', keyId: 'k1' }, {}).etag)
    const pending = compile({ ...STATE, pending: new Map([['static', [{ id: 'p', by: 'ann', at: '' }]]]) })
    etags.push(at.evaluateAll(environmentOf(pending), { scope: 'client', keyId: 'k1' }, {}).etag)
    at.clock.time = TURN + 1
    etags.push(ask(at).etag)
    at.clock.time += WINDOW_MS
    etags.push(ask(at).etag)
    expect(new Set(etags).size).toBe(etags.length)
  })

  it('keep within their bytes', () => {
    const at = house(STATE, 64 * 1024)
    for (let user = 0; user < 500; user++) {
      for (let time = 0; time < 2; time++) ask(at, { targetingKey: `user-${user}` })
    }
    expect(at.metrics.evaluationCacheBytes).toBeLessThanOrEqual(64 * 1024)
    expect(ask(at, { targetingKey: 'user-499' }).from).toBe('memory')
    expect(ask(at, { targetingKey: 'user-0' }).from).toBe('computed')
  })

  it('compute a context that is nested too deep to be a key', () => {
    const at = house()
    let deep: unknown = 1
    for (let depth = 0; depth < 200; depth++) deep = [deep]
    const given = { plan: deep } as Context
    expect([ask(at, given).from, ask(at, given).from]).toEqual(['computed', 'computed'])
    expect(ask(at, given).etag).toMatch(/^"[\w-]+"$/)
  })
})

describe('one flag', () => {
  it('is answered with value, variant, reason and flat metadata', () => {
    const { answer, environment } = house()
    expect(JSON.parse(answer(environment, 'server', 'rules', { plan: 'pro' }).body)).toEqual({
      key: 'rules',
      value: false,
      variant: 'off',
      reason: 'TARGETING_MATCH',
      metadata: { version: 1, rule: `${CANARY}-rule`, revision: 1, flagSetId: 'shop/production' },
    })
    expect(JSON.parse(answer(environment, 'client', 'killed', {}).body)).toEqual({
      key: 'killed',
      value: false,
      variant: 'off',
      reason: 'DISABLED',
      metadata: { killed: true, version: 1, revision: 1, flagSetId: 'shop/production' },
    })
  })

  it('leaves out value and variant together where the code default applies', () => {
    const { answer, environment } = house()
    const { status, body } = answer(environment, 'client', 'off', {})
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({ key: 'off', reason: 'DISABLED', metadata: expect.anything() })
  })

  it('names the missing attribute to whoever must send it', () => {
    const { answer, environment } = house()
    const { status, body } = answer(environment, 'client', 'strict', {})
    expect(status).toBe(400)
    expect(JSON.parse(body)).toMatchObject({ key: 'strict', errorCode: 'TARGETING_KEY_MISSING' })
    expect(JSON.parse(body).errorDetails).toContain('device.id')
  })

  it('is the same 404 for a flag that a client key may not see as for one that does not exist', () => {
    const { answer, environment } = house()
    const hidden = answer(environment, 'client', 'hidden', {})
    const missing = answer(environment, 'client', 'nowhere', {})
    expect(hidden.status).toBe(404)
    expect(hidden.body.replace('hidden', 'nowhere')).toBe(missing.body)
    expect(JSON.parse(hidden.body)).toMatchObject({ key: 'hidden', errorCode: 'FLAG_NOT_FOUND' })
    expect(answer(environment, 'server', 'hidden', {}).status).toBe(200)
    for (const key of ['__proto__', 'constructor', ''])
      expect(answer(environment, 'server', key, {}).status).toBe(404)
  })

  it('answers with the decision of core', () => {
    const at = house()
    expect(at.evaluate(at.environment, 'static', {})).toBe(
      evaluate(at.environment.compiled, 'static', {}, at.clock.time),
    )
  })
})

function withoutToken(body: Buffer | string): string {
  return body.toString().replace(/token=[^"]*/, '')
}

import { type Context, compile, evaluate, type State } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AnswerCache } from '../../../server/live/answer-cache.ts'
import { createEvaluations } from '../../../server/live/evaluations.ts'
import type { BulkAnswer } from '../../../server/live/live.ts'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { WINDOW_MS } from '../../../server/live/stream-token.ts'
import { CANARY, context, environmentOf, few, STATE, scope, TURN, withoutToken } from './evaluation-states.ts'
import { Clock, EPOCH, edited } from './support.ts'

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
  const evaluateAll: (...asked: Parameters<typeof evaluations.evaluateAll>) => BulkAnswer = (...asked) => {
    const answer = evaluations.evaluateAll(...asked)
    // Nobody waits for what can be said at once.
    if (answer instanceof Promise) throw new Error('a promise')
    return answer
  }
  return { ...evaluations, evaluateAll, clock, metrics, environment: environmentOf(compiled) }
}

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
    expect(warm.metrics.bulkAnswers.memory).toBeGreaterThan(20)
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
    expect(answer.metadata).toEqual({ flagSetId: 'shop/production', epoch: 1_700_000_000, revision: 1 })
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

  it('lead to an answer that is kept with no more memory than is counted', () => {
    const at = house()
    const kept = [1, 2, 3].map(() => ask(at)).at(-1)
    expect(kept?.from).toBe('memory')
    expect(kept?.body.length).toBeLessThan(Buffer.poolSize / 2)
    expect(kept?.body.buffer.byteLength).toBe(kept?.body.length)
  })

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

describe('answers that instances share', () => {
  /** An empty cache that notes what it is asked and told. */
  function noting(mostBytes = 2 ** 20) {
    const [asked, told]: [string[], { key: string; ttlMs: number }[]] = [[], []]
    const usable = { now: true }
    const shared: AnswerCache = {
      usable: () => usable.now,
      mostBytes,
      get: async (key) => void asked.push(key),
      set: (key, _body, ttlMs) => void told.push({ key, ttlMs }),
    }
    return { shared, asked, told, usable }
  }
  const housed = (shared: AnswerCache, worthSharing: number, understood?: readonly string[]) => {
    const clock = new Clock()
    const metrics = createLiveMetrics()
    const own = { clock, metrics, streamToken: () => 'token', cacheBytes: 1, shared, worthSharing }
    const deps = { ...own, ...(understood && { understood }) }
    const { evaluateAll } = createEvaluations(deps)
    const environment = environmentOf(compile(STATE))
    const ask = (given: Context) => evaluateAll(environment, { scope: 'client', keyId: 'k1' }, given)
    return { ask, clock, metrics }
  }

  it('are asked for and told from a cost on, and below it nobody waits', async () => {
    const { shared, asked, told } = noting()
    expect(housed(shared, 1_000).ask({})).toMatchObject({ from: 'computed' })
    expect(asked).toEqual([])
    expect(await housed(shared, 0).ask({})).toMatchObject({ from: 'computed' })
    expect(asked).toHaveLength(1)
    expect(told.map(({ key }) => key)).toEqual(asked)
  })

  it('are not asked for where that can lead to nothing', async () => {
    const { shared, asked, usable } = noting()
    usable.now = false
    expect(housed(shared, 0).ask({})).toMatchObject({ from: 'computed' })
    const small = noting(100)
    const { ask } = housed(small.shared, 0)
    expect(await ask({})).toMatchObject({ from: 'computed' })
    expect(ask({ plan: 'pro' })).toMatchObject({ from: 'computed' })
    expect([asked.length, small.asked.length, small.told.length]).toEqual([0, 1, 0])
  })

  it('are asked for once by all who ask at once', async () => {
    const { shared, asked } = noting()
    const { ask, metrics } = housed(shared, 0)
    await Promise.all([ask({}), ask({ unrelated: 1 }), ask({ plan: 'pro' })])
    expect(asked).toHaveLength(2)
    expect(metrics.bulkAnswers.computed).toBe(3)
    await ask({})
    expect(asked).toHaveLength(3)
  })

  it('are none of a release that understands other rules, by their ETag, too', async () => {
    const { shared, asked } = noting()
    const [older, newer] = await Promise.all(
      [['operator.in'], ['operator.in', 'operator.between']].map((parts) => housed(shared, 0, parts).ask({})),
    )
    expect(new Set(asked).size).toBe(2)
    expect(older?.etag).not.toBe(newer?.etag)
    expect((await housed(shared, 0).ask({})).etag).toBe((await housed(shared, 0).ask({})).etag)
  })

  it('last for an hour, and no longer than the stream token in them', async () => {
    const { shared, told } = noting()
    const { ask, clock } = housed(shared, 0)
    clock.time = 1_000 * WINDOW_MS
    await ask({})
    clock.time = 1_001 * WINDOW_MS - 5_000
    await ask({})
    expect(told.map(({ ttlMs }) => ttlMs)).toEqual([60 * 60 * 1000, 5_000])
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
      metadata: {
        version: 1,
        rule: `${CANARY}-rule`,
        epoch: 1_700_000_000,
        revision: 1,
        flagSetId: 'shop/production',
      },
    })
    expect(JSON.parse(answer(environment, 'client', 'killed', {}).body)).toEqual({
      key: 'killed',
      value: false,
      variant: 'off',
      reason: 'DISABLED',
      metadata: { killed: true, version: 1, epoch: 1_700_000_000, revision: 1, flagSetId: 'shop/production' },
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

import { type Compiled, type Context, compile, rulesetOf } from '@halyard/sdk/core'
import type { connect } from '@halyard/sdk/node'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createEvaluation, type Getters } from '../../../sdk/node/evaluation.ts'
import { silent } from '../../../sdk/node/telemetry.ts'
import { fast, recorder } from './clients.ts'
import { booleanFlag, environment, flagOf } from './rulesets.ts'

const pro = booleanFlag(false, {
  rules: [
    { id: 'pro', when: { attribute: 'plan', op: 'in', values: ['pro'] }, serve: { variant: 'on' } },
    { id: 'eu', when: { attribute: 'geo.region', op: 'in', values: ['eu'] }, serve: { variant: 'on' } },
  ],
})
const dated = booleanFlag(false, {
  rules: [
    {
      id: 'later',
      when: { attribute: '$now', op: 'after', values: ['2027-01-01T00:00:00Z'] },
      serve: { variant: 'on' },
    },
  ],
})
const state = environment({
  yes: booleanFlag(true),
  text: flagOf('hello'),
  count: flagOf(0),
  config: flagOf({ colour: 'red', sizes: [1, 2] }),
  none: booleanFlag(true, { fallthrough: null }),
  pro,
  dated,
})

function evaluation(base?: Context, serving: Compiled | undefined = compile(state)) {
  const clock = vi.fn(() => Date.parse('2027-01-01T00:00:01Z'))
  const counted = vi.fn()
  const made = createEvaluation({
    base,
    clock,
    telemetry: { ...silent, counted },
    facts: () => ({ source: 'poll', epoch: 1_000, revision: 1, ageMs: 5 }),
  })
  if (serving !== undefined) made.serve(serving)
  return { ...made, clock, counted }
}

describe('typed getters', () => {
  const { getters: flags } = evaluation()
  test('give the flag’s value', () => {
    expect(flags.boolean('yes', false)).toBe(true)
    expect(flags.string('text', '')).toBe('hello')
    expect(flags.number('count', 7)).toBe(0)
    expect(flags.object('config', { colour: '' })).toEqual({ colour: 'red', sizes: [1, 2] })
  })
  test('give the default for an unknown flag, a flag without a value and a value of another type', () => {
    for (const key of ['unknown', 'none', 'text', '__proto__', 'toString']) {
      expect(flags.boolean(key, true)).toBe(true)
      expect(flags.number(key, 7)).toBe(7)
    }
    const fallback = {}
    expect(flags.object('text', fallback)).toBe(fallback)
  })
  test('an object cannot be changed by one caller for all others', () => {
    const config = flags.object<{ colour: string }>('config', { colour: '' })
    expect(() => {
      config.colour = 'blue'
    }).toThrow(TypeError)
  })
  test('work without the object that they came in', () => {
    const { boolean } = flags
    expect(boolean('yes', false)).toBe(true)
  })
})

describe('details', () => {
  const { getters: flags } = evaluation()
  test('say where a value comes from', () => {
    expect(flags.details('pro', false, { plan: 'pro' })).toEqual({
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      metadata: { version: 1, rule: 'pro' },
      flagSetId: 'default/test',
      epoch: 1_000,
      revision: 1,
      ageMs: 5,
      source: 'poll',
    })
  })
  test('an unknown flag', () => {
    expect(flags.details('unknown', 'x')).toMatchObject({
      value: 'x',
      reason: 'ERROR',
      errorCode: 'FLAG_NOT_FOUND',
    })
  })
  test('a value of another type than the default’s', () => {
    const details = flags.details('text', false)
    expect(details).toMatchObject({ value: false, reason: 'ERROR', errorCode: 'TYPE_MISMATCH' })
    expect(details.errorDetails).toBe(
      'The flag’s value is of type string, and the default’s type is boolean.'.replaceAll('’', "'"),
    )
    expect(details).not.toHaveProperty('variant')
  })
  test('no value: the default, and no error', () => {
    const details = flags.details('none', true)
    expect(details).toMatchObject({ value: true, reason: 'DEFAULT' })
    expect(details).not.toHaveProperty('errorCode')
    expect(details).not.toHaveProperty('variant')
  })
  test('an object, and null as its default', () => {
    expect(flags.details('config', null).value).toEqual({ colour: 'red', sizes: [1, 2] })
  })
  test('rules that this version does not understand', () => {
    const rules = [
      { id: 'new', when: { attribute: 'a', op: 'telepathy', values: [1] }, serve: { variant: 'off' } },
    ]
    const { getters } = evaluation(
      undefined,
      compile(environment({ a: booleanFlag(true, { rules: rules as never }) })),
    )
    const details = getters.details('a', false)
    expect(details.value).toBe(true)
    expect(details.skippedRules).toEqual([{ rule: 'new', why: expect.any(String) }])
    expect(flags.details('yes', false)).not.toHaveProperty('skippedRules')
  })
})

describe('contexts', () => {
  test('attributes of the client are part of every evaluation, those of the call go before them', () => {
    const { getters: flags } = evaluation({ plan: 'pro' })
    expect(flags.boolean('pro', false)).toBe(true)
    expect(flags.boolean('pro', false, { other: 1 })).toBe(true)
    expect(flags.boolean('pro', true, { plan: 'free' })).toBe(false)
  })
  test('a structure of the client is read by its path', () => {
    expect(evaluation({ geo: { region: 'eu' } }).getters.boolean('pro', false, { plan: 'free' })).toBe(true)
    expect(evaluation({ 'geo.region': 'eu' }).getters.boolean('pro', false, { plan: 'free' })).toBe(true)
  })
  test('attributes that no flag reads are left out, until one reads them', () => {
    const { getters: flags, serve } = evaluation({ team: 'a' })
    expect(flags.boolean('pro', true)).toBe(false)
    const rules = [
      { id: 'r', when: { attribute: 'team', op: 'in' as const, values: ['a'] }, serve: { variant: 'on' } },
    ]
    serve(compile(environment({ pro: booleanFlag(false, { rules }) })))
    expect(flags.boolean('pro', false)).toBe(true)
  })
  test('for() carries a context, within the client’s and further ones', () => {
    const { getters: flags } = evaluation({ team: 'a' })
    const request = flags.for({ plan: 'pro' })
    expect(request.boolean('pro', false)).toBe(true)
    expect(request.boolean('pro', true, { plan: 'free' })).toBe(false)
    expect(request.for({ plan: 'free' }).details('pro', true).value).toBe(false)
    expect(request.explain('pro').decision.variant).toBe('on')
  })
  test('an attribute named __proto__ is an attribute', () => {
    const when = { attribute: '__proto__.plan', op: 'in' as const, values: ['pro'] }
    const state = environment({
      a: booleanFlag(false, { rules: [{ id: 'r', when, serve: { variant: 'on' } }] }),
    })
    const odd = JSON.parse('{"__proto__": {"plan": "pro"}}')
    expect(evaluation({ '__proto__.plan': 'free' }, compile(state)).getters.boolean('a', true, odd)).toBe(
      false,
    )
    expect(evaluation({ other: 1 }, compile(state)).getters.boolean('a', false, odd)).toBe(true)
    expect(evaluation(odd, compile(state)).getters.boolean('a', false, { other: 1 })).toBe(true)
  })
  test('a call’s context is not changed', () => {
    const context = Object.freeze({ plan: 'pro' })
    expect(evaluation({ team: 'a' }).getters.boolean('pro', false, context)).toBe(true)
  })
})

describe('the hot path', () => {
  test('the clock is read for dated flags alone', () => {
    const { getters: flags, clock } = evaluation()
    flags.boolean('pro', false, { plan: 'pro' })
    flags.boolean('unknown', false)
    expect(clock).not.toHaveBeenCalled()
    expect(flags.boolean('dated', false)).toBe(true)
    expect(clock).toHaveBeenCalledTimes(1)
  })
  test('without a base context the call’s own object is evaluated, not a copy', () => {
    const reads: PropertyKey[] = []
    const context = new Proxy(
      { plan: 'pro' },
      {
        ownKeys: () => {
          throw new Error('copied')
        },
        getOwnPropertyDescriptor: (target, key) => {
          reads.push(key)
          return Reflect.getOwnPropertyDescriptor(target, key)
        },
      },
    )
    expect(evaluation().getters.boolean('pro', false, context)).toBe(true)
    expect(evaluation({ team: 'unread' }).getters.boolean('pro', false, context)).toBe(true)
  })
  test('each evaluation is counted with its decision', () => {
    const { getters: flags, counted } = evaluation()
    flags.boolean('yes', false)
    expect(counted).toHaveBeenCalledExactlyOnceWith('yes', expect.objectContaining({ variant: 'on' }))
  })
})

describe('no evaluation throws', () => {
  const hostile = {
    get plan(): never {
      throw new Error('gotcha')
    },
  }
  test('a context that throws gives the default, and details say so', () => {
    for (const base of [undefined, { plan: 'free' }]) {
      const { getters: flags } = evaluation(base)
      expect(flags.boolean('pro', true, hostile)).toBe(true)
      expect(flags.details('pro', true, hostile)).toMatchObject({ value: true, errorCode: 'GENERAL' })
      expect(() => flags.explain('pro', hostile)).not.toThrow()
      const bound = flags.for(hostile)
      expect(bound.boolean('yes', false)).toBe(true)
      expect(bound.boolean('pro', true)).toBe(true)
      for (const { errorCode, errorDetails } of [
        bound.details('pro', true),
        bound.details('pro', true, { team: 'a' }),
        bound.for({ team: 'a' }).details('pro', true),
      ]) {
        expect([errorCode, errorDetails]).toEqual(['GENERAL', expect.stringContaining('gotcha')])
      }
      expect(() => bound.explain('pro')).not.toThrow()
    }
  })
  test('whatever key, default and context are given', () => {
    const { getters: flags } = evaluation({ plan: 'pro' })
    const bare = evaluation(undefined, undefined).getters
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withSparseArray: true }),
        fc.anything(),
        fc.anything(),
        (key, fallback, context) => {
          flags.for(context as Context).boolean('pro', false)
          for (const getters of [flags, bare] as Record<string, (...args: unknown[]) => unknown>[]) {
            for (const name of ['boolean', 'string', 'number', 'object', 'details', 'explain']) {
              for (const asked of [key, 'pro']) getters[name]?.(asked, fallback, context)
            }
          }
        },
      ),
    )
  })
})

describe('what a page gets', () => {
  const seen = booleanFlag(false, {
    visibility: 'client',
    rules: [
      {
        id: 'born',
        when: { attribute: 'born', op: 'before', values: ['1980-01-01T00:00:00Z'] },
        serve: { variant: 'on' },
      },
    ],
  })
  const bootstrap = rulesetOf(environment({ seen }))
  test('is evaluated for the context that the page gets, as the server will answer it', async () => {
    const flags = await fast({ bootstrap, key: undefined, context: { born: new Date(0) } })
    expect(flags.dehydrate().flags).toMatchObject([{ key: 'seen', value: true }])
  })
  test('what of it has no JSON is said once, and never thrown', async () => {
    const { logger, logged } = recorder()
    const flags = await fast({ bootstrap, key: undefined, logger, context: { tenant: { id: 7n } } })
    logged.length = 0
    for (const context of [{}, { account: 8n }]) {
      expect(flags.dehydrate(context).context).toEqual({ tenant: {} })
    }
    expect(logged).toEqual([
      { level: 'warn', message: expect.stringMatching(/^dehydrate: .*"tenant"/), cause: undefined },
    ])
  })
})

describe('overrides', () => {
  const bootstrap = rulesetOf(state)
  async function client(options: object = { overrides: true }): Promise<Awaited<ReturnType<typeof connect>>> {
    const flags = await fast({ bootstrap, key: undefined, ...options })
    return flags
  }
  test('give a flag a value in this process, until they are taken back', async () => {
    const flags = await client()
    const changes: unknown[] = []
    flags.on('change', ({ keys }) => changes.push(keys))
    flags.override('yes', false)
    expect(flags.details('yes', true)).toMatchObject({
      value: false,
      reason: 'STATIC',
      metadata: { override: true },
    })
    flags.override('new', 'value')
    expect(flags.string('new', '')).toBe('value')
    expect(flags.boolean('new', true)).toBe(true)
    flags.override('yes', undefined)
    expect(flags.boolean('yes', false)).toBe(true)
    expect(changes).toEqual([['yes'], ['new'], ['yes']])
  })
  test('must have been asked for', async () => {
    const flags = await client({})
    expect(() => flags.override('yes', false)).toThrow(/connect with overrides: true/)
  })
  test('have no effect in production', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    onTestFinished(() => void vi.unstubAllEnvs())
    const flags = await client()
    flags.override('yes', false)
    expect(flags.boolean('yes', false)).toBe(true)
  })
})

test('types: a default decides what a call gives', () => {
  const flags: Getters = evaluation().getters
  const on: boolean = flags.details('yes', false).value
  const count: number = flags.details('count', 0).value
  const config: { colour: string } = flags.details('config', { colour: 'blue' }).value
  expect([on, count, config.colour]).toEqual([true, 0, 'red'])
})

import { type Compiled, compile, evaluate } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { compiledWith, decisionOf, flag, flagWhen, rulesetWith } from './rulesets.ts'

const pro = { attribute: 'plan', op: 'in', values: ['pro'] }

describe('a flag', () => {
  it('that is unknown is FLAG_NOT_FOUND', () => {
    const compiled = compiledWith({ flag: {}, kill: { gone: { id: 'k1' } } })
    for (const key of ['gone', '__proto__', '', 7, null, Symbol('x')]) {
      expect(evaluate(compiled, key as string, {}, 0)).toEqual({
        reason: 'ERROR',
        errorCode: 'FLAG_NOT_FOUND',
        errorDetails: 'there is no such flag in this environment',
        metadata: {},
      })
    }
  })

  it('that is not enabled serves its off variant', () => {
    const config = flag({
      enabled: false,
      fallthrough: { variant: 'on' },
      rules: [{ id: 'r', serve: { variant: 'on' } }],
    })
    expect(decisionOf(config)).toEqual({
      value: false,
      variant: 'off',
      reason: 'DISABLED',
      metadata: { version: 1 },
    })
    expect(decisionOf(flag({ enabled: false, offVariant: null }))).toEqual({
      reason: 'DISABLED',
      metadata: { version: 1 },
    })
    expect(decisionOf(flag({ enabled: false, offVariant: undefined })).variant).toBeUndefined()
  })

  it('serves individual targets before any rule', () => {
    const config = flag({
      targets: [
        { variant: 'on', by: 'targetingKey', units: ['ann', '7'] },
        { variant: 'off', by: 'targetingKey', units: ['bob', 'ann'] },
        { variant: 'on', by: 'company', units: ['acme'] },
        { variant: 'off', units: ['zoe'] },
      ],
      rules: [{ id: 'r', serve: { variant: 'on' } }],
    })
    const target = (variant: string): object => ({
      value: variant === 'on',
      variant,
      reason: 'TARGETING_MATCH',
      metadata: { version: 1, rule: '$targets' },
    })
    expect(decisionOf(config, { targetingKey: 'ann' })).toEqual(target('on'))
    expect(decisionOf(config, { targetingKey: 7 })).toEqual(target('on'))
    expect(decisionOf(config, { targetingKey: 'bob', company: 'acme' })).toEqual(target('off'))
    expect(decisionOf(config, { targetingKey: 'zoe', company: 'acme' })).toEqual(target('on'))
    expect(decisionOf(config, { targetingKey: 'zoe' })).toEqual(target('off'))
    expect(decisionOf(config, { targetingKey: 'eve' }).metadata.rule).toBe('r')
  })

  it('follows its rules in order', () => {
    const config = flag({
      rules: [
        { id: 'first', when: pro, serve: { variant: 'on' } },
        { id: 'second', serve: { variant: 'off' } },
        { id: 'never', serve: { variant: 'on' } },
      ],
    })
    expect(decisionOf(config, { plan: 'pro' }).metadata.rule).toBe('first')
    expect(decisionOf(config, {})).toEqual({
      value: false,
      variant: 'off',
      reason: 'TARGETING_MATCH',
      metadata: { version: 1, rule: 'second' },
    })
  })

  it('falls through: STATIC where nothing could decide otherwise, else DEFAULT', () => {
    const none = { value: false, variant: 'off', metadata: { version: 1 } }
    expect(decisionOf(flag())).toEqual({ ...none, reason: 'STATIC' })
    expect(decisionOf(flagWhen(pro))).toEqual({ ...none, reason: 'DEFAULT' })
    expect(decisionOf(flag({ targets: [{ variant: 'on', units: [] }] })).reason).toBe('DEFAULT')
    expect(
      decisionOf(
        flag({ prerequisites: [{ flag: 'g', variants: ['on'] }] }),
        {},
        { flag: { g: flag({ fallthrough: { variant: 'on' } }) } },
      ).reason,
    ).toBe('DEFAULT')
    for (const fallthrough of [null, undefined]) {
      expect(decisionOf(flag({ fallthrough }))).toEqual({ reason: 'DEFAULT', metadata: { version: 1 } })
    }
  })

  it('serves false, 0, the empty string and the empty object as the values that they are', () => {
    for (const [type, value] of [
      ['boolean', false],
      ['number', 0],
      ['string', ''],
      ['object', {}],
    ]) {
      expect(
        decisionOf(flag({ type, variants: { v: value }, offVariant: null, fallthrough: { variant: 'v' } })),
      ).toEqual({
        value,
        variant: 'v',
        reason: 'STATIC',
        metadata: { version: 1 },
      })
    }
  })

  it('hands out object values frozen through and through', () => {
    const value = { list: [{ deep: { er: 1 } }], text: 'x', nothing: null }
    const served = decisionOf(
      flag({ type: 'object', variants: { v: value }, offVariant: 'v', fallthrough: { variant: 'v' } }),
    ).value
    expect(served).toEqual(value)
    expect(() => {
      ;(served as { list: { deep: { er: number } }[] }).list[0]!.deep.er = 2
    }).toThrow(TypeError)
  })

  it('has variants of any name', () => {
    const config = JSON.parse(
      '{"type":"string","enabled":true,"variants":{"__proto__":"p","constructor":"c"},"offVariant":"constructor","fallthrough":{"variant":"__proto__"}}',
    )
    expect(decisionOf(config)).toMatchObject({ value: 'p', variant: '__proto__' })
    expect(decisionOf({ ...config, enabled: false })).toMatchObject({ value: 'c', variant: 'constructor' })
    expect(decisionOf(flag({ fallthrough: { variant: 'toString' } })).errorCode).toBe('PARSE_ERROR')
  })

  it('may have fields and lists that this version does not know, or lack those that are empty', () => {
    expect(
      decisionOf({
        type: 'boolean',
        enabled: true,
        variants: { on: true },
        fallthrough: { variant: 'on' },
        newer: {},
      }),
    ).toMatchObject({
      value: true,
      reason: 'STATIC',
    })
    expect(decisionOf(flag({ rules: [{ id: 'r', serve: { variant: 'on' }, newer: 1 }] })).variant).toBe('on')
  })

  it.each([
    ['x', 'a flag is an object'],
    [[], 'a flag is an object'],
    [flag({ type: 'date' }), 'its type is none of boolean, string, number, object'],
    [flag({ type: undefined }), 'its type is none of'],
    [flag({ enabled: 'yes' }), 'enabled: true or false is expected'],
    [flag({ variants: null }), 'variants: an object is expected'],
    [flag({ variants: ['x'] }), 'variants: an object is expected'],
    [flag({ variants: { on: 'x', off: false } }), 'the variant "on" is no boolean'],
    [flag({ type: 'object', variants: { on: [], off: {} } }), 'the variant "on" is no object'],
    [flag({ offVariant: 'x' }), 'there is no variant "x"'],
    [flag({ offVariant: 7 }), 'there is no variant 7'],
    [flag({ fallthrough: { variant: 'x' } }), 'there is no variant "x"'],
    [flag({ prerequisites: {} }), 'prerequisites: a list is expected'],
    [flag({ prerequisites: [{ flag: 'g' }] }), 'a prerequisite names a flag'],
    [flag({ prerequisites: [{ variants: [] }] }), 'a prerequisite names a flag'],
    [flag({ prerequisites: ['g'] }), 'a prerequisite names a flag'],
    [flag({ prerequisites: [{ flag: 'g', variants: [1] }] }), 'a prerequisite names a flag'],
    [flag({ targets: 'x' }), 'targets: a list is expected'],
    [flag({ targets: ['x'] }), 'a target has a variant'],
    [flag({ targets: [{ variant: 'on', units: [7] }] }), 'a target has a variant'],
    [flag({ targets: [{ variant: 'x', units: [] }] }), 'there is no variant "x"'],
    [flag({ targets: [{ variant: 'on', by: '$now', units: [] }] }), '"$now" is no attribute'],
    [flag({ rules: {} }), 'rules: a list is expected'],
    [flag({ rules: ['x'] }), 'a rule is an object with an id'],
    [flag({ rules: [{ serve: { variant: 'on' } }] }), 'a rule is an object with an id'],
    [flag({ rules: [{ id: 'r', serve: { variant: 'x' } }] }), 'there is no variant "x"'],
  ])('of the form %j is PARSE_ERROR, and every other flag works', (broken, why) => {
    const compiled = compiledWith({ flag: { broken, works: flag() } })
    expect(evaluate(compiled, 'broken', {}, 0)).toMatchObject({
      reason: 'ERROR',
      errorCode: 'PARSE_ERROR',
      metadata: { version: 1 },
    })
    expect(compiled.flags.get('broken')?.error).toContain(why)
    expect(evaluate(compiled, 'works', {}, 0).variant).toBe('off')
  })
})

describe('a definition that cannot even be read', () => {
  const boom = (): never => {
    throw new Error('boom')
  }
  const unreadable = (fields: object, field: string): object =>
    Object.defineProperty(fields, field, { get: boom })

  it('breaks its flag, or the rules that name its segment, and nothing else', () => {
    const broken = unreadable({ type: 'boolean', enabled: true, variants: {} }, 'rules')
    const compiled = compiledWith({
      flag: { broken, names: flagWhen({ segment: 's' }), works: flag() },
      segment: { s: unreadable({}, 'by') },
    })
    expect(compiled.flags.get('broken')?.error).toBe('failed to compile: Error: boom')
    expect(compiled.flags.get('names')?.skipped[0]?.why).toBe(
      'the segment "s": failed to compile: Error: boom',
    )
    expect(evaluate(compiled, 'works', {}, 0).variant).toBe('off')
  })
})

describe('what is known of a compiled flag', () => {
  const about = (definition: unknown): unknown => {
    const compiled = compiledWith({ flag: { f: definition } })
    const { key, version, type, visibility, killed, dated, error, skipped } = compiled.flags.get('f')!
    return { key, version, type, visibility, killed, dated, error, skipped }
  }

  it('is its key, version, type and visibility', () => {
    expect(about(flag({ visibility: 'client' }))).toEqual({
      key: 'f',
      version: 1,
      type: 'boolean',
      visibility: 'client',
      killed: false,
      dated: false,
      error: undefined,
      skipped: [],
    })
  })

  it('is kept from browsers unless it says otherwise', () => {
    for (const visibility of ['server', undefined, 'everyone', null]) {
      expect(about(flag({ visibility }))).toMatchObject({ visibility: 'server' })
    }
    expect(about('x')).toMatchObject({ type: undefined, visibility: 'server', error: 'a flag is an object' })
  })
})

describe('what a compiled ruleset depends on', () => {
  const now = (op: string, ...values: unknown[]): object => ({ attribute: '$now', op, values })
  const needs = ({ reads, instants }: Compiled): unknown => ({ reads, instants })

  it('is every attribute that an enabled flag reads, sorted', () => {
    const compiled = compiledWith({
      flag: {
        a: flag({
          targets: [{ variant: 'on', by: 'email', units: ['x'] }],
          rules: [
            {
              id: '1',
              when: { any: [pro, { not: { segment: 's' } }] },
              serve: { split: { by: 'company.id', ranges: [] } },
            },
            { id: '2', when: { attribute: 'unread', op: 'newer' }, serve: { variant: 'on' } },
          ],
          fallthrough: { split: { by: 'session', ranges: [] } },
        }),
        b: flagWhen({ attribute: 'b', op: 'exists' }, { enabled: false }),
        c: flagWhen({ attribute: 'c', op: 'exists' }),
        d: flagWhen({ attribute: 'd', op: 'exists' }, { type: 'x' }),
      },
      segment: {
        s: { by: 'country', when: { segment: 't' } },
        t: { by: 'city', when: null },
        u: { by: 'unused' },
      },
      kill: { c: { id: 'k1' } },
    })
    expect(needs(compiled)).toEqual({
      reads: ['city', 'company.id', 'country', 'email', 'plan', 'session'],
      instants: [],
    })
  })

  it('is every instant from which on a dated rule can answer otherwise, ascending', () => {
    const compiled = compiledWith({
      flag: {
        a: flagWhen({ all: [now('after', 1000, '1970-01-01T00:00:02Z'), now('before', 5000)] }),
        b: flagWhen({ any: [now('lt', 10.5), now('gte', 20), now('lte', 30), now('gt', 40.5)] }),
        c: flagWhen({ any: [now('in', 50, 'x'), now('notIn', 60), now('exists'), now('startsWith', '1')] }),
        d: flagWhen({ segment: 's' }),
        e: flag(),
      },
      segment: { s: { when: now('before', 99) } },
    })
    expect(needs(compiled)).toEqual({
      reads: ['targetingKey'],
      instants: [11, 20, 31, 41, 50, 51, 60, 61, 99, 1001, 2001, 5000],
    })
    expect([...compiled.flags.values()].map(({ dated }) => dated)).toEqual([true, true, true, true, false])
  })

  it('names instants between which no answer turns', () => {
    const conditions = [
      now('after', 10),
      now('before', 20),
      now('lt', 30.5),
      now('lte', 40),
      now('gt', 50),
      now('gte', 60),
      now('in', 70),
      now('notIn', 80),
    ]
    const compiled = compiledWith({
      flag: Object.fromEntries(conditions.map((when, i) => [`f${i}`, flagWhen(when)])),
    })
    for (const key of compiled.flags.keys()) {
      for (let at = 1; at < 100; at++) {
        const before = evaluate(compiled, key, {}, at - 1).variant
        if (evaluate(compiled, key, {}, at).variant !== before) expect(compiled.instants).toContain(at)
      }
    }
  })

  it('is dated with its prerequisites, unless its answer is settled', () => {
    const requires = (key: string): object => ({ prerequisites: [{ flag: key, variants: ['on'] }] })
    const compiled = compiledWith({
      flag: {
        dated: flagWhen(now('after', 10)),
        one: flag(requires('dated')),
        two: flag(requires('one')),
        off: flag({ ...requires('dated'), enabled: false }),
        three: flag(requires('off')),
      },
    })
    expect([...compiled.flags].map(([key, { dated }]) => [key, dated])).toEqual([
      ['dated', true],
      ['one', true],
      ['two', true],
      ['off', false],
      ['three', false],
    ])
  })
})

describe('compile', () => {
  it('takes a wire ruleset or a state', () => {
    const ruleset = rulesetWith({ flag: { f: flag() } })
    expect(evaluate(compile(ruleset), 'f', {}, 0)).toEqual(
      evaluate(compile(compile(ruleset).state), 'f', {}, 0),
    )
    expect(() => compile({} as never)).toThrow('this version reads')
  })
})

/** Each rule of the model that a configuration can break, and where the fault points. */

import type { FlagType, Json } from '@halyard/sdk/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { createFlag, type FlagConfigInput, putConfiguration } from '../../../server/domain/index.ts'
import { ANY, faultsOf, pointersOf, problemOf, World } from './world.ts'

let world: World
beforeAll(() => {
  world = World.started()
  world.commit(createFlag(world.project, { key: 'checkout', type: 'boolean' }))
  for (const type of ['string', 'number', 'object'] as const) {
    const value = { string: '', number: 0, object: {} }[type]
    world.commit(createFlag(world.project, { key: type, type, variants: { a: value }, offVariant: null }))
  }
})

const base = { variants: { on: true, off: false }, offVariant: 'off' }
const put = (input: unknown, flag = 'checkout', options = {}) =>
  world.run(putConfiguration(world.environment(), flag, input as FlagConfigInput, ANY, options))
const rule = (change: object) => ({ ...base, rules: [{ id: 'r', serve: { variant: 'on' }, ...change }] })
const when = (condition: unknown) => rule({ when: condition })
const split = (change: object, where: 'rule' | 'fallthrough' = 'fallthrough') => {
  const serve = { split: { shares: [{ variant: 'on', percent: 100 }], ...change } }
  return where === 'rule' ? rule({ serve }) : { ...base, fallthrough: serve }
}
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))
const test = { attribute: 'plan', op: 'in', values: ['pro'] }
const nested = (depth: number): object => (depth === 1 ? test : { not: nested(depth - 1) })

describe('a configuration is refused with a pointer to', () => {
  it.each<[string, unknown, string[]]>([
    ['a field that is unknown', { ...base, enabeld: true }, ['/enabeld']],
    ['a field named __proto__', JSON.parse('{"__proto__": 1, "variants": {"on": true}}'), ['/__proto__']],
    ['another type', { ...base, type: 'string' }, ['/type']],
    ['a type that is none', { ...base, type: 'bool' }, ['/type']],
    ['enabled that is no boolean', { ...base, enabled: 'yes' }, ['/enabled']],
    ['a visibility that is none', { ...base, visibility: 'browser' }, ['/visibility']],
    ['variants that are missing', { offVariant: null }, ['/variants']],
    ['variants that are a list', { variants: [true] }, ['/variants']],
    ['no variants', { variants: {} }, ['/variants']],
    ['too many variants', { variants: Object.fromEntries(many(65, (i) => [`v${i}`, true])) }, ['/variants']],
    ['a variant key that is none', { variants: { 'a b': true } }, ['/variants/a b']],
    ['a variant named __proto__', JSON.parse('{"variants": {"__proto__": true}}'), ['/variants/__proto__']],
    ['a variant of another type', { variants: { on: 1 } }, ['/variants/on']],
    ['an off variant that is unknown', { ...base, offVariant: 'of' }, ['/offVariant']],
    ['an off variant named like what every object has', { ...base, offVariant: 'toString' }, ['/offVariant']],
    ['an off variant that is no key', { ...base, offVariant: 7 }, ['/offVariant']],
    [
      'NUL in a string',
      { ...base, rules: [{ id: 'r', description: 'a\0', serve: { variant: 'on' } }] },
      ['/rules/0/description'],
    ],
    ['a lone surrogate', rule({ description: '\ud800' }), ['/rules/0/description']],
    ['NUL in a name', { ...base, 'a\0': 1 }, ['/a\0', '/a\0']],
    ['a number that is not finite', { ...base, rules: [Number.NaN] }, ['/rules/0']],
    ['1e309', { ...base, rules: JSON.parse('[1e309]') }, ['/rules/0']],
    ['what is no JSON', { ...base, rules: [() => 1] }, ['/rules/0']],
    ['rules that are no list', { ...base, rules: {} }, ['/rules']],
    [
      'too many rules',
      { ...base, rules: many(101, (i) => ({ id: `r${i}`, serve: { variant: 'on' } })) },
      ['/rules'],
    ],
    ['a rule that is no object', { ...base, rules: ['on'] }, ['/rules/0']],
    ['a rule that serves nothing', { ...base, rules: [{}] }, ['/rules/0/serve']],
    [
      'a duplicate rule id',
      { ...base, rules: many(2, () => ({ id: 'r', serve: { variant: 'on' } })) },
      ['/rules/1/id'],
    ],
    ['a rule id that is none', rule({ id: '$targets' }), ['/rules/0/id']],
    ['a description that is too long', rule({ description: 'x'.repeat(4_097) }), ['/rules/0/description']],
    ['an unknown variant', rule({ serve: { variant: 'no' } }), ['/rules/0/serve/variant']],
    ['a serve with both', rule({ serve: { variant: 'on', split: {} } }), ['/rules/0/serve']],
    ['a serve with neither', rule({ serve: {} }), ['/rules/0/serve']],
    ['targets that are no list', { ...base, targets: {} }, ['/targets']],
    ['a target that is no object', { ...base, targets: [1] }, ['/targets/0']],
    ['units that are no list', { ...base, targets: [{ variant: 'on' }] }, ['/targets/0/units']],
    [
      'a unit that is none',
      { ...base, targets: [{ variant: 'on', units: ['', true, 1] }] },
      ['/targets/0/units/0', '/targets/0/units/1'],
    ],
    [
      'a unit of two variants',
      {
        ...base,
        targets: [
          { variant: 'on', units: ['u'] },
          { variant: 'off', units: ['u'] },
        ],
      },
      ['/targets/1/units/0'],
    ],
    [
      'too many targeted units',
      { ...base, targets: [{ variant: 'on', units: many(10_001, String) }] },
      ['/targets'],
    ],
    [
      'an attribute of the evaluator',
      { ...base, targets: [{ variant: 'on', by: '$now', units: ['a'] }] },
      ['/targets/0/by'],
    ],
    ['a prerequisite that is no object', { ...base, prerequisites: ['a'] }, ['/prerequisites/0']],
    [
      'a prerequisite without variants',
      { ...base, prerequisites: [{ flag: 'string' }] },
      ['/prerequisites/0/variants'],
    ],
    [
      'too many prerequisites',
      { ...base, prerequisites: many(101, () => ({ flag: 'string', variants: ['a'] })) },
      ['/prerequisites'],
    ],
    [
      'an unknown prerequisite',
      { ...base, prerequisites: [{ flag: 'strng', variants: ['a'] }] },
      ['/prerequisites/0/flag'],
    ],
    [
      'a prerequisite’s unknown variant',
      { ...base, prerequisites: [{ flag: 'string', variants: ['a', 'x'] }] },
      ['/prerequisites/0/variants/1'],
    ],
    [
      'a flag that requires itself',
      { ...base, prerequisites: [{ flag: 'checkout', variants: ['on'] }] },
      ['/prerequisites/0/flag'],
    ],
  ])('%s', (_what, input, pointers) => {
    expect(pointersOf(() => put(input))).toEqual(pointers)
  })
})

describe('a condition is refused with a pointer to', () => {
  const here = '/rules/0/when'
  it.each<[string, unknown, string[]]>([
    ['what is no condition', 5, ['']],
    ['a condition of no kind', {}, ['']],
    ['a condition of two kinds', { all: [], any: [] }, ['']],
    ['a field that is unknown', { segment: 's', deep: 1 }, ['/deep']],
    ['an empty all', { all: [] }, ['/all']],
    ['an empty any', { any: [] }, ['/any']],
    ['an any that is no list', { any: {} }, ['/any']],
    ['an unknown operator', { ...test, op: 'like' }, ['/op']],
    ['an operator that is none', { ...test, op: 7 }, ['/op']],
    ['no values', { ...test, values: [] }, ['/values']],
    ['values that are missing', { attribute: 'a', op: 'in' }, ['/values']],
    ['a value that is no scalar', { ...test, values: [1, null, []] }, ['/values/1', '/values/2']],
    ['too many values', { ...test, values: many(10_001, String) }, ['/values']],
    ['values of exists', { attribute: 'a', op: 'exists', values: ['x'] }, ['']],
    ['an operand that cannot be read', { attribute: 'a', op: 'semverGt', values: ['x.y'] }, ['']],
    ['a pattern that is none', { attribute: 'a', op: 'matches', values: ['('] }, ['']],
    ['a pattern that is too long', { attribute: 'a', op: 'matches', values: ['a'.repeat(513)] }, ['']],
    [
      'a pattern of nested counted repeats',
      { attribute: 'a', op: 'matches', values: ['((a{30}){30}){30}'] },
      [''],
    ],
    ['ignoreCase elsewhere', { attribute: 'a', op: 'lt', values: [1], ignoreCase: true }, ['']],
    ['ignoreCase that is no boolean', { ...test, ignoreCase: 1 }, ['/ignoreCase']],
    ['an attribute without a name', { ...test, attribute: '' }, ['/attribute']],
    ['an attribute of the evaluator', { ...test, attribute: '$user' }, ['/attribute']],
    ['a segment that is unknown', { segment: 'beta' }, ['']],
    ['a segment key that is none', { segment: 'a b' }, ['/segment']],
    ['more than 8 levels', nested(9), ['/not'.repeat(8)]],
    ['more than 200 parts', { any: many(200, () => test) }, ['']],
  ])('%s', (_what, condition, pointers) => {
    expect(pointersOf(() => put(when(condition)))).toEqual(pointers.map((pointer) => here + pointer))
  })

  it('nothing, at the limits', () => {
    put(when(nested(8)))
    put(when({ any: many(199, () => ({ ...test, ignoreCase: false })) }))
    put(when({ ...test, values: many(10_000, String), ignoreCase: true }))
    put(when({ attribute: '$now', op: 'after', values: ['2027-01-01T00:00:00Z'] }))
  })
})

describe('a split is refused with a pointer to', () => {
  const here = '/fallthrough/split'
  const shares = (...percents: unknown[]) => ({
    shares: percents.map((percent, index) => ({ variant: ['on', 'off'][index], percent })),
  })
  it.each<[string, object, string[]]>([
    ['no shares', { shares: [] }, ['/shares']],
    ['shares that are missing', { shares: undefined }, ['/shares']],
    ['too many shares', { shares: many(65, () => ({ variant: 'on', percent: 1 })) }, ['/shares']],
    ['a share that is none', { shares: [1] }, ['/shares/0']],
    ['an unknown variant', { shares: [{ variant: 'no', percent: 100 }] }, ['/shares/0/variant']],
    ['a variant twice', { shares: many(2, () => ({ variant: 'on', percent: 50 })) }, ['/shares/1/variant']],
    ['less than 100 percent', shares(50, 49.999), ['/shares']],
    ['more than 100 percent', shares(50, 50.001), ['/shares']],
    ['a fourth decimal', shares(50.0001, 49.9999), ['/shares/0/percent', '/shares/1/percent']],
    ['a negative share', shares(-1, 101), ['/shares/0/percent', '/shares/1/percent']],
    ['a share that is no number', shares('50', 50), ['/shares/0/percent']],
    ['an empty salt', { salt: '' }, ['/salt']],
    ['a salt that is no string', { salt: 1 }, ['/salt']],
    ['an attribute of the evaluator', { by: '$now' }, ['/by']],
    ['an unknown variant for the missing', { missing: 'no' }, ['/missing']],
    ['a field that is unknown', { seed: 1 }, ['/seed']],
  ])('%s', (_what, change, pointers) => {
    expect(pointersOf(() => put(split(change)))).toEqual(pointers.map((pointer) => here + pointer))
  })

  it('more than 100 percent in a rule, where less is right', () => {
    put(split(shares(10, 20.5), 'rule'))
    expect(faultsOf(() => put(split(shares(60, 60), 'rule')))).toEqual([
      '/rules/0/serve/split/shares: The shares are at most 100 percent together; these are 120.',
    ])
  })

  it('`missing` in a rule', () => {
    expect(pointersOf(() => put(split({ missing: 'on' }, 'rule')))).toEqual(['/rules/0/serve/split/missing'])
  })
})

describe('values', () => {
  it.each<[FlagType, Json]>([
    ['string', 5],
    ['number', '5'],
    ['object', []],
    ['object', null as never],
  ])('of a %s flag are of its type', (type, value) => {
    expect(pointersOf(() => put({ variants: { a: value } }, type))).toEqual(['/variants/a'])
  })

  it('have at most 64 KiB of canonical text', () => {
    const value = (length: number) => ({ variants: { a: 'x'.repeat(length - 2) } })
    put(value(65_536), 'string')
    expect(pointersOf(() => put(value(65_537), 'string'))).toEqual(['/variants/a'])
  })
})

describe('a refusal', () => {
  it('tells all faults at once, and the nearest known key', () => {
    const problem = problemOf(() =>
      put({ ...base, enabeld: 1, offVariant: 'of', rules: [{ serve: { variant: 'onn' } }] }),
    )
    expect(problem.details.errors).toHaveLength(3)
    expect(problem.message).toContain('There are 3 faults.')
    expect(problem.details.didYouMean).toBe('enabled')
    expect(problem.details.errors?.[2]?.message).toBe('The flag has no variant "onn". Did you mean "on"?')
  })

  it('tells a hundred of ten thousand', () => {
    const problem = problemOf(() =>
      put({ ...base, targets: [{ variant: 'on', units: many(10_000, () => '') }] }),
    )
    expect(problem.details.errors).toHaveLength(100)
    expect(problem.message).toContain('There are 10000 faults; the first 100 are listed.')
  })

  it('escapes pointers as RFC 6901 has it, and cuts names that no key can have', () => {
    expect(pointersOf(() => put({ ...base, 'a/b~c': 1 }))).toEqual(['/a~1b~0c'])
    const problem = problemOf(() => put({ ...base, ['x'.repeat(1_000)]: 1 }))
    expect(problem.message.length).toBeLessThan(200)
  })

  it('meets 20,000 nested lists', () => {
    let deep: Json = []
    for (let level = 0; level < 20_000; level += 1) deep = [deep]
    const [fault] = faultsOf(() => put({ ...base, variants: { on: deep } }))
    expect(fault).toContain('Nested more than 64 levels deep.')
  })
})

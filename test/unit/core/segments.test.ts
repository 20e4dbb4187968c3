import { compile, evaluate } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { compileCondition, newPool } from '../../../sdk/core/conditions.ts'
import { compiledWith, flagWhen, meets, membersOf, skippedFor } from './rulesets.ts'

const inBeta = { segment: 'beta' }
const pro = { attribute: 'plan', op: 'in', values: ['pro'] }

function isIn(segment: object, context: unknown, members: object = {}, others: object = {}): boolean {
  return meets(inBeta, context, 0, { segment: { beta: segment, ...others }, members: members as never })
}

describe('a segment', () => {
  it('has the members that it includes, and not those that it excludes, whatever its condition says', () => {
    const members = membersOf('beta', ['ann', 'bob', '7'], ['eve'])
    const segment = { by: 'targetingKey', when: pro }
    expect(isIn(segment, { targetingKey: 'ann', plan: 'free' }, members)).toBe(true)
    expect(isIn(segment, { targetingKey: 7 }, members)).toBe(true)
    expect(isIn(segment, { targetingKey: 'eve', plan: 'pro' }, members)).toBe(false)
    expect(isIn(segment, { targetingKey: 'zoe', plan: 'pro' }, members)).toBe(true)
    expect(isIn(segment, { targetingKey: 'zoe', plan: 'free' }, members)).toBe(false)
  })

  it('without a condition has its members alone', () => {
    const members = membersOf('beta', ['ann'])
    expect(isIn({ by: 'targetingKey', when: null }, { targetingKey: 'ann' }, members)).toBe(true)
    expect(isIn({ by: 'targetingKey', when: null }, { targetingKey: 'zoe' }, members)).toBe(false)
    expect(isIn({ by: 'targetingKey' }, { targetingKey: 'zoe' })).toBe(false)
    expect(isIn({}, { targetingKey: 'ann' }, members)).toBe(true)
  })

  it('asks its condition where the unit is missing', () => {
    const members = membersOf('beta', ['ann'])
    expect(isIn({ by: 'company', when: pro }, { targetingKey: 'ann', plan: 'pro' }, members)).toBe(true)
    expect(isIn({ by: 'company', when: null }, { targetingKey: 'ann' }, members)).toBe(false)
    expect(isIn({ by: 'company', when: null }, { company: '' }, membersOf('beta', ['']))).toBe(false)
  })

  it('compares units folded where it ignores case', () => {
    const segment = { by: 'email', ignoreCase: true, when: null }
    const members = membersOf('beta', ['ann@example.com', 'größe@example.com'])
    expect(isIn(segment, { email: 'Ann@Example.COM' }, members)).toBe(true)
    expect(isIn(segment, { email: 'GRÖßE@example.com' }, members)).toBe(true)
    expect(isIn({ by: 'email', when: null }, { email: 'Ann@Example.COM' }, members)).toBe(false)
  })

  it('may name segments', () => {
    const others = {
      staff: { by: 'targetingKey', when: { attribute: 'email', op: 'endsWith', values: ['@example.com'] } },
    }
    const segment = { by: 'targetingKey', when: { all: [pro, { not: { segment: 'staff' } }] } }
    expect(isIn(segment, { plan: 'pro', email: 'ann@example.org' }, {}, others)).toBe(true)
    expect(isIn(segment, { plan: 'pro', email: 'ann@example.com' }, {}, others)).toBe(false)
  })

  it('who is in both lists is excluded', () => {
    expect(isIn({ when: null }, { targetingKey: 'ann' }, membersOf('beta', ['ann'], ['ann']))).toBe(false)
  })

  it('keeps to the chunks that are its own', () => {
    const strangers = {
      'beta2/00': { included: ['ann'], excluded: [] },
      beta: 1,
      'beta/zz': 1,
      'beta/000': 1,
      'beta/01': {},
    }
    expect(isIn({ when: null }, { targetingKey: 'ann' }, strangers)).toBe(false)
    expect(isIn({ when: null }, { targetingKey: 'ann' }, membersOf('other', ['ann']))).toBe(false)
  })
})

describe('a rule is skipped', () => {
  const skipped = (segment: unknown, members: object = {}, others: object = {}): string | undefined =>
    skippedFor(inBeta, { segment: { beta: segment, ...others }, members: members as never })

  it('where the segment is unknown', () => {
    expect(skippedFor(inBeta)).toBe('the segment "beta": there is none')
    expect(skipped({ when: { segment: 'gone' } })).toBe(
      'the segment "beta": the segment "gone": there is none',
    )
    expect(skippedFor({ all: [{ segment: 'x' }, { segment: 'y' }] })).toBe('the segment "x": there is none')
  })

  it.each([
    ['x', 'a segment is an object'],
    [{ ignoreCase: 'x' }, 'ignoreCase is true or absent'],
    [{ by: '$now' }, '"$now" is no attribute that can be read'],
    [{ when: { attribute: 'a', op: 'newer' } }, 'the operator "newer" is unknown'],
  ])('where the segment is %j', (segment, why) => {
    expect(skipped(segment)).toBe(`the segment "beta": ${why}`)
  })

  it.each([
    ['x', 'members are an object'],
    [{ included: 'x' }, 'included members are a list'],
    [{ included: [], excluded: [1] }, 'excluded members are strings'],
  ])('where a chunk of its members is %j', (chunk, why) => {
    expect(skipped({ when: null }, { 'beta/3f': chunk })).toBe(`the segment "beta": ${why}`)
  })

  it('where segments name each other in a circle, and where one names itself', () => {
    const circle = { gamma: { when: { segment: 'delta' } }, delta: { when: { segment: 'beta' } } }
    expect(skipped({ when: { segment: 'gamma' } }, {}, circle)).toContain(
      'it names itself, perhaps through others',
    )
    expect(skipped({ when: { not: { segment: 'beta' } } })).toContain('it names itself')
  })

  it('where segments name each other so often that nobody could evaluate it', () => {
    const tower: { [key: string]: unknown } = { s0: { when: pro } }
    for (let i = 1; i <= 40; i++)
      tower[`s${i}`] = { when: { any: [{ segment: `s${i - 1}` }, { segment: `s${i - 1}` }] } }
    const chain: { [key: string]: unknown } = { s0: { when: pro } }
    for (let i = 1; i <= 999; i++) chain[`s${i}`] = { when: { segment: `s${i - 1}` } }
    expect(skippedFor({ segment: 's5' }, { segment: tower as never })).toBeUndefined()
    expect(skippedFor({ segment: 's40' }, { segment: tower as never })).toContain('too large')
    expect(skippedFor({ segment: 's999' }, { segment: chain as never })).toContain('too large')
    expect(meets({ segment: 's100' }, { plan: 'pro' }, 0, { segment: chain as never })).toBe(true)
  })
})

describe('a compiled condition on a segment', () => {
  it('is false in a ruleset that does not have the segment', () => {
    const { test } = compileCondition(inBeta, newPool())
    expect(test({}, 0, new Map(), null)).toBe(false)
  })

  it('is one, however many flags name the segment', () => {
    const flags = { a: flagWhen(inBeta), b: flagWhen(inBeta) }
    const compiled = compiledWith({ flag: flags, segment: { beta: { when: pro } } })
    expect(compiled.flags.get('a')?.rules?.test).toBe(compiled.flags.get('b')?.rules?.test)
    expect(evaluate(compile(compiled.state), 'b', { plan: 'pro' }, 0).variant).toBe('on')
  })
})

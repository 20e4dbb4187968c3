import { evaluate } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { compiledWith, flag, flagWhen, meets, skippedFor } from './rulesets.ts'

const has = (attribute: string, context: unknown): boolean => meets({ attribute, op: 'exists' }, context)
const is = (attribute: string, value: unknown, context: unknown): boolean =>
  meets({ attribute, op: 'in', values: [value] }, context)

describe('an attribute', () => {
  it('is an own property of the context', () => {
    expect(is('plan', 'pro', { plan: 'pro' })).toBe(true)
    expect(is('plan', 'pro', Object.create({ plan: 'pro' }))).toBe(false)
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(has(name, {}), name).toBe(false)
      expect(has(name, JSON.parse(`{"${name}": 1}`)), name).toBe(true)
    }
  })

  it('is found along a dotted path, through own properties of objects', () => {
    const context = { company: { plan: { name: 'pro' } } }
    expect(is('company.plan.name', 'pro', context)).toBe(true)
    expect(has('company.plan', context)).toBe(true)
    expect(has('company.plan.name.length', context)).toBe(false)
    expect(has('company.missing.name', context)).toBe(false)
    expect(has('company.constructor', context)).toBe(false)
    expect(has('company.plan', { company: null })).toBe(false)
    expect(has('company.plan', { company: 'acme' })).toBe(false)
  })

  it('literally named with the dot wins', () => {
    expect(is('company.plan', 'free', { 'company.plan': 'free', company: { plan: 'pro' } })).toBe(true)
    expect(is('company.plan', 'pro', { 'company.plan': null, company: { plan: 'pro' } })).toBe(true)
  })

  it('is not found by indexing an array', () => {
    expect(has('tags.0', { tags: ['a'] })).toBe(false)
    expect(has('tags.length', { tags: ['a'] })).toBe(false)
    expect(has('length', ['a'])).toBe(false)
    expect(has('0', ['a'])).toBe(false)
  })

  it('that is missing makes a condition false, and its negation true', () => {
    const when = { attribute: 'plan', op: 'in', values: ['pro'] }
    expect(meets(when, {})).toBe(false)
    expect(meets({ not: when }, {})).toBe(true)
    expect(meets({ not: when }, { plan: null })).toBe(true)
  })

  it('beginning with $ is the evaluator’s: of a context it is ignored, and an unknown one is not understood', () => {
    expect(meets({ attribute: '$now', op: 'in', values: [5] }, { $now: 5 }, 6)).toBe(false)
    expect(meets({ attribute: '$now', op: 'in', values: [6] }, { $now: 5 }, 6)).toBe(true)
    expect(skippedFor({ attribute: '$sdk', op: 'exists' })).toBe('"$sdk" is no attribute that can be read')
    expect(skippedFor({ attribute: '$now.year', op: 'exists' })).toContain('no attribute that can be read')
    expect(skippedFor({ attribute: '', op: 'exists' })).toContain('no attribute that can be read')
    expect(skippedFor({ attribute: 7, op: 'exists' })).toContain('no attribute that can be read')
    expect(skippedFor({ op: 'exists' })).toContain('no attribute that can be read')
  })
})

describe('a context', () => {
  const compiled = compiledWith({
    flag: {
      f: flagWhen({ attribute: 'plan', op: 'in', values: ['pro'] }),
      deep: flagWhen({ attribute: 'a.b', op: 'exists' }),
      off: flag({ enabled: false }),
    },
    kill: { off: { id: 'k1' } },
  })

  it('that is no object has no attributes', () => {
    for (const context of [null, undefined, 'plan', 7, true, Symbol('plan'), () => 1, [{ plan: 'pro' }]]) {
      expect(evaluate(compiled, 'f', context as never, 0).variant).toBe('off')
    }
  })

  it('of any origin is read as it is', () => {
    class User {
      plan = 'pro'
    }
    expect(evaluate(compiled, 'f', new User() as never, 0).variant).toBe('on')
    expect(evaluate(compiled, 'f', Object.assign(Object.create(null), { plan: 'pro' }), 0).variant).toBe('on')
    expect(evaluate(compiled, 'f', new Proxy({ plan: 'pro' }, {}), 0).variant).toBe('on')
    expect(evaluate(compiled, 'f', Object.freeze({ plan: 'pro' }), 0).variant).toBe('on')
  })

  it('with a loop in it is read as far as asked', () => {
    const loop: { a: unknown; plan: string } = { a: undefined, plan: 'pro' }
    loop.a = loop
    expect(evaluate(compiled, 'f', loop, 0).variant).toBe('on')
    expect(evaluate(compiled, 'deep', loop, 0).variant).toBe('off')
  })

  it('that throws when it is read gives a GENERAL error, and no exception', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const unprintable = {
      get plan() {
        throw {
          toString() {
            throw new Error('again')
          },
        }
      },
    }
    const throwing = {
      get plan() {
        throw new Error('boom')
      },
    }
    expect(evaluate(compiled, 'f', throwing, 0)).toEqual({
      reason: 'ERROR',
      errorCode: 'GENERAL',
      errorDetails: 'the context could not be read: Error: boom',
      metadata: { version: 1 },
    })
    expect(evaluate(compiled, 'f', unprintable, 0).errorDetails).toContain(
      'something was thrown that has no text',
    )
    expect(evaluate(compiled, 'f', proxy, 0).errorCode).toBe('GENERAL')
    expect(evaluate(compiled, 'off', proxy, 0).reason).toBe('DISABLED')
  })

  it('is never changed', () => {
    const context = { plan: 'pro', nested: { list: [1, 2, { a: null }] } }
    const before = structuredClone(context)
    evaluate(compiled, 'f', context, 0)
    expect(context).toEqual(before)
    expect(Object.isFrozen(context)).toBe(false)
  })
})

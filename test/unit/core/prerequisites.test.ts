import { evaluate, explain } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { compiledWith, flag, flagWhen } from './rulesets.ts'

const requires = (...keys: string[]): object => ({
  prerequisites: keys.map((key) => ({ flag: key, variants: ['on'] })),
  fallthrough: { variant: 'on' },
})
const on = flag({ fallthrough: { variant: 'on' } })
const KILL = { id: 'k1', by: 'ann', at: '2026-01-01T00:00:00Z' }

describe('a prerequisite', () => {
  it('that serves one of the wanted variants is satisfied', () => {
    const wanting = flag({
      prerequisites: [{ flag: 'g', variants: ['x', 'on'] }],
      fallthrough: { variant: 'on' },
    })
    const compiled = compiledWith({ flag: { f: wanting, g: on } })
    expect(evaluate(compiled, 'f', {}, 0)).toMatchObject({ variant: 'on', reason: 'DEFAULT' })
  })

  it.each([
    ['missing', undefined, {}],
    ['killed', on, { kill: { g: KILL } }],
    ['disabled', flag({ enabled: false, offVariant: 'on' }), {}],
    ['an error', 'broken', {}],
    ['without value', flag({ fallthrough: null }), {}],
    ['serving another variant', flag(), {}],
    ['off for its own prerequisite', flag({ ...requires('h'), offVariant: 'on' }), {}],
  ])('that is %s is not', (_, definition, others) => {
    const compiled = compiledWith({
      flag: { f: flag(requires('g')), ...(definition && { g: definition }) },
      ...others,
    })
    expect(evaluate(compiled, 'f', {}, 0)).toEqual({
      value: false,
      variant: 'off',
      reason: 'DISABLED',
      metadata: { version: 1, prerequisite: 'g' },
    })
  })

  it('is asked for the same context', () => {
    const g = flagWhen({ attribute: 'plan', op: 'in', values: ['pro'] })
    const compiled = compiledWith({ flag: { f: flag(requires('g')), g } })
    expect(evaluate(compiled, 'f', { plan: 'pro' }, 0).variant).toBe('on')
    expect(evaluate(compiled, 'f', { plan: 'free' }, 0).variant).toBe('off')
  })

  it('not satisfied serves no value where there is no off variant', () => {
    const compiled = compiledWith({ flag: { f: flag({ ...requires('g'), offVariant: null }) } })
    expect(evaluate(compiled, 'f', {}, 0)).toEqual({
      reason: 'DISABLED',
      metadata: { version: 1, prerequisite: 'g' },
    })
  })

  it('is named: the first that is not satisfied', () => {
    const compiled = compiledWith({ flag: { f: flag(requires('a', 'b', 'c')), a: on, b: flag(), c: flag() } })
    expect(evaluate(compiled, 'f', {}, 0).metadata.prerequisite).toBe('b')
  })

  it('whose context cannot be read is a GENERAL error of the flag', () => {
    const compiled = compiledWith({
      flag: { f: flag(requires('g')), g: flagWhen({ attribute: 'plan', op: 'exists' }) },
    })
    const context = {
      get plan() {
        throw new Error('boom')
      },
    }
    expect(evaluate(compiled, 'f', context, 0).errorCode).toBe('GENERAL')
  })
})

describe('prerequisites in a circle', () => {
  const circle = {
    a: flag(requires('b')),
    b: flag(requires('c')),
    c: flag(requires('a')),
    self: flag(requires('self')),
  }

  it('are an error of every flag on it, and leave off those that require them', () => {
    const compiled = compiledWith({ flag: { ...circle, outside: flag(requires('a')) } })
    for (const key of ['a', 'b', 'c']) {
      expect(evaluate(compiled, key, {}, 0)).toMatchObject({ reason: 'ERROR', errorCode: 'PARSE_ERROR' })
      for (const other of ['"a"', '"b"', '"c"']) expect(compiled.flags.get(key)?.error).toContain(other)
    }
    expect(evaluate(compiled, 'self', {}, 0).errorDetails).toBe('its prerequisites lead in a circle: "self"')
    expect(evaluate(compiled, 'outside', {}, 0)).toMatchObject({
      reason: 'DISABLED',
      metadata: { prerequisite: 'a' },
    })
  })

  it('are none where a kill breaks it: a killed flag is not looked at', () => {
    const compiled = compiledWith({ flag: circle, kill: { b: KILL } })
    expect(evaluate(compiled, 'b', {}, 0)).toMatchObject({ reason: 'DISABLED', metadata: { killed: true } })
    expect(evaluate(compiled, 'a', {}, 0)).toMatchObject({
      reason: 'DISABLED',
      metadata: { prerequisite: 'b' },
    })
    expect(compiled.flags.get('c')?.error).toBeUndefined()
  })

  it('are named alike in whatever order the flags came', () => {
    const { self, ...ring } = circle
    const error = 'its prerequisites lead in a circle: "a", "b", "c"'
    for (const flags of [Object.entries(ring), Object.entries(ring).reverse()]) {
      const { a, b, c } = Object.fromEntries(compiledWith({ flag: Object.fromEntries(flags) }).flags)
      expect([a?.error, b?.error, c?.error]).toEqual([error, error, error])
    }
  })

  it('are named by the first few where they are many', () => {
    const ring = Object.fromEntries(
      Array.from({ length: 9 }, (_, i) => [`f${i}`, flag(requires(`f${(i + 1) % 9}`))]),
    )
    expect(compiledWith({ flag: ring }).flags.get('f0')?.error).toMatch(/circle: ("f\d", ){5}…$/)
  })
})

describe('many prerequisites', () => {
  it('in a chain of ten thousand are answered without running out of stack', () => {
    const chain: { [key: string]: unknown } = {
      f0: flagWhen({ attribute: 'plan', op: 'in', values: ['pro'] }),
    }
    for (let i = 1; i < 10_000; i++) chain[`f${i}`] = flag(requires(`f${i - 1}`))
    const compiled = compiledWith({ flag: chain })
    expect(evaluate(compiled, 'f9999', { plan: 'pro' }, 0).variant).toBe('on')
    expect(evaluate(compiled, 'f9999', {}, 0).metadata.prerequisite).toBe('f9998')
  })

  it('in a net, where each is reached in a billion ways, are each answered once', () => {
    const net: { [key: string]: unknown } = { f0: flagWhen({ attribute: 'plan', op: 'in', values: ['pro'] }) }
    for (let i = 1; i <= 30; i++) {
      net[`f${i}`] = flag(requires(`a${i}`, `b${i}`, `f${i - 1}`))
      net[`a${i}`] = flag(requires(`f${i - 1}`))
      net[`b${i}`] = flag(requires(`f${i - 1}`))
    }
    const compiled = compiledWith({ flag: net })
    let reads = 0
    const context = {
      get plan() {
        reads++
        return 'pro'
      },
    }
    expect(evaluate(compiled, 'f30', context, 0).variant).toBe('on')
    expect(reads).toBe(1)
  })

  it('that are missing somewhere below are still not satisfied', () => {
    const chain: { [key: string]: unknown } = { f0: flag(requires('gone')) }
    for (let i = 1; i < 40; i++) chain[`f${i}`] = flag(requires(`f${i - 1}`))
    expect(evaluate(compiledWith({ flag: chain }), 'f39', {}, 0).metadata.prerequisite).toBe('f38')
  })

  it('are explained by their decisions, each flag’s steps by itself', () => {
    const chain: { [key: string]: unknown } = { f0: on }
    for (let i = 1; i < 40; i++) chain[`f${i}`] = flag(requires(`f${i - 1}`))
    const { decision, steps } = explain(compiledWith({ flag: chain }), 'f39', {}, 0)
    expect(decision.variant).toBe('on')
    expect(steps).toContainEqual({
      step: 'prerequisite',
      flag: 'f38',
      variants: ['on'],
      satisfied: true,
      decision: { value: true, variant: 'on', reason: 'DEFAULT', metadata: { version: 1 } },
    })
  })
})

import { evaluate } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { compiledWith, flag, flagWhen } from './rulesets.ts'

const KILL = { id: 'k1', by: 'ann', at: '2026-01-01T00:00:00Z' }

const killed = (definition: unknown): unknown =>
  evaluate(compiledWith({ flag: { f: definition }, kill: { f: KILL } }), 'f', { targetingKey: 'ann' }, 0)
const nothing = { reason: 'DISABLED', metadata: { version: 1, killed: true } }

describe('a killed flag', () => {
  it('serves its off variant to everyone', () => {
    const config = flag({
      targets: [{ variant: 'on', units: ['ann'] }],
      rules: [{ id: 'r', serve: { variant: 'on' } }],
      fallthrough: { variant: 'on' },
    })
    expect(killed(config)).toEqual({ value: false, variant: 'off', ...nothing })
  })

  it.each([
    [flag({ rules: 'broken' })],
    [flag({ rules: [null, 7], targets: 1, prerequisites: {}, fallthrough: 'x' })],
    [flag({ enabled: false })],
    [flag({ enabled: 'perhaps' })],
    [flag({ type: 'newer' })],
    [flag({ prerequisites: [{ flag: 'f', variants: ['on'] }] })],
    [flag({ variants: { off: false, on: 'of another type' } })],
    [flagWhen({ segment: 'gone' })],
    [{ offVariant: 'off', variants: { off: false } }],
  ])('serves it whatever else the flag is: %j', (definition) => {
    expect(killed(definition)).toEqual({ value: false, variant: 'off', ...nothing })
  })

  it.each([
    [flag({ offVariant: null })],
    [flag({ offVariant: undefined })],
    [flag({ offVariant: 'gone' })],
    [flag({ offVariant: 'toString' })],
    [flag({ offVariant: 7 })],
    [flag({ variants: 'x' })],
    [flag({ variants: { off: 'of another type' } })],
    [flag({ type: 'object', variants: { off: [] } })],
    ['x'],
    [7],
    [[]],
  ])('serves no value where the off variant is unusable: %j', (definition) => {
    expect(killed(definition)).toEqual(nothing)
  })

  it('is killed by a pending kill as well, and by any kill there is', () => {
    const documents = { flag: { f: flag({ fallthrough: { variant: 'on' } }) } }
    expect(evaluate(compiledWith(documents, { f: [KILL] }), 'f', {}, 0).metadata.killed).toBe(true)
    expect(evaluate(compiledWith({ ...documents, kill: { f: 'broken' } }), 'f', {}, 0).metadata.killed).toBe(
      true,
    )
    expect(evaluate(compiledWith(documents, { g: [KILL] }), 'f', {}, 0).variant).toBe('on')
  })

  it('is known as killed, and compiles nothing', () => {
    const compiled = compiledWith({ flag: { f: flag({ rules: 'broken' }) }, kill: { f: KILL } })
    expect(compiled.flags.get('f')).toMatchObject({
      killed: true,
      dated: false,
      error: undefined,
      skipped: [],
      type: 'boolean',
    })
    expect(compiled.reads).toEqual([])
  })

  it('hands out an object value frozen', () => {
    const { value } = killed(flag({ type: 'object', variants: { off: { a: [1] } } })) as {
      value: { a: number[] }
    }
    expect(Object.isFrozen(value.a)).toBe(true)
  })
})

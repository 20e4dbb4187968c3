import { compile, type Json, type State } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { costOf } from '../../../server/live/cost.ts'
import { boolean, edited, started } from './support.ts'

const when = (condition: Json): Json =>
  boolean({ rules: [{ id: 'r1', when: condition, serve: { variant: 'off' } }] })
const condition = (op: string, ...values: Json[]): Json => ({ attribute: 'text', op, values })
const cost = (state: State, scope: 'server' | 'client' = 'server') => costOf(compile(state), scope)
const costOfFlag = (flag: Json) => cost(started({ 'flag/a': flag }))

describe('the estimated cost of a bulk answer', () => {
  it('grows with flags, conditions, splits, texts and patterns', () => {
    const plain = costOfFlag(boolean())
    const one = costOfFlag(when(condition('in', 'a')))
    const split = { by: 'targetingKey', salt: 's', shares: [], ranges: [] }
    const costs = [
      plain,
      one,
      costOfFlag(when({ all: [condition('in', 'a'), { not: condition('in', 'b', 'c') }] })),
      costOfFlag(when(condition('contains', ...Array.from({ length: 100 }, (_, n) => `text-${n}`)))),
      costOfFlag(when(condition('matches', 'a+b', 'c+d'))),
    ]
    expect(costs).toEqual([...costs].sort((a, b) => a - b))
    expect(new Set(costs).size).toBe(costs.length)
    expect(costOfFlag(boolean({ fallthrough: { split } }))).toBeGreaterThan(0)
    expect(cost(started({ 'flag/a': boolean(), 'flag/b': boolean() }))).toBeCloseTo(2 * plain)
  })

  it('counts a segment wherever it is named, with the segments that it names', () => {
    const state = started({
      'segment/inner': { by: 'targetingKey', when: condition('matches', 'a+b') },
      'segment/outer': { by: 'targetingKey', when: { segment: 'inner' } },
      'flag/a': when({ segment: 'outer' }),
      'flag/b': when({ any: [{ segment: 'outer' }, { segment: 'inner' }] }),
    })
    const pattern = costOfFlag(when(condition('matches', 'a+b')))
    expect(cost(state)).toBeGreaterThan(3 * (pattern - costOfFlag(boolean())))
    const dearer = edited(state, {
      'segment/inner': { by: 'targetingKey', when: condition('matches', 'a+b', 'c+d', 'e+f') },
    })
    expect(cost(dearer)).toBeGreaterThan(2 * cost(state))
  })

  it('counts what a flag requires', () => {
    const dear = when(condition('matches', 'a+b'))
    const requires = boolean({ prerequisites: [{ flag: 'dear', variants: ['on'] }] })
    const [alone, both] = [
      cost(started({ 'flag/dear': dear })),
      cost(started({ 'flag/dear': dear, 'flag/a': requires })),
    ]
    expect(both).toBeGreaterThan(1.9 * alone)
  })

  it('is next to nothing where rules are not looked at: disabled, killed, in error', () => {
    const rules = [{ id: 'r1', when: condition('matches', 'a+b'), serve: { variant: 'off' } }]
    const plain = costOfFlag(boolean())
    expect(costOfFlag(boolean({ rules, enabled: false }))).toBe(plain)
    expect(costOfFlag(boolean({ rules, variants: 'none' }))).toBe(plain)
    const killed = started({
      'flag/a': boolean({ rules }),
      'kill/a': { id: 'x', by: 'ann', at: '', comment: '' },
    })
    expect(cost(killed)).toBe(plain)
  })

  it('is of the flags that the scope sees', () => {
    const state = started({ 'flag/a': boolean(), 'flag/b': boolean({ visibility: 'client' }) })
    expect(cost(state, 'client')).toBeCloseTo(cost(state, 'server') / 2)
  })

  it('ends on segments that name each other in a circle', () => {
    const state = started({
      'segment/a': { by: 'targetingKey', when: { any: [{ segment: 'b' }, { segment: 'b' }] } },
      'segment/b': { by: 'targetingKey', when: { any: [{ segment: 'a' }, { segment: 'a' }] } },
      'flag/a': when({ segment: 'a' }),
    })
    expect(cost(state)).toBeLessThan(1)
  })
})

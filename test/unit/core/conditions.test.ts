import { describe, expect, it } from 'vitest'
import { meets, skippedFor } from './rulesets.ts'

const yes = { attribute: 'yes', op: 'exists' }
const no = { attribute: 'no', op: 'exists' }
const context = { yes: 1 }

describe('conditions', () => {
  it('combine by all, any and not', () => {
    expect(meets({ all: [yes, yes] }, context)).toBe(true)
    expect(meets({ all: [yes, no] }, context)).toBe(false)
    expect(meets({ any: [no, yes] }, context)).toBe(true)
    expect(meets({ any: [no, no] }, context)).toBe(false)
    expect(meets({ not: no }, context)).toBe(true)
    expect(meets({ not: { any: [no, { all: [yes, { not: no }] }] } }, context)).toBe(false)
  })

  it('of nothing are true for all, false for any', () => {
    expect(meets({ all: [] }, {})).toBe(true)
    expect(meets({ any: [] }, {})).toBe(false)
  })

  it('nest as deep as a newer server allows', () => {
    const nested = (levels: number): unknown => {
      let when: unknown = yes
      for (let i = 1; i < levels; i++) when = { not: when }
      return when
    }
    expect(meets(nested(255), context)).toBe(true)
    expect(skippedFor(nested(257))).toBe('a condition is nested too deep')
    expect(skippedFor(nested(20_000))).toBe('a condition is nested too deep')
  })

  it.each([
    [null, 'a condition is an object'],
    ['x', 'a condition is an object'],
    [[yes], 'a condition is an object'],
    [{ all: yes }, '"all" is a list of conditions'],
    [{ any: 'x' }, '"any" is a list of conditions'],
    [{ all: [yes], any: [yes] }, 'the field "any" of a condition is unknown'],
    [{ any: [yes], weight: 1 }, 'the field "weight" of a condition is unknown'],
    [{ not: yes, because: 1 }, 'the field "because" of a condition is unknown'],
    [{ not: null }, 'a condition is an object'],
    [{ segment: 'beta', at: 1 }, 'the field "at" of a condition is unknown'],
    [{ segment: 7 }, 'a condition names a segment by its key'],
    [{ ...yes, weight: 1 }, 'the field "weight" of a condition is unknown'],
    [{ attribute: 'a' }, 'a condition names its operator'],
    [{ attribute: 'a', op: 'in', values: 'x' }, 'the values of a condition are a list'],
    [{ attribute: 'a', op: 'in', values: ['x'], ignoreCase: 'yes' }, 'ignoreCase is true or absent'],
    [{ all: [yes, { any: [{ ...no, op: 'newer' }] }] }, 'the operator "newer" is unknown'],
    [{ [`${'x'.repeat(3)}`]: 1 }, 'the field "xxx" of a condition is unknown'],
    [{}, 'no attribute that can be read'],
  ])('of the form %j are not understood', (when, why) => {
    expect(skippedFor(when)).toContain(why)
  })

  it('ignoreCase: false is as none', () => {
    expect(meets({ attribute: 'a', op: 'in', values: ['x'], ignoreCase: false }, { a: 'X' })).toBe(false)
  })

  it('with as many values as there may be are all compared', () => {
    const values = Array.from({ length: 10_000 }, (_, i) => `v${i}`)
    expect(meets({ attribute: 'a', op: 'in', values }, { a: 'v9999' })).toBe(true)
    expect(meets({ attribute: 'a', op: 'in', values }, { a: 'v10000' })).toBe(false)
  })
})

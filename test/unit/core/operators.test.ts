import { OPERATORS, operandFault } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { meets, skippedFor } from './rulesets.ts'

const holds = (op: string, found: unknown, ...values: unknown[]): boolean =>
  meets({ attribute: 'a', op, values }, { a: found })
const folded = (op: string, found: unknown, ...values: unknown[]): boolean =>
  meets({ attribute: 'a', op, values, ignoreCase: true }, { a: found })

describe('in', () => {
  it('is strict equality of string, number and boolean, without coercion', () => {
    for (const values of [['pro'], ['pro', 'team'], [7], [7, 8], [true], [true, 'x']]) {
      for (const found of ['pro', 7, true, '7', 'true', 1, 'x', null, undefined, {}, ['pro'], [7]]) {
        const expected = Array.isArray(found)
          ? values.some((value) => (found as unknown[]).includes(value))
          : values.some((value) => value === found)
        expect(holds('in', found, ...values), `${String(found)} in ${values}`).toBe(expected)
      }
    }
    expect(holds('in', -0, 0)).toBe(true)
    expect(holds('in', -0, 0, 1)).toBe(true)
    expect(holds('in', Number.NaN, 1, 2)).toBe(false)
  })

  it('folds case of strings alone where it is told to', () => {
    expect(folded('in', 'GRÜSSE', 'grüsse')).toBe(true)
    expect(folded('in', 'grüsse', 'GRÜSSE', 7)).toBe(true)
    expect(folded('in', 7, 'GRÜSSE', 7)).toBe(true)
    expect(folded('in', ['x', 'PRO'], 'pro')).toBe(true)
    expect(folded('in', 'x', 'pro')).toBe(false)
    expect(folded('in', {}, 'pro')).toBe(false)
  })
})

describe('notIn', () => {
  it('is met by what is present and none of the values', () => {
    expect(holds('notIn', 'free', 'pro')).toBe(true)
    expect(holds('notIn', 'pro', 'pro')).toBe(false)
    expect(holds('notIn', 7, 'pro', '7')).toBe(true)
    expect(holds('notIn', false, 'pro')).toBe(true)
    expect(folded('notIn', 'PRO', 'pro')).toBe(false)
  })

  it('is not met by a missing attribute, null, or one of another type', () => {
    for (const found of [undefined, null, {}, () => 1, Symbol('x'), Number.NaN]) {
      expect(holds('notIn', found, 'pro'), String(found)).toBe(false)
    }
  })

  it('of an array asks that it has elements and none of them is in', () => {
    expect(holds('notIn', ['a', 'b'], 'c')).toBe(true)
    expect(holds('notIn', ['a', 'c'], 'c')).toBe(false)
    expect(holds('notIn', [], 'c')).toBe(false)
    expect(holds('notIn', [null, {}], 'c')).toBe(false)
  })
})

describe('startsWith, endsWith, contains', () => {
  it('look for any of the values', () => {
    expect(holds('startsWith', 'user@example.com', 'user@')).toBe(true)
    expect(holds('startsWith', 'user@example.com', 'x', 'us')).toBe(true)
    expect(holds('startsWith', 'user@example.com', 'ser')).toBe(false)
    expect(holds('endsWith', 'user@example.com', '@example.com')).toBe(true)
    expect(holds('endsWith', 'user@example.com', '@example')).toBe(false)
    expect(holds('contains', 'user@example.com', 'x', '@')).toBe(true)
    expect(holds('contains', 'user@example.com', 'x', '#')).toBe(true)
    expect(holds('contains', 'user@example.com', '#', '!')).toBe(false)
  })

  it('fold case where they are told to', () => {
    expect(folded('startsWith', 'ÜBER uns', 'über')).toBe(true)
    expect(folded('endsWith', 'über UNS', ' Uns', 'x')).toBe(true)
    expect(folded('contains', 'abc', 'X', 'B')).toBe(true)
    expect(folded('contains', 'abc', 'X')).toBe(false)
  })

  it('are false for what is no string, and true where an element matches', () => {
    expect(holds('contains', 12, '1')).toBe(false)
    expect(holds('contains', { a: 1 }, 'a')).toBe(false)
    expect(holds('contains', null, 'null')).toBe(false)
    expect(holds('contains', [1, 'abc'], 'b')).toBe(true)
    expect(holds('contains', [['b']], 'b')).toBe(false)
  })
})

describe('lt, lte, gt, gte', () => {
  it('compare finite numbers', () => {
    expect([1, 2, 3].map((n) => holds('lt', n, 2))).toEqual([true, false, false])
    expect([1, 2, 3].map((n) => holds('lte', n, 2))).toEqual([true, true, false])
    expect([1, 2, 3].map((n) => holds('gt', n, 2))).toEqual([false, false, true])
    expect([1, 2, 3].map((n) => holds('gte', n, 2))).toEqual([false, true, true])
    for (const found of ['1', Number.NaN, Number.NEGATIVE_INFINITY, null, true, {}, []]) {
      expect(holds('lt', found, 2), String(found)).toBe(false)
    }
  })

  it('are met where any of the values or elements is', () => {
    expect(holds('lt', 5, 1, 10, 3)).toBe(true)
    expect(holds('gt', 5, 10, 1)).toBe(true)
    expect(holds('gte', 5, 5, 10)).toBe(true)
    expect(holds('lte', 5, 4, 5)).toBe(true)
    expect(holds('lt', [9, 1], 2)).toBe(true)
    expect(holds('lt', [9, 8], 2)).toBe(false)
  })
})

describe('matches', () => {
  it('searches with the syntax of RE2', () => {
    expect(holds('matches', 'user@example.com', '@example\\.(com|org)$')).toBe(true)
    expect(holds('matches', 'user@example.net', '@example\\.(com|org)$', '\\.net')).toBe(true)
    expect(holds('matches', 'user@example.xyz', '@example\\.(com|org)$', '\\.net')).toBe(false)
    expect(holds('matches', 'Grüße', '^\\pL+$')).toBe(true)
    expect(holds('matches', ['x', 'abc'], '^a')).toBe(true)
    expect(holds('matches', 7, '7')).toBe(false)
    expect(folded('matches', 'ABC', '^abc$')).toBe(true)
    expect(holds('matches', 'ABC', '^abc$')).toBe(false)
    expect(holds('matches', '\ud800', '.')).toBe(true)
  })

  it('looks at no more than 1,024 code units', () => {
    expect(holds('matches', 'a'.repeat(1_024), 'a$')).toBe(true)
    expect(holds('matches', 'a'.repeat(1_025), 'a$')).toBe(false)
    expect(holds('matches', 'a'.repeat(1_025), '^a')).toBe(false)
  })

  it.each([
    ['(a+)+$', 'a', '', true],
    ['(a+)+$', 'a', '!', false],
    ['^(a|aa)+$', 'a', '!', false],
    ['(.*)*x', 'y', '', false],
    ['(x+x+)+y', 'x', '', false],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', 'a', '', false],
    ['((a{1,4}){1,4}){1,4}$', 'a', '', true],
    ['^((a{1,4}){1,4}){1,4}$', 'a', '', false],
  ])(
    'answers %s, which others take for ever to, on a thousand "%s" and "%s"',
    (pattern, unit, end, expected) => {
      expect(holds('matches', unit.repeat(1_000) + end, pattern)).toBe(expected)
    },
  )

  it.each([
    ['(', 'not a regular expression of RE2'],
    ['(?=a)', 'not a regular expression of RE2'],
    ['(a)\\1', 'not a regular expression of RE2'],
    ['((a{100}){100}){100}', 'not a regular expression of RE2'],
    ['((a{1,20}){1,20}){1,2}', 'instructions, above 200: repeat less'],
    ['\\pL{250}', 'instructions, above 200: repeat less'],
    ['a'.repeat(513), 'at most 512 characters'],
  ])('refuses %s', (pattern, why) => {
    expect(operandFault('matches', [pattern], false)).toContain(why)
  })

  it('takes at most 100 patterns, all of them strings', () => {
    expect(operandFault('matches', Array(100).fill('a'), false)).toBeUndefined()
    expect(operandFault('matches', Array(101).fill('a'), false)).toContain('at most 100 regular expressions')
    expect(operandFault('matches', [7], false)).toBe('7: a regular expression is a string')
  })
})

describe('exists', () => {
  it('is met by whatever is there', () => {
    for (const found of ['', 0, false, {}, [], [null]]) expect(holds('exists', found)).toBe(true)
    for (const found of [null, undefined]) expect(holds('exists', found)).toBe(false)
    expect(meets({ attribute: 'a', op: 'exists' }, { a: 1 })).toBe(true)
    expect(meets({ attribute: 'a', op: 'exists' }, {})).toBe(false)
  })
})

describe('operands', () => {
  it.each([
    ['in', [], 'takes at least one value'],
    ['exists', [1], 'takes no values'],
    ['in', [{}], 'an object is not a string, a finite number or a boolean'],
    ['notIn', [[1]], 'a list is not a string, a finite number or a boolean'],
    ['in', [null], 'null is not a string, a finite number or a boolean'],
    ['startsWith', [1], '1 is not a string'],
    ['lt', ['1'], '"1" is not a finite number'],
    ['lt', [Number.NaN], 'null is not a finite number'],
    ['before', ['x'.repeat(100)], `"${'x'.repeat(79)}… is not a date-time`],
    ['cidr', ['x'], '"x" is not an IP address or network in CIDR notation'],
    ['resembles', ['x'], 'the operator "resembles" is unknown'],
    ['__proto__', ['x'], 'the operator "__proto__" is unknown'],
  ])('of %s %o are refused', (op, values, why) => {
    expect(operandFault(op, values, false)).toContain(why)
  })

  it('with ignoreCase are for operators on text alone', () => {
    const folding = [...OPERATORS].filter(
      (op) => !operandFault(op, ['1.0.0'], true)?.includes('takes no ignoreCase'),
    )
    expect(folding).toEqual(['in', 'notIn', 'startsWith', 'endsWith', 'contains', 'matches'])
  })

  it('in order are not refused', () => {
    expect(operandFault('in', ['a', 1, true], false)).toBeUndefined()
    expect(operandFault('exists', [], false)).toBeUndefined()
    expect(OPERATORS.size).toBe(19)
  })

  it('that are not understood skip the rule, with the reason', () => {
    expect(skippedFor({ attribute: 'a', op: 'resembles', values: ['x'] })).toBe(
      'the operator "resembles" is unknown',
    )
    expect(skippedFor({ attribute: 'a', op: 'lt', values: ['x'] })).toBe('"x" is not a finite number')
  })
})

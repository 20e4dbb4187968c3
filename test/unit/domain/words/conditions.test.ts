import { describe, expect, it } from 'vitest'
import { conditionInWords } from '../../../../server/domain/index.ts'

const test = (attribute: unknown, op: unknown, ...values: unknown[]) => ({ attribute, op, values })
const pro = test('plan', 'in', 'pro')
const beta = { segment: 'beta' }
const old = test('age', 'gte', 18)

describe('a condition in words', () => {
  const cases: [condition: unknown, words: string][] = [
    [pro, 'plan is pro'],
    [test('plan', 'in', 'pro', 'team'), 'plan is one of pro, team'],
    [test('plan', 'in', ...'abcdefg'), 'plan is one of a, b, c, and 4 more'],
    [test('plan', 'notIn', 'free'), 'plan is set and not free'],
    [test('plan', 'notIn', 'free', 'trial'), 'plan is set and none of free, trial'],
    [
      test('email', 'endsWith', '@example.com', '@example.org'),
      'email ends with @example.com or @example.org',
    ],
    [test('path', 'startsWith', '/app'), 'path starts with /app'],
    [test('path', 'startsWith', '/a', '/b', '/c', '/d', '/e'), 'path starts with /a, /b, /c and 2 more'],
    [test('name', 'contains', 'von '), 'name contains "von "'],
    [test('email', 'matches', '^\\d+@'), 'email matches /^\\d+@/'],
    [test('company.size', 'lt', 10), 'company.size is less than 10'],
    [test('age', 'lte', 17.5), 'age is at most 17.5'],
    [test('age', 'gt', 17), 'age is more than 17'],
    [old, 'age is at least 18'],
    [test('$now', 'before', '2027-01-01T00:00:00Z'), 'the time is before 2027-01-01T00:00:00Z'],
    [test('$now', 'after', Date.UTC(2027, 0, 1)), 'the time is after 2027-01-01T00:00:00Z'],
    [test('signedUp', 'after', 1e300), 'signedUp is after 1e+300'],
    [test('version', 'semverEq', '2.3.1'), 'version is version 2.3.1'],
    [test('version', 'semverLt', '2', 'v3.1'), 'version is below version 2 or v3.1'],
    [test('version', 'semverLte', '2.0.0'), 'version is at most version 2.0.0'],
    [test('version', 'semverGt', '2.0.0'), 'version is above version 2.0.0'],
    [test('version', 'semverGte', '2.0.0-rc.1'), 'version is at least version 2.0.0-rc.1'],
    [test('ip', 'cidr', '10.0.0.0/8', '::1'), 'ip is in network 10.0.0.0/8 or ::1'],
    [test('plan', 'exists'), 'plan is set'],
    [{ not: test('plan', 'exists') }, 'plan is not set'],
    [{ ...pro, ignoreCase: true }, 'plan is pro (ignoring case)'],
    [beta, 'in segment beta'],
    [{ not: beta }, 'not in segment beta'],
    [{ not: pro }, 'not (plan is pro)'],
    [{ not: { all: [pro, old] } }, 'not (plan is pro and age is at least 18)'],
    [{ all: [pro, beta] }, 'plan is pro and in segment beta'],
    [{ any: [{ all: [pro, beta] }, old] }, '(plan is pro and in segment beta) or age is at least 18'],
    [
      { all: [{ any: [pro] }, { any: [beta, old] }] },
      'plan is pro and (in segment beta or age is at least 18)',
    ],
    [{ all: [] }, 'always'],
    [{ any: [] }, 'never'],

    // A text is told from a number, true and false.
    [test('a', 'in', '1', 1, true), 'a is one of "1", 1, true'],
    [test('a', 'in', 'true', 'no way', 'née'), 'a is one of "true", "no way", "née"'],
    [test('two words', 'in', 'x'.repeat(100)), `"two words" is "${'x'.repeat(79)}…"`],

    // What a newer server may say, or SQL wrote.
    [test('plan', 'newer', 'x'), 'plan newer x'],
    [test('plan', 7, [], {}, null), 'plan 7 a list, an object or null'],
    [test(null, 'constructor'), 'null constructor'],
    [{ attribute: 'plan' }, 'plan none'],
    [{ segment: 5 }, 'in segment 5'],
    [{ all: 'x' }, 'an unknown condition'],
    [{}, 'an unknown condition'],
    ['x', 'an unknown condition'],
    [null, 'an unknown condition'],
  ]
  it.each(cases)('%j: %s', (condition, words) => {
    expect(conditionInWords(condition)).toBe(words)
  })

  it('is cut where it would be long, deep or many', () => {
    const many = { any: Array.from({ length: 20 }, (_, index) => ({ segment: `s${index}` })) }
    expect(conditionInWords(many)).toBe(
      `${Array.from({ length: 8 }, (_, index) => `in segment s${index}`).join(' or ')} or 12 more conditions`,
    )
    const long = { any: [{ all: [many, many] }, { all: [many, many] }, { all: [many, many] }, many] }
    expect(conditionInWords(long)).toMatch(/…$/)
    expect(conditionInWords(long)).toHaveLength(300)
    const deep = JSON.parse(`${'{"not":'.repeat(50_000)}{}${'}'.repeat(50_000)}`)
    expect(conditionInWords(deep)).toBe(`${'not ('.repeat(9)}…${')'.repeat(9)}`)
  })

  it('stays one line, whatever is in it', () => {
    expect(conditionInWords(test('a', 'in', 'x\n\u202ey\0\ud800'))).toBe('a is "x y��"')
    expect(conditionInWords(test('a', 'matches', `${'x'.repeat(78)}😀y`))).toBe(
      `a matches /${'x'.repeat(78)}…/`,
    )
  })
})

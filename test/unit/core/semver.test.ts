import { describe, expect, it } from 'vitest'
import { meets, skippedFor } from './rulesets.ts'

const holds = (op: string, found: unknown, ...values: unknown[]): boolean =>
  meets({ attribute: 'version', op, values }, { version: found })

/** semver.org, section 11: each comes before the next. */
const ASCENDING = [
  '0.0.0-0',
  '0.9.0',
  '1.0.0-1',
  '1.0.0-2',
  '1.0.0-10',
  '1.0.0-99999999999999999999',
  '1.0.0-alpha',
  '1.0.0-alpha.1',
  '1.0.0-alpha.beta',
  '1.0.0-beta',
  '1.0.0-beta.2',
  '1.0.0-beta.11',
  '1.0.0-rc.1',
  '1.0.0',
  '1.0.1',
  '1.2.0',
  '1.10.0',
  '2.0.0',
  '2.0.999999999999999',
  '2.0.1000000000000000',
  '2.0.1000000000000001',
  '99999999999999999999.0.0',
]

describe('versions', () => {
  it('are ordered as Semantic Versioning orders them', () => {
    for (const [i, lower] of ASCENDING.entries()) {
      for (const [j, higher] of ASCENDING.entries()) {
        expect(holds('semverLt', lower, higher), `${lower} < ${higher}`).toBe(i < j)
        expect(holds('semverLte', lower, higher), `${lower} <= ${higher}`).toBe(i <= j)
        expect(holds('semverGt', lower, higher), `${lower} > ${higher}`).toBe(i > j)
        expect(holds('semverGte', lower, higher), `${lower} >= ${higher}`).toBe(i >= j)
        expect(holds('semverEq', lower, higher), `${lower} = ${higher}`).toBe(i === j)
      }
    }
  })

  it.each([
    ['2', '2.0.0'],
    ['2.1', '2.1.0'],
    ['v2.1.3', '2.1.3'],
    ['V2', '2.0.0'],
    ['2.1.3+build.5', '2.1.3'],
    ['2+build', '2.0.0'],
    ['1.0.0-rc.1+sha.0a', '1.0.0-rc.1'],
    ['1.0.0+0--.01', '1.0.0'],
    ['1.0.0--', '1.0.0--'],
  ])('%s is as %s, on either side', (one, other) => {
    expect(holds('semverEq', one, other)).toBe(true)
    expect(holds('semverEq', other, one)).toBe(true)
    expect(holds('semverGte', one, other)).toBe(true)
    expect(holds('semverLte', one, other)).toBe(true)
  })

  it.each([
    '',
    'v',
    'vv1',
    '1.',
    '1..2',
    '.1',
    '01',
    '1.02.3',
    '1.2.03',
    '1.2.3.4',
    '1.2.3-',
    '1.2.3-01',
    '1.2.3-a..b',
    '1.2.3-ä',
    '1.2.3+',
    '1.2.3+a+b',
    '1.2.3+a_b',
    '2-beta',
    '2.1-beta',
    '1.2.3 ',
    ' 1.2.3',
    'latest',
    '-1.0.0',
    '1.2.x',
  ])('"%s" is no version: false as an attribute, not understood as an operand', (text) => {
    expect(holds('semverGte', text, '0.0.0-0')).toBe(false)
    expect(holds('semverEq', text, '1.2.3')).toBe(false)
    expect(skippedFor({ attribute: 'version', op: 'semverGte', values: [text] })).toContain(
      'is not a semantic version',
    )
  })

  it('a number is no version', () => {
    expect(holds('semverGte', 2, '0.0.0')).toBe(false)
    expect(holds('semverEq', 2, '2.0.0')).toBe(false)
    expect(skippedFor({ attribute: 'version', op: 'semverEq', values: [2] })).toBe(
      '2 is not a semantic version such as "2.3.1"',
    )
  })

  it('any of several operands will do', () => {
    expect(holds('semverLt', '1.5.0', '1.0.0', '2.0.0')).toBe(true)
    expect(holds('semverGt', '1.5.0', '2.0.0', '1.0.0')).toBe(true)
    expect(holds('semverEq', '1.5.0', '2.0.0', '1.5')).toBe(true)
    expect(holds('semverEq', '1.5.1', '2.0.0', '1.5')).toBe(false)
  })

  it('an array matches when any element does', () => {
    expect(holds('semverGte', ['0.1.0', 3, '2.0.0'], '1.0.0')).toBe(true)
    expect(holds('semverGte', ['0.1.0', null], '1.0.0')).toBe(false)
    expect(holds('semverEq', [['1.0.0']], '1.0.0')).toBe(false)
  })
})

import type { Condition, FlagConfig, Serve } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { flagWarnings } from '../../../server/domain/warnings.ts'
import { plainFlag } from '../../support/plain-flag.ts'

const config = (change: Partial<FlagConfig>) => plainFlag({ fallthrough: { variant: 'on' }, ...change })
const codes = (change: Partial<FlagConfig>) => flagWarnings(config(change), []).map(({ code }) => code)
const split = (on: number, more = {}): Serve => ({
  split: {
    by: 'targetingKey',
    salt: 's',
    shares: [
      { variant: 'on', percent: on },
      { variant: 'off', percent: 100 - on },
    ],
    ranges: [],
    ...more,
  },
})
const rule = (serve: Serve, when?: Condition) => ({ id: 'r', serve, ...(when && { when }) })

describe('serves-only-off', () => {
  it.each<[string, Partial<FlagConfig>]>([
    ['a fallthrough', { fallthrough: { variant: 'off' } }],
    ['the code default', { fallthrough: null }],
    ['a rule', { fallthrough: null, rules: [rule({ variant: 'off' })] }],
    ['a share of nothing', { fallthrough: split(0) }],
    ['nothing, off being the code default', { offVariant: null, fallthrough: null }],
  ])('is told of an enabled flag with %s', (_what, change) => {
    expect(codes(change)).toEqual(['serves-only-off'])
    expect(codes({ ...change, enabled: false })).toEqual([])
  })

  it.each<[string, Partial<FlagConfig>]>([
    ['a target', { fallthrough: null, targets: [{ variant: 'on', by: 'targetingKey', units: ['a'] }] }],
    ['a rule', { fallthrough: null, rules: [rule({ variant: 'on' })] }],
    ['a share', { fallthrough: split(0.001) }],
    ['the missing unit', { fallthrough: split(0, { missing: 'on' }) }],
    ['a variant beside the code default', { offVariant: null, fallthrough: { variant: 'off' } }],
  ])('is not told where another variant is served by %s', (_what, change) => {
    expect(codes(change)).toEqual([])
  })
})

describe('not-matches-missing', () => {
  const plan: Condition = { attribute: 'plan', op: 'in', values: ['free'] }
  const exists: Condition = { attribute: 'plan', op: 'exists', values: [] }
  const pointers = (when: Condition) =>
    flagWarnings(config({ rules: [rule({ variant: 'on' }, when)] }), []).map(({ pointer }) => pointer)

  it.each<[string, Condition, string]>([
    ['a plain negation', { not: plan }, '/not'],
    ['one among others', { all: [{ segment: 's' }, { not: plan }] }, '/all/1/not'],
    ['one beside another of a segment', { all: [{ not: { segment: 's' } }, { not: plan }] }, '/all/1/not'],
    ['one in any', { any: [{ not: plan }, exists] }, '/any/0/not'],
    [
      'any of several',
      { not: { any: [plan, { attribute: 'plan', op: 'startsWith', values: ['x'] }] } },
      '/not',
    ],
    ['all of several', { not: { all: [{ attribute: 'age', op: 'lt', values: [18] }, plan] } }, '/not'],
    ['a double negation in a negation', { not: { not: { not: plan } } }, '/not'],
  ])('is told of %s', (_what, when, pointer) => {
    expect(pointers(when)).toContain(`/rules/0/when${pointer}`)
  })

  it.each<[string, Condition]>([
    ['no negation', { all: [plan] }],
    ['exists beside it', { all: [{ not: plan }, exists] }],
    ['exists itself', { not: exists }],
    ['the time', { not: { attribute: '$now', op: 'after', values: [0] } }],
    ['a segment', { not: { segment: 's' } }],
    ['what other things decide', { not: { any: [plan, { segment: 's' }] } }],
    ['two negations', { not: { not: plan } }],
  ])('is not told of %s', (_what, when) => {
    expect(pointers(when)).toEqual([])
  })
})

describe('unit-often-missing', () => {
  it('is told where a context without the attribute gets an error', () => {
    expect(codes({ fallthrough: split(50, { by: 'account' }) })).toEqual(['unit-often-missing'])
  })
  it('is not told of the targeting key, of a missing variant, or of a rule, which goes on', () => {
    expect(codes({ fallthrough: split(50) })).toEqual([])
    expect(codes({ fallthrough: split(50, { by: 'account', missing: 'off' }) })).toEqual([])
    expect(codes({ rules: [rule(split(50, { by: 'account' }))] })).toEqual([])
  })
})

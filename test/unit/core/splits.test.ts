import { bucketOf, evaluate } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { compiledWith, decisionOf, flag } from './rulesets.ts'

const variants = { on: true, off: false }
const range = (variant: string, from: number, to: number): object => ({ variant, from, to })
const split = (ranges: readonly object[], fields: object = {}): object => ({
  split: { by: 'targetingKey', salt: 'checkout', shares: [], ranges, ...fields },
})
const inRule = (serve: object): object => flag({ rules: [{ id: 'r', serve }] }) as object

describe('a split', () => {
  it('serves the variant whose range holds the unit’s bucket, for each of a thousand ranges', () => {
    const names = Array.from({ length: 100 }, (_, i) => `v${i}`)
    const ranges = Array.from({ length: 1_000 }, (_, i) =>
      range(`v${(i * 37) % 100}`, i * 100, i * 100 + 100),
    )
    const config = flag({
      type: 'string',
      variants: Object.fromEntries(names.map((name) => [name, name])),
      offVariant: null,
      fallthrough: split(ranges.toReversed()),
    })
    const compiled = compiledWith({ flag: { f: config } })
    for (let i = 0; i < 2_000; i++) {
      const bucket = bucketOf('checkout', `user-${i}`)
      const { variant, reason } = evaluate(compiled, 'f', { targetingKey: `user-${i}` }, 0)
      expect(variant).toBe(`v${(Math.floor(bucket / 100) * 37) % 100}`)
      expect(reason).toBe('SPLIT')
    }
  })

  it('includes its lower bound and not its upper', () => {
    const bucket = bucketOf('checkout', 'user-1')
    const served = (from: number, to: number): string | undefined =>
      decisionOf(inRule(split([range('on', from, to)])), { targetingKey: 'user-1' }).reason
    expect(served(bucket, bucket + 1)).toBe('SPLIT')
    expect(served(0, 100_000)).toBe('SPLIT')
    expect(served(0, bucket)).toBe('DEFAULT')
    expect(served(bucket + 1, 100_000)).toBe('DEFAULT')
    expect(served(bucket, bucket)).toBe('DEFAULT')
  })

  it('may have ranges without a bucket', () => {
    const bucket = bucketOf('checkout', 'user-1')
    const ranges = [
      range('on', bucket, bucket + 1),
      range('off', bucket, bucket),
      range('off', 100_000, 100_000),
    ]
    expect(decisionOf(inRule(split(ranges)), { targetingKey: 'user-1' }).variant).toBe('on')
  })

  it('in a rule leaves units in no range, and those that are missing, to the next rule', () => {
    const config = flag({
      variants,
      rules: [
        { id: 'none', serve: split([]) },
        { id: 'second', serve: { variant: 'on' } },
      ],
    })
    const next = {
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      metadata: { version: 1, rule: 'second' },
    }
    expect(decisionOf(config, { targetingKey: 'user-1' })).toEqual(next)
    expect(decisionOf(config, {})).toEqual(next)
  })

  it('in a rule says so, and names the rule', () => {
    expect(decisionOf(inRule(split([range('on', 0, 100_000)])), { targetingKey: 'user-1' })).toEqual({
      value: true,
      variant: 'on',
      reason: 'SPLIT',
      metadata: { version: 1, rule: 'r' },
    })
  })

  it('in a fallthrough gives an error naming the attribute where the unit is missing', () => {
    const config = flag({ fallthrough: split([range('on', 0, 100_000)], { by: 'company.id' }) })
    expect(decisionOf(config, { targetingKey: 'user-1' })).toEqual({
      reason: 'ERROR',
      errorCode: 'TARGETING_KEY_MISSING',
      errorDetails: 'the context lacks the attribute "company.id" to split by',
      metadata: { version: 1 },
    })
    expect(decisionOf(config, { company: { id: 7 } }).variant).toBe('on')
  })

  it('in a fallthrough serves the variant for missing units, if it names one', () => {
    const config = flag({ fallthrough: split([range('on', 0, 100_000)], { missing: 'off' }) })
    expect(decisionOf(config, {})).toEqual({
      value: false,
      variant: 'off',
      reason: 'DEFAULT',
      metadata: { version: 1 },
    })
    expect(decisionOf(config, { targetingKey: '' }).variant).toBe('off')
    expect(decisionOf(config, { targetingKey: 'user-1' })).toMatchObject({ variant: 'on', reason: 'SPLIT' })
  })

  it('in a fallthrough serves nothing to a bucket in no range', () => {
    expect(decisionOf(flag({ fallthrough: split([]) }), { targetingKey: 'user-1' })).toEqual({
      reason: 'DEFAULT',
      metadata: { version: 1 },
    })
  })

  it('goes by the targeting key and is salted with the flag’s key, unless it says otherwise', () => {
    const bucket = bucketOf('f', 'user-1')
    const serve = { split: { ranges: [range('on', bucket, bucket + 1)] } }
    expect(decisionOf(inRule(serve), { targetingKey: 'user-1' }).reason).toBe('SPLIT')
    const salted = { split: { salt: '', ranges: [range('on', bucketOf('', '7'), bucketOf('', '7') + 1)] } }
    expect(decisionOf(inRule(salted), { targetingKey: 7 }).reason).toBe('SPLIT')
  })

  it('shares one decision among the ranges of a variant', () => {
    const ranges = [range('on', 0, 10_000), range('off', 10_000, 50_000), range('on', 50_000, 100_000)]
    const compiled = compiledWith({ flag: { f: flag({ fallthrough: split(ranges) }) } })
    const decisions = new Set(
      Array.from({ length: 200 }, (_, i) => evaluate(compiled, 'f', { targetingKey: `user-${i}` }, 0)),
    )
    expect(decisions.size).toBe(2)
    for (const decision of decisions)
      expect(Object.isFrozen(decision) && Object.isFrozen(decision.metadata)).toBe(true)
  })

  it.each([
    [null, 'what is served is an object'],
    [undefined, 'what is served is an object'],
    [{}, 'what is served names its variant'],
    [{ variant: 7 }, 'what is served names its variant'],
    [{ variant: 'on', until: 'x' }, 'the field "until" of what is served is unknown'],
    [{ variant: 'on', split: {} }, 'the field "variant" of what is served is unknown'],
    [{ split: 'x' }, 'a split is an object'],
    [split([], { holdout: 1 }), 'the field "holdout" of a split is unknown'],
    [split([], { salt: 7 }), 'the salt of a split is a string'],
    [split([], { by: '$now' }), '"$now" is no attribute that can be read'],
    [{ split: {} }, 'the ranges of a split are a list'],
    [split(['x' as never]), 'a range is an object'],
    [split([{ ...range('on', 0, 1), weight: 1 }]), 'the field "weight" of a range is unknown'],
    [split([{ from: 0, to: 1 }]), 'a range names its variant'],
    [split([range('on', 1, 0)]), 'a range goes from one bucket of 0 to 100000 to another'],
    [split([range('on', -1, 0)]), 'a range goes from one bucket'],
    [split([range('on', 0.5, 1)]), 'a range goes from one bucket'],
    [split([range('on', 0, 100_001)]), 'a range goes from one bucket'],
    [split([range('on', 0, 10), range('off', 9, 20)]), 'the ranges of a split overlap'],
  ])('of the form %j is not understood: the rule is skipped, the fallthrough an error', (serve, why) => {
    const rule = compiledWith({ flag: { f: flag({ rules: [{ id: 'r', serve }] }) } })
    expect(rule.flags.get('f')).toMatchObject({ error: undefined, skipped: [{ rule: 'r' }] })
    expect(rule.flags.get('f')?.skipped[0]?.why).toContain(why)
    expect(evaluate(rule, 'f', {}, 0)).toMatchObject({ variant: 'off', reason: 'DEFAULT' })
    if (serve === null || serve === undefined) return
    const last = compiledWith({ flag: { f: flag({ fallthrough: serve }) } })
    expect(last.flags.get('f')).toMatchObject({ error: undefined, skipped: [{ rule: '$fallthrough' }] })
    expect(evaluate(last, 'f', {}, 0)).toMatchObject({
      reason: 'ERROR',
      errorCode: 'PARSE_ERROR',
      metadata: { version: 1 },
    })
    expect(evaluate(last, 'f', {}, 0).errorDetails).toContain(why)
  })

  it('with a variant that the flag does not have breaks the flag', () => {
    for (const serve of [split([range('x', 0, 1)]), { variant: 'x' }]) {
      expect(decisionOf(inRule(serve))).toMatchObject({
        errorCode: 'PARSE_ERROR',
        errorDetails: 'there is no variant "x"',
      })
      expect(decisionOf(flag({ fallthrough: serve })).errorCode).toBe('PARSE_ERROR')
    }
    expect(decisionOf(flag({ fallthrough: split([], { missing: 'x' }) })).errorCode).toBe('PARSE_ERROR')
  })
})

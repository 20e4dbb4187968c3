import { bucketOf, type Context, explain } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { type DescribeRule, decisionInWords } from '../../../../server/domain/index.ts'
import { compiledWith, type Documents, flag, flagWhen, membersOf } from '../../core/rulesets.ts'

const pro = { attribute: 'plan', op: 'in', values: ['pro'] }
const on = { variant: 'on' }

type Told = { readonly documents?: Documents; readonly now?: number; readonly describe?: DescribeRule }
function why(
  definition: unknown,
  context: object = {},
  { documents = {}, now = 0, describe }: Told = {},
): string {
  const compiled = compiledWith({ ...documents, flag: { ...documents.flag, f: definition } })
  return decisionInWords(explain(compiled, 'f', context as Context, now), describe)
}
const split = (ranges: readonly object[], fields: object = {}): object => ({
  split: { by: 'targetingKey', salt: 's', shares: [], ranges, ...fields },
})
const upTo = (to: number): object[] => [{ variant: 'on', from: 0, to }]
const rules = (...list: object[]): object => ({
  rules: list.map((rule, index) => ({ id: `r${index + 1}`, ...rule })),
})

describe('why a flag gave what it gave', () => {
  it('is told by the step that decided', () => {
    expect(why(flag(), {}, { documents: { kill: { f: { id: 'k' } } } })).toBe('off: it is killed')
    expect(why(flag({ enabled: false }))).toBe('off: it is disabled')
    expect(why(flag({ enabled: false, offVariant: null }))).toBe('code default: it is disabled')
    expect(why('broken')).toBe('error PARSE_ERROR: it cannot be evaluated: a flag is an object')
    expect(why(flag())).toBe('off: everyone gets off')
    expect(why(flag({ fallthrough: null }))).toBe('code default: everyone gets the code default')
    expect(why(flagWhen(pro))).toBe('off: no rule matched, and everyone else gets off')
    expect(decisionInWords(explain(compiledWith({ flag: {} }), 'f', {}, 0))).toBe(
      'error FLAG_NOT_FOUND: there is no such flag in this environment',
    )
  })

  it('names the unit that is listed', () => {
    const targets = [
      { ...on, by: 'company', units: ['acme inc.'] },
      { ...on, by: 'targetingKey', units: ['ann@example.com'] },
    ]
    expect(why(flag({ targets }), { targetingKey: 'ann@example.com' })).toBe(
      'on: ann@example.com is listed in the targets of on',
    )
    expect(why(flag({ targets }), { company: 'acme inc.' })).toBe(
      'on: company "acme inc." is listed in the targets of on',
    )
    expect(why(flag({ targets }))).toBe('off: everyone else gets off')
  })

  it('names the rule with its description, and what made its condition true', () => {
    const describe: DescribeRule = (rule, required) => (required === undefined ? `${rule} of f` : undefined)
    expect(why(flagWhen(pro), { plan: 'pro' }, { describe })).toBe(
      'on: rule r ("r of f") matched, as plan is pro',
    )
    expect(why(flag(rules({ serve: on })))).toBe('on: rule r1 is for everyone')
  })

  it.each<[when: unknown, context: object, words: string]>([
    [{ attribute: 'age', op: 'gte', values: [18] }, { age: 20 }, 'age is at least 18 (it is 20)'],
    [{ ...pro, values: ['pro', 'team'] }, { plan: 'team' }, 'plan is one of pro, team (it is team)'],
    [pro, { plan: ['free', 'pro'] }, 'plan is pro (it is free and pro)'],
    [{ attribute: 'plan', op: 'exists' }, { plan: { a: 1 } }, 'plan is set'],
    [
      { attribute: '$now', op: 'after', values: [0] },
      {},
      'the time is after 1970-01-01T00:00:00Z (it is 1970-01-01T00:01:00Z)',
    ],
    [{ any: [{ segment: 'none' }, pro, { segment: 'none' }] }, { plan: 'pro' }, 'plan is pro'],
    [
      { all: [pro, { not: { any: [{ segment: 'beta' }, { all: [pro, { not: pro }] }] } }] },
      { plan: 'pro' },
      'plan is pro and not (in segment beta or (plan is pro and not (plan is pro)))',
    ],
    [{ segment: 'beta' }, { targetingKey: 'ann' }, 'ann is a member of segment beta'],
    [{ segment: 'pro' }, { targetingKey: 'ben', plan: 'pro' }, 'ben is in segment pro, as plan is pro'],
    [{ segment: 'pro' }, { plan: 'pro' }, 'in segment pro, as plan is pro'],
    [{ all: [] }, {}, 'always'],
  ])('says what made %j true', (when, context, words) => {
    const documents = {
      segment: { beta: { when: null }, pro: { when: pro }, none: { when: null } },
      members: membersOf('beta', ['ann']),
    }
    expect(why(flagWhen(when), context, { documents, now: 60_000 })).toBe(`on: rule r matched, as ${words}`)
  })

  it('names bucket and range of a split', () => {
    const bucket = bucketOf('s', 'user-1')
    expect(
      why(flag(rules({ when: pro, serve: split(upTo(bucket + 1)) })), {
        targetingKey: 'user-1',
        plan: 'pro',
      }),
    ).toBe(
      `on: rule r1 matched, as plan is pro, and user-1 falls in bucket ${bucket}, in on's range 0 to ${bucket + 1} of the split by targetingKey`,
    )
    expect(why(flag({ fallthrough: split(upTo(100_000)) }), { targetingKey: 'user-1' })).toBe(
      `on: user-1 falls in bucket ${bucket}, in on's range 0 to 100000 of the split by targetingKey`,
    )
    expect(why(flag({ fallthrough: split(upTo(bucket)) }), { targetingKey: 'user-1' })).toBe(
      `code default: user-1 falls in bucket ${bucket}, in no range of the split by targetingKey`,
    )
  })

  it('tells of rules that matched and served nothing', () => {
    const bucket = bucketOf('s', 'user-1')
    const passed = { serve: split([]) }
    const context = { targetingKey: 'user-1' }
    const inNone = `is for everyone, and user-1 falls in bucket ${bucket}, in no range of the split by targetingKey`
    expect(why(flag(rules(passed)), context)).toBe(`off: rule r1 ${inNone}; everyone else gets off`)
    expect(why(flag(rules(passed, { when: pro, serve: on })), context)).toBe(
      `off: rule r1 ${inNone}; no other rule matched, and everyone else gets off`,
    )
    const account = { serve: split([], { by: 'account' }) }
    const lacking = 'is for everyone, and the context has no account to split by'
    expect(why(flag(rules(account, account, account, account)))).toBe(
      `off: rule r1 ${lacking}; rule r2 ${lacking}; and 2 more; everyone else gets off`,
    )
  })

  it('tells what a context without the unit gets', () => {
    const fallthrough = split(upTo(100_000), { by: 'account' })
    expect(why(flag({ ...rules({ when: pro, serve: on }), fallthrough }))).toBe(
      'error TARGETING_KEY_MISSING: no rule matched, and the context has no account to split by',
    )
    expect(why(flag({ fallthrough: split(upTo(100_000), { by: 'account', missing: 'off' }) }))).toBe(
      'off: the context has no account to split by, for which everyone gets off',
    )
  })

  it('tells what was skipped', () => {
    const newer = { when: { attribute: 'a', op: 'newer' }, serve: on }
    expect(why(flag(rules(newer, { serve: on })))).toBe(
      'on: rule r2 is for everyone; rule r1 was skipped: the operator "newer" is unknown',
    )
    expect(why(flag({ fallthrough: { newer: 1 } }))).toBe(
      'error PARSE_ERROR: what everyone gets is not understood: the field "newer" of what is served is unknown',
    )
  })

  describe('for a prerequisite', () => {
    const requires = (...variants: string[]): unknown =>
      flag({ prerequisites: [{ flag: 'g', variants }], fallthrough: on })
    it.each<[g: unknown, words: string]>([
      [undefined, 'which does not exist'],
      [flag({ enabled: false }), 'which serves off because it is disabled'],
      [
        flag({ enabled: false, offVariant: 'on' }),
        'which serves on only as its off variant because it is disabled',
      ],
      [flag({ fallthrough: null }), 'which serves the code default because everyone gets the code default'],
      ['broken', 'which fails because it cannot be evaluated: a flag is an object'],
      [flagWhen(pro), 'which serves off because no rule matched, and everyone else gets off'],
      [
        flag({ prerequisites: [{ flag: 'h', variants: ['on', 'maybe'] }] }),
        'which serves off because it requires h to serve on or maybe, which does not exist',
      ],
    ])('%j: %s', (g, words) => {
      expect(why(requires('on'), {}, { documents: { flag: g === undefined ? {} : { g } } })).toBe(
        `off: it requires g to serve on, ${words}`,
      )
    })

    it('describes the rules of the flag that has them', () => {
      const describe: DescribeRule = (rule, required) => `${rule} of ${required}`
      const g = flag(rules({ serve: { variant: 'off' } }))
      expect(why(requires('on'), {}, { documents: { flag: { g } }, describe })).toBe(
        'off: it requires g to serve on, which serves off because rule r1 ("r1 of g") is for everyone',
      )
    })

    it('follows a few of them, and not for ever', () => {
      const chain = (length: number): Documents => ({
        flag: Object.fromEntries(
          Array.from({ length }, (_, index) => [
            `g${index}`,
            flag({ prerequisites: [{ flag: `g${index + 1}`, variants: ['on'] }], fallthrough: on }),
          ]),
        ),
      })
      const first = flag({ prerequisites: [{ flag: 'g0', variants: ['on'] }] })
      expect(why(first, {}, { documents: chain(8) })).toBe(
        'off: it requires g0 to serve on, which serves off because it requires g1 to serve on, which serves off because ' +
          'it requires g2 to serve on, which serves off because it requires g3 to serve on, which serves off',
      )
      expect(why(first, {}, { documents: chain(500) })).toBe(
        'off: it requires g0 to serve on, which serves off',
      )
    })
  })

  it('is what was found out before the context could not be read', () => {
    const context = {
      get plan() {
        throw new Error('boom\nboom')
      },
    }
    expect(why(flagWhen(pro), context)).toBe('error GENERAL: the context could not be read: Error: boom boom')
    const decision = { value: true, variant: 'on', reason: 'STATIC', metadata: {} } as const
    expect(decisionInWords({ decision, steps: [] })).toBe('on: how it came to that is not known')
  })
})

/** What SDKs of other versions would skip, by a table that is made up: in the real one every version knows all. */
import { OPERATORS } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import type { EntryEdit } from '../../../server/domain/change.ts'
import { SDK_FEATURES } from '../../../server/domain/sdk-features.ts'
import {
  type App,
  demandingUses,
  introduced,
  skippedBy,
  skipWarnings,
  usesOf,
} from '../../../server/domain/skipped.ts'
import { stateWith } from '../core/rulesets.ts'

/** `node` learned `matches` in 0.3.0 and sticky splits in 0.5.0; `go` is another line of versions. */
const TABLE = {
  node: {
    'operator.in': '0.1.0',
    'operator.matches': '0.3.0',
    'condition.segment': '0.1.0',
    'condition.soon': '0.4.0',
    'serve.split': '0.1.0',
    'split.sticky': '0.5.0',
    'range.weight': '0.6.0',
  },
  go: { 'operator.in': '1.0.0', 'operator.matches': '1.2.0' },
}

const matches = { attribute: 'email', op: 'matches', values: ['@acme'] }
const plain = { attribute: 'plan', op: 'in', values: ['pro'] }
const on = { variant: 'on' }
const rule = (id: string, when: unknown, serve: unknown = on) => ({ id, when, serve })
const flagOf = (rules: unknown[], fallthrough: unknown = on) => ({ enabled: true, rules, fallthrough })
const app = (name: string, sdk: string, version = '2.4.0'): App => ({ app: name, version, sdk })

const STATE = stateWith({
  flag: {
    plain: flagOf([rule('r1', { all: [plain, { not: plain }] })]),
    direct: flagOf([rule('r1', plain), rule('r2', { all: [plain, { not: { any: [matches] } }] })]),
    named: flagOf([rule('r1', { any: [{ segment: 'outer' }, { segment: 'outer' }] })]),
    split: flagOf([], { split: { sticky: true, ranges: [{ variant: 'on', weight: 1 }] } }),
    broken: 'not a flag',
  },
  segment: {
    // In a circle, as only a hand can make them.
    outer: { by: 'targetingKey', when: { any: [{ segment: 'inner' }] } },
    inner: { by: 'targetingKey', when: { all: [matches, { segment: 'outer' }, { segment: 'gone' }] } },
  },
})
const skips = (flag: string, sdk: string) =>
  skippedBy(usesOf(STATE, [flag]), sdk, TABLE).map(({ rule, feature, since }) => [rule, feature, since])

describe('an SDK skips', () => {
  it('nothing of a rule whose every part it knows', () => {
    expect(skips('plain', 'node/0.1.0')).toEqual([])
    expect(skips('direct', 'node/0.3.0')).toEqual([])
    expect(skips('direct', 'node/1.0.0-beta.1')).toEqual([])
  })

  it('a rule with an operator that came later, however deep it stands', () => {
    expect(skips('direct', 'node/0.2.9')).toEqual([['r2', 'operator.matches', '0.3.0']])
    expect(skips('direct', 'node/0.3.0-rc.1')).toEqual([['r2', 'operator.matches', '0.3.0']])
    expect(skips('direct', 'go/1.1.0')).toEqual([['r2', 'operator.matches', '1.2.0']])
  })

  it('a rule that names a segment with such an operator, through another segment too', () => {
    expect(skips('named', 'node/0.1.0')).toEqual([['r1', 'operator.matches', '0.3.0']])
  })

  it('a fallthrough with a field that came later', () => {
    expect(skips('split', 'node/0.1.0').sort()).toEqual([
      ['$fallthrough', 'range.weight', '0.6.0'],
      ['$fallthrough', 'split.sticky', '0.5.0'],
    ])
  })

  it.each(['', 'node', 'node/', 'node/new', 'rust/0.1.0', 'constructor/0.1.0', 'toString/0.1.0'])(
    'nothing that could be said of %j',
    (sdk) => {
      expect(skips('direct', sdk)).toEqual([])
    },
  )

  it('nothing of what is no flag, or not there', () => {
    expect(skips('broken', 'node/0.1.0')).toEqual([])
    expect(skips('gone', 'node/0.1.0')).toEqual([])
  })
})

describe('a write', () => {
  const put = (kind: string, key: string, definition: unknown) =>
    ({ kind, key, definition }) as unknown as EntryEdit
  const news = (...edits: EntryEdit[]) =>
    introduced(demandingUses(STATE, edits, TABLE), STATE).map(({ flag, rule, feature }) => [
      flag,
      rule,
      feature,
    ])

  it('asks for more where a rule gets a part that not every version knows', () => {
    expect(news(put('flag', 'plain', flagOf([rule('r1', matches)])))).toEqual([
      ['plain', 'r1', 'operator.matches'],
    ])
    expect(news(put('flag', 'fresh', flagOf([rule('a', { ...plain, soon: 1 })])))).toEqual([
      ['fresh', 'a', 'condition.soon'],
    ])
  })

  it('asks for no more where the rule had it before', () => {
    const { definition } = STATE.entries.get('flag')!.get('direct')!
    expect(news(put('flag', 'direct', { ...(definition as object), enabled: false }))).toEqual([])
    expect(news(put('flag', 'direct', flagOf([rule('r2', matches), rule('r3', matches)])))).toEqual([
      ['direct', 'r3', 'operator.matches'],
    ])
  })

  it('asks for more of every flag that names the segment that it changes', () => {
    const segment = put('segment', 'inner', { by: 'targetingKey', when: { ...matches, soon: 1 } })
    expect(news(segment)).toEqual([['named', 'r1', 'condition.soon']])
  })

  it('asks for nothing where it changes neither, or where all versions know all', () => {
    expect(news(put('kill', 'direct', { id: 'k' }))).toEqual([])
    const edits = [put('flag', 'plain', flagOf([rule('r1', matches)]))]
    expect(
      demandingUses(STATE, edits, { node: { 'operator.matches': '0.1.0', 'operator.in': '0.1.0' } }),
    ).toEqual([])
    expect(demandingUses(STATE, edits, SDK_FEATURES)).toEqual([])
  })
})

describe('the warning', () => {
  const told = (uses: string, ...apps: App[]) => skipWarnings(usesOf(STATE, [uses]), apps, TABLE)

  it('names the app, its version, its SDK, the rule, and what to update to', () => {
    expect(told('direct', app('shop', 'node/0.2.0'), app('new', 'node/0.3.0'))).toEqual([
      {
        code: 'skipped-by-connected-sdks',
        message:
          '"shop" 2.4.0 (node/0.2.0) would skip rule r2 of direct: its SDK does not know the operator matches, which came with node/0.3.0. Update it first.',
      },
    ])
  })

  it('names some of many apps, and one kind of SDK at a time', () => {
    const apps = ['a', 'b', 'c', 'd'].map((name) => app(name, 'node/0.2.0', ''))
    expect(told('direct', ...apps, app('', 'go/1.0.0', '')).map(({ message }) => message)).toEqual([
      '"a" (node/0.2.0), "b" (node/0.2.0), "c" (node/0.2.0) and 1 more would skip rule r2 of direct: their SDKs do not know the operator matches, which came with node/0.3.0. Update them first.',
      'an app without a name (go/1.0.0) would skip rule r2 of direct: its SDK does not know the operator matches, which came with go/1.2.0. Update it first.',
    ])
  })

  it('says what becomes of a fallthrough', () => {
    expect(told('split', app('shop', 'node/0.5.0'))[0]?.message).toBe(
      '"shop" 2.4.0 (node/0.5.0) would not understand the fallthrough of split, and give the code default for it: its SDK does not know the field weight of a range, which came with node/0.6.0. Update it first.',
    )
  })

  it.each([
    [21, 'There is 1 more like these.'],
    [22, 'There are 2 more like these.'],
  ])('of %i rules tells of twenty and counts the rest', (count, last) => {
    const rules = Array.from({ length: count }, (_, index) => rule(`r${index}`, matches))
    const uses = usesOf(stateWith({ flag: { many: flagOf(rules) } }), ['many'])
    const warnings = skipWarnings(uses, [app('shop', 'node/0.1.0')], TABLE)
    expect(warnings).toHaveLength(21)
    expect(warnings.at(-1)?.message).toBe(last)
  })
})

describe('the table', () => {
  it('has a row for each operator, and versions in every row', () => {
    for (const rows of Object.values(SDK_FEATURES)) {
      for (const operator of OPERATORS) expect(rows).toHaveProperty([`operator.${operator}`])
      for (const since of Object.values(rows)) expect(since).toMatch(/^\d+\.\d+\.\d+$/)
    }
  })
})

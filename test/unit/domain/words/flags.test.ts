import type { Json } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { wordsOf } from '../../../../server/domain/index.ts'
import { flag, pro, rule, split, target } from './documents.ts'

type Fields = { readonly [field: string]: Json }
const words = (before: Fields, after: Fields) => wordsOf('flag', flag(before), flag(after))
const planIn = (...values: string[]) => ({ attribute: 'plan', op: 'in', values })
const [r1, r2, r3] = [rule('r1'), rule('r2'), rule('r3')]

describe('a change of a flag in words', () => {
  const cases: [before: Fields, after: Fields, ...words: string[]][] = [
    [{ enabled: false }, { enabled: true }, 'enabled'],
    [{ enabled: true }, { enabled: false }, 'disabled'],
    [{}, { visibility: 'client' }, 'now visible to client keys (browsers)'],
    [{ visibility: 'client' }, {}, 'no longer visible to client keys (browsers)'],

    // What everyone else gets.
    [{}, { fallthrough: { variant: 'on' } }, 'everyone gets on (was off)'],
    [{}, { fallthrough: null }, 'everyone gets the code default (was off)'],
    [{}, { fallthrough: split({ on: 25, off: 75 }) }, 'everyone gets 25 % on, 75 % off (was off)'],
    [
      { targets: [target('on', ['ann'])], fallthrough: split({ on: 10, off: 90 }) },
      { targets: [target('on', ['ann'])], fallthrough: split({ on: 12.345, off: 87.655 }) },
      'raised on from 10 % to 12.345 % for everyone else',
    ],
    [
      { fallthrough: split({ on: 50, off: 50 }) },
      { fallthrough: split({ off: 100 }) },
      'lowered on from 50 % to 0 % for everyone',
    ],
    [
      { fallthrough: split({ a: 50, b: 50 }) },
      { fallthrough: split({ a: 30, b: 60, c: 10 }) },
      'lowered a from 50 % to 30 %, raised b from 50 % to 60 %, raised c from 0 % to 10 % for everyone',
    ],
    [
      { fallthrough: split({ a: 25, b: 25, c: 25, d: 25 }) },
      { fallthrough: split({ a: 10, b: 20, c: 30, d: 40 }) },
      'everyone gets 10 % a, 20 % b, 30 % c, 40 % d (was 25 % a, 25 % b, 25 % c, 25 % d)',
    ],
    [
      { fallthrough: split({ on: 100 }) },
      { fallthrough: split({ on: 100 }, { by: 'account', salt: 'other' }) },
      'split by account (was targetingKey) for everyone: users may move',
      'salt "other" (was "checkout") for everyone: users may move',
    ],
    [
      { fallthrough: split({ on: 100 }, { by: 'account' }) },
      { fallthrough: split({ on: 100 }, { by: 'account', missing: 'off' }) },
      'a context without account now gets off (was an error) for everyone',
    ],
    [
      { fallthrough: null },
      { fallthrough: split({ on: 100 }, { by: 'account', missing: 'off' }) },
      'everyone gets 100 % on by account, off without account (was the code default)',
    ],
    [
      { fallthrough: split({ on: 50 }, { ranges: [{ variant: 'on', from: 0, to: 50_000 }] }) },
      { fallthrough: split({ on: 50 }, { ranges: [{ variant: 'on', from: 50_000, to: 100_000 }] }) },
      'other users get the same shares for everyone',
    ],

    // Rules.
    [{}, { rules: [r1] }, 'rule r1 added: serves on when plan is pro'],
    [
      { rules: [r1] },
      { rules: [r1, rule('r2', { variant: 'on' }, {})] },
      'rule r2 added at the end: serves on always',
    ],
    [
      { rules: [r1, r3] },
      { rules: [r1, rule('r2', split({ on: 25 }), { when: pro, description: 'pro users' }), r3] },
      'rule r2 ("pro users") added before r3: serves 25 % on when plan is pro, the others go on to the next rule',
    ],
    [{ rules: [r1, r2] }, { rules: [r1] }, 'removed rule r2'],
    [{ rules: [r1, r2, r3] }, { rules: [r2, r3, r1] }, 'moved rule r1 to the end'],
    [{ rules: [r1, r2, r3] }, { rules: [r3, r1, r2] }, 'moved rule r3 before r1'],
    [
      { rules: [rule('r2', split({ on: 10 }))] },
      { rules: [rule('r2', split({ on: 25 }))] },
      'raised on from 10 % to 25 % in rule r2',
    ],
    [
      { rules: [rule('r2', split({ on: 10, off: 10 }))] },
      { rules: [rule('r2', split({ on: 10, off: 5 }))] },
      'lowered off from 10 % to 5 % in rule r2',
    ],
    [
      { rules: [rule('r2', split({ on: 10 }))] },
      { rules: [rule('r2', { variant: 'on' })] },
      'rule r2 now serves on (was 10 % on, the others go on to the next rule)',
    ],
    [
      { rules: [r2] },
      { rules: [rule('r2', { variant: 'off' }, { when: { segment: 'beta' }, description: 'beta' })] },
      'condition of rule r2 ("beta") changed: plan is pro → in segment beta',
      'rule r2 ("beta") now serves off (was on)',
      'rule r2 is now described as "beta"',
    ],
    [
      { rules: [rule('r2', { variant: 'on' }, { description: 'alpha' })] },
      { rules: [rule('r2', { variant: 'on' }, { description: 'beta' })] },
      'rule r2 is now described as "beta" (was "alpha")',
    ],
    [
      { rules: [rule('r2', { variant: 'on' }, { description: 'alpha' })] },
      { rules: [rule('r2', { variant: 'on' }, {})] },
      'rule r2 is no longer described as "alpha"',
    ],
    [
      { rules: [r2] },
      { rules: [rule('r2', { variant: 'on' }, {})] },
      'condition of rule r2 changed: plan is pro → everyone',
    ],
    [
      { rules: [rule('r2', split({ on: 0 }))] },
      { rules: [rule('r2', { variant: 'on' })] },
      'rule r2 now serves on (was 0 % on, the others go on to the next rule)',
    ],

    [
      { rules: [rule('r2', { variant: 'on' }, { when: planIn('a', 'b', 'c', 'd') })] },
      { rules: [rule('r2', { variant: 'on' }, { when: planIn('b', 'c', 'd', 'e', 'f') })] },
      'condition of rule r2 changed: plan is one of b, c, d, and 2 more (e and f added, a removed)',
    ],
    [
      { rules: [rule('r2', { variant: 'on' }, { when: planIn('a', 'b', 'c', 'd', 'e') })] },
      { rules: [rule('r2', { variant: 'on' }, { when: planIn('a', 'b', 'c', 'e', 'd') })] },
      'condition of rule r2 changed: plan is one of a, b, c, and 2 more, where it is too long to show',
    ],
    [
      { rules: [rule('r2', { variant: 'on' }, { when: planIn('a', 'b', 'c', 'd', 'e') })] },
      {
        rules: [
          rule('r2', { variant: 'on' }, { when: { ...planIn('a', 'b', 'c', 'd', 'f'), ignoreCase: true } }),
        ],
      },
      'condition of rule r2 changed: plan is one of a, b, c, and 2 more → plan is one of a, b, c, and 2 more (ignoring case)',
    ],

    // Individuals.
    [
      { targets: [target('off', ['carl'])] },
      { targets: [target('on', ['ann', 'ben'])] },
      'targets: ann and ben added to on, carl removed from off',
    ],
    [
      { targets: [target('on', ['a', 'b', 'c', 'd']), target('off', ['eve'])] },
      { targets: [target('off', ['eve', 'a'])] },
      'targets: a moved from on to off, b, c and d removed from on',
    ],
    [
      {},
      { targets: [target('on', ['a', 'b', 'c', 'd']), target('on', ['acme inc.', 'a'], 'account')] },
      'targets: 4 added to on',
      'targets by account: "acme inc." and a added to on',
    ],
    [{ targets: [target('on', ['a', 'b'])] }, { targets: [target('on', ['b', 'a'])] }, 'targets changed'],
    [
      { targets: [target('on', ['ann'])] },
      { targets: [target('on', ['ann', 'ben']), target('off', ['ann'])] },
      'targets: ben added to on',
    ],
    [
      { targets: [target('on', ['ann']), target('on', ['acme'], 'account')] },
      { targets: [target('on', ['acme'], 'account')] },
      'targets: ann removed from on',
    ],

    // What else there is.
    [{}, { prerequisites: [{ flag: 'base', variants: ['on'] }] }, 'now requires flag base to serve on'],
    [{}, { prerequisites: [{ flag: 'base', variants: [] }] }, 'now requires flag base to serve none'],
    [{}, { variants: { on: true, off: false, maybe: true } }, 'variant maybe added: true'],
    [{ prerequisites: [{ flag: 'base', variants: ['on'] }] }, {}, 'no longer requires flag base'],
    [
      { prerequisites: [{ flag: 'base', variants: ['on'] }] },
      { prerequisites: [{ flag: 'base', variants: ['on', 'maybe'] }] },
      'now requires flag base to serve on or maybe (was on)',
    ],
    [
      {
        prerequisites: [
          { flag: 'a', variants: ['on'] },
          { flag: 'b', variants: ['on'] },
        ],
      },
      {
        prerequisites: [
          { flag: 'b', variants: ['on'] },
          { flag: 'a', variants: ['on'] },
        ],
      },
      'prerequisites changed',
    ],
    [{}, { offVariant: 'on' }, 'off variant is now on (was off)'],
    [{}, { offVariant: null }, 'off variant is now the code default (was off)'],
    [
      {},
      { type: 'number', variants: { on: 1, blue: 'x' } },
      'variant on changed from true to 1',
      'variant blue added: "x"',
      'variant off removed (was false)',
      'type changed',
    ],
    [
      { variants: { a: { colour: 'red', size: 1, list: [{ id: 'x' }, { id: 'y' }] } } },
      { variants: { a: { colour: 'blue', weight: 2, list: [{ id: 'y' }, { id: 'x' }] } } },
      'variant a changed: /colour from "red" to "blue", /list/0 moved, /size removed and 1 more',
    ],
    [{ variants: { a: {} } }, { variants: { a: { b: 1 } } }, 'variant a changed: /b added'],
    [{}, { valueSchema: {} }, 'value schema added'],
    [{ valueSchema: {} }, {}, 'value schema removed'],
    [{ valueSchema: {} }, { valueSchema: { type: 'object' } }, 'value schema changed'],
    [{}, { enabled: false, fallthrough: { variant: 'on' } }, 'disabled', 'everyone gets on (was off)'],
    [{}, {}],
  ]
  it.each(cases)('%j → %j', (before, after, ...expected) => {
    expect(words(before, after)).toEqual(expected)
  })

  it('says of a new flag what it does, and of a deleted one whether it did anything', () => {
    const created = (fields: Fields) => wordsOf('flag', null, flag(fields))
    expect(created({ enabled: false })).toEqual(['created, disabled, everyone gets off'])
    expect(
      created({
        visibility: 'client',
        prerequisites: [{ flag: 'base', variants: ['on'] }],
        targets: [target('on', ['ann'])],
        rules: [r1, r2],
      }),
    ).toEqual([
      'created, enabled, visible to client keys (browsers), requires base, 1 target, 2 rules, everyone else gets off',
    ])
    expect(wordsOf('flag', null, 'broken')).toEqual(['created'])
    expect(created({ prerequisites: 'broken' })).toEqual(['created, enabled, everyone gets off'])
    expect(wordsOf('flag', flag(), null)).toEqual(['deleted (it was enabled)'])
    expect(wordsOf('flag', flag({ enabled: false }), null)).toEqual(['deleted'])
  })

  const broken: [before: Fields, after: Fields, ...words: string[]][] = [
    [{}, { enabled: 'yes' }, 'enabled changed'],
    [{}, { visibility: 'all' }, 'visibility changed'],
    [{}, { variants: [] }, 'variants changed'],
    [{ variants: 1 }, {}, 'variants changed'],
    [{}, { prerequisites: {} }, 'prerequisites changed'],
    [{}, { prerequisites: [{ flag: 'a', variants: [1] }] }, 'prerequisites changed'],
    [{ prerequisites: [{}] }, {}, 'prerequisites changed'],
    [{}, { targets: 'ann' }, 'targets changed'],
    [{ targets: [{ variant: 'on', units: [] }] }, {}, 'targets changed'],
    [{}, { rules: [r1, r1] }, 'rules changed'],
    [{ rules: [{}] }, {}, 'rules changed'],
    [{ rules: 5 }, {}, 'rules changed'],
    [
      { rules: [r1] },
      { rules: [{ ...(r1 as object), later: 1, other: 2 }] },
      'later and other changed in rule r1',
    ],
    [{}, { fallthrough: 'on' }, 'everyone gets something unknown (was off)'],
    [
      {},
      { fallthrough: { split: { shares: [{ variant: 'on' }] } } },
      'everyone gets something unknown (was off)',
    ],
    [{ fallthrough: { variant: 7 } }, {}, 'everyone gets off (was 7)'],
    [{}, { fallthrough: { variant: 'off', later: 1 } }, 'fallthrough changed'],
    [{}, { rules: [rule('r1', null as never)] }, 'rule r1 added: serves the code default when plan is pro'],
    [{}, { rules: [rule('r1', {})] }, 'rule r1 added: serves something unknown when plan is pro'],
    [
      { fallthrough: split({ on: 100 }, { later: 1 }) },
      { fallthrough: split({ on: 100 }) },
      'fallthrough changed',
    ],
    [{}, { offVariant: ['on'] }, 'off variant is now a list (was off)'],
    [{}, { later: 1 }, 'later changed'],
  ]
  it.each(broken)('of any other shape is not more than named: %j → %j', (before, after, ...expected) => {
    expect(words(before, after)).toEqual(expected)
  })

  it('is told in 30 sentences at most', () => {
    const rules = Array.from({ length: 100 }, (_, index) => rule(`r${index}`))
    const told = words({}, { rules })
    expect([told.length, told.at(-1)]).toEqual([30, 'and 71 more'])
  })
})

describe('a kill in words', () => {
  const kill = { id: 'k1', by: 'ops', at: '2027-01-01T00:00:00.000Z' }
  it.each<[Json | null, Json | null, string]>([
    [null, kill, 'killed by ops'],
    [null, { ...kill, comment: 'INC-481\nsee chat' }, 'killed by ops: INC-481 see chat'],
    [{ ...kill, comment: 'INC-481' }, null, 'un-killed (was killed by ops: INC-481)'],
    [kill, { ...kill, id: 'k2' }, 'un-killed, and killed by ops'],
    [kill, { ...kill, comment: 'more' }, 'comment changed'],
    [null, 'broken', 'killed'],
  ])('%j → %j: %s', (before, after, words) => {
    expect(wordsOf('kill', before, after)).toEqual([words])
  })
})

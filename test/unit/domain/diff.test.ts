import type { Json } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { boundedDiffOf, type DiffLine, diffOf, sameJson } from '../../../server/domain/index.ts'

const rule = (id: string, percent = 10): Json => ({ id, serve: { split: { shares: [{ on: percent }] } } })
const units = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `user-${from + index}`)

describe('the diff of two documents', () => {
  const cases: [what: string, before: Json | null | undefined, after: Json | null | undefined, DiffLine[]][] =
    [
      ['has no lines where there is no document', null, undefined, []],
      [
        'has one line for a document that came',
        null,
        { enabled: true },
        [{ pointer: '', after: { enabled: true } }],
      ],
      ['has one line for a document that went', 'broken', undefined, [{ pointer: '', before: 'broken' }]],
      [
        'has one line for what became another kind of thing',
        [1],
        {},
        [{ pointer: '', before: [1], after: {} }],
      ],
      [
        'names each field that was replaced, added or removed, in order',
        { enabled: false, offVariant: 'off', valueSchema: {} },
        { enabled: true, offVariant: null, visibility: 'client' },
        [
          { pointer: '/enabled', before: false, after: true },
          { pointer: '/offVariant', before: 'off', after: null },
          { pointer: '/valueSchema', before: {} },
          { pointer: '/visibility', after: 'client' },
        ],
      ],
      ['does not mind the order of names', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }, []],
      [
        'escapes names in pointers',
        { variants: { 'a/b~c': 1 } },
        { variants: { 'a/b~c': 2 } },
        [{ pointer: '/variants/a~1b~0c', before: 1, after: 2 }],
      ],
      [
        'compares what stands under a name of JavaScript’s own',
        JSON.parse('{"__proto__": 1, "toString": 2}'),
        { constructor: 3 } as never,
        [
          { pointer: '/__proto__', before: 1 },
          { pointer: '/constructor', after: 3 },
          { pointer: '/toString', before: 2 },
        ],
      ],
      [
        'says of a rule that was inserted that it was, and nothing of those after it',
        { rules: [rule('r1'), rule('r2')] },
        { rules: [rule('r1'), rule('new'), rule('r2')] },
        [{ pointer: '/rules/1', after: rule('new') }],
      ],
      [
        'points to a rule that was removed where it was, and to one that changed where it is',
        { rules: [rule('r1'), rule('r2'), rule('r3')] },
        { rules: [rule('r2'), rule('r3', 25)] },
        [
          { pointer: '/rules/0', before: rule('r1') },
          {
            pointer: '/rules/1/serve/split/shares',
            before: [{ on: 10 }],
            after: [{ on: 25 }],
          },
        ],
      ],
      [
        'calls one rule moved where moving one is enough, and tells what changed inside it',
        { rules: [rule('r1'), rule('r2'), rule('r3'), rule('r4')] },
        { rules: [rule('r4', 25), rule('r1'), rule('r2'), rule('r3')] },
        [
          { pointer: '/rules/0', from: '/rules/3' },
          { pointer: '/rules/0/serve/split/shares', before: [{ on: 10 }], after: [{ on: 25 }] },
        ],
      ],
      [
        'points to a field that a rule lost where the rule was',
        { rules: [{ id: 'r1' }, { id: 'r2', when: 1 }] },
        { rules: [{ id: 'r2' }] },
        [
          { pointer: '/rules/0', before: { id: 'r1' } },
          { pointer: '/rules/1/when', before: 1 },
        ],
      ],
      [
        'compares rules as a whole where one id stands twice',
        [{ id: 'r1' }, { id: 'r1' }],
        [{ id: 'r1' }],
        [{ pointer: '', before: [{ id: 'r1' }, { id: 'r1' }], after: [{ id: 'r1' }] }],
      ],
      [
        'compares short lists of scalars as a whole',
        { tags: ['a', 'b'] },
        { tags: ['a'] },
        [{ pointer: '/tags', before: ['a', 'b'], after: ['a'] }],
      ],
      [
        'names the elements that came and went in long ones',
        { included: units(0, 20) },
        { included: [...units(1, 20), 'ann', 7] },
        [
          { pointer: '/included/0', before: 'user-0' },
          { pointer: '/included/19', after: 'ann' },
          { pointer: '/included/20', after: 7 },
        ],
      ],
      [
        'finds the units of a target by its variant and attribute',
        { targets: [{ variant: 'on', by: 'targetingKey', units: units(0, 10) }] },
        {
          targets: [
            { variant: 'off', by: 'targetingKey', units: ['eve'] },
            { variant: 'on', by: 'targetingKey', units: units(0, 11) },
          ],
        },
        [
          { pointer: '/targets/0', after: { variant: 'off', by: 'targetingKey', units: ['eve'] } },
          { pointer: '/targets/1/units/10', after: 'user-10' },
        ],
      ],
      [
        'compares targets without an attribute as a whole',
        [{ variant: 'on', units: [] }],
        [{ variant: 'on', units: ['ann'] }],
        [{ pointer: '', before: [{ variant: 'on', units: [] }], after: [{ variant: 'on', units: ['ann'] }] }],
      ],
    ]
  it.each(cases)('%s', (_, before, after, lines) => {
    expect(diffOf(before, after)).toEqual(lines)
  })

  it('is cut to as many lines as are asked for, and counts the others', () => {
    const [before, after] = [units(0, 100), units(50, 150)]
    const { lines, leftOff } = boundedDiffOf(before, after, 3)
    expect([lines.map(({ pointer }) => pointer), leftOff]).toEqual([['/0', '/1', '/2'], 97])
    expect(boundedDiffOf(before, after, 100).leftOff).toBe(0)
  })

  it('takes documents of any depth, and compares as a whole what is deeper than a document may be', () => {
    const nested = (depth: number, core: Json): Json =>
      JSON.parse(`${'{"a":'.repeat(depth)}${JSON.stringify(core)}${'}'.repeat(depth)}`)
    expect(diffOf(nested(60, 1), nested(60, 2))).toEqual([{ pointer: '/a'.repeat(60), before: 1, after: 2 }])
    const [line, ...others] = diffOf(nested(100_000, 1), nested(100_000, 2))
    expect([line?.pointer, others]).toEqual(['/a'.repeat(65), []])
    expect(diffOf(nested(100_000, [1]), nested(100_000, [1]))).toEqual([])
  })
})

describe('two JSON values are the same', () => {
  it.each<[boolean, Json, Json]>([
    [true, { a: [1, { b: null }] }, { a: [1, { b: null }] }],
    [true, { a: 0, b: 1 }, { b: 1, a: -0 }],
    [false, { a: 1 }, { a: 1, b: null }],
    [false, [1], [1, 2]],
    [false, ['1'], [1]],
    [false, {}, []],
    [false, null, {}],
  ])('%s: %j and %j', (same, a, b) => {
    expect(sameJson(a, b)).toBe(same)
  })
})

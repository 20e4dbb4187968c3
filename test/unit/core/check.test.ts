import { check } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { flag, flagWhen, membersOf, stateWith } from './rulesets.ts'

const requires = (key: unknown): unknown => flag({ prerequisites: [{ flag: key, variants: ['on'] }] })

describe('checking flags before they are published', () => {
  it('says which do not compile, and which of their rules would be skipped', () => {
    const state = stateWith({
      flag: {
        fine: flagWhen({ segment: 'outer' }),
        broken: flag({ fallthrough: { variant: 'gone' } }),
        newer: flagWhen({ attribute: 'a', op: 'newer' }, { fallthrough: { newer: 1 } }),
        far: flagWhen({ any: [{ segment: 'outer' }, { segment: 'odd' }] }),
      },
      segment: {
        outer: { when: { segment: 'inner' } },
        inner: { when: null },
        odd: { when: { segment: 'gone' } },
      },
      members: { 'inner/00': 'members are not looked at', ...membersOf('outer', ['ann']) },
    })
    expect(check(state, ['fine', 'broken', 'newer', 'far', 'unknown'])).toEqual(
      new Map<string, unknown>([
        ['fine', { skipped: [] }],
        ['broken', { error: 'there is no variant "gone"', skipped: [] }],
        [
          'newer',
          {
            skipped: [
              { rule: 'r', why: 'the operator "newer" is unknown' },
              { rule: '$fallthrough', why: 'the field "newer" of what is served is unknown' },
            ],
          },
        ],
        ['far', { skipped: [{ rule: 'r', why: 'the segment "odd": the segment "gone": there is none' }] }],
      ]),
    )
  })

  it('finds circles through flags that it was not asked about, and through killed ones', () => {
    const state = stateWith({
      flag: {
        a: requires('b'),
        b: requires('c'),
        c: requires('a'),
        outside: requires('a'),
        odd: requires(7),
        x: 'broken',
        y: requires('x'),
        z: requires('gone'),
        w: flag({ prerequisites: 'x' }),
      },
      kill: { b: { id: 'k1' } },
    })
    const found = check(state, ['a', 'outside', 'odd', 'y', 'z', 'w'])
    expect(found.get('a')?.error).toContain('its prerequisites lead in a circle')
    expect(found.get('outside')).toEqual({ skipped: [] })
    expect(found.get('odd')?.error).toContain('a prerequisite names a flag')
    expect(found.get('y')).toEqual({ skipped: [] })
    expect(found.get('z')).toEqual({ skipped: [] })
    expect(found.get('w')?.error).toContain('prerequisites: a list')
  })

  it('of an empty state finds nothing', () => {
    expect(check(stateWith({}), ['a'])).toEqual(new Map())
    expect(
      check(stateWith({ flag: { a: flagWhen({ segment: 's' }) } }), ['a']).get('a')?.skipped,
    ).toHaveLength(1)
  })
})

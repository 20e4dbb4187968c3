import { compile, explain, partOf } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { flag, flagWhen, membersOf, stateWith } from './rulesets.ts'

const requires = (key: string) => flag({ prerequisites: [{ flag: key, variants: ['on'] }] })
const state = stateWith({
  flag: {
    a: { ...(flagWhen({ segment: 's' }) as object), prerequisites: [{ flag: 'b', variants: ['on'] }] },
    b: requires('c'),
    c: flag(),
    other: flagWhen({ segment: 'u' }),
    broken: 'no flag',
  },
  segment: {
    s: { by: 'targetingKey', when: { any: [{ segment: 't' }, { segment: 'gone' }] } },
    t: { by: 'targetingKey', when: null },
    u: { by: 'targetingKey', when: null },
  },
  members: { ...membersOf('t', ['ann', 'bob'], []), ...membersOf('u', ['eve'], []) },
  kill: { c: { id: 'k1' } },
})
const keysIn = (flags: readonly string[], kind: string) =>
  [...(partOf(state, flags).entries.get(kind)?.keys() ?? [])].sort()

describe('the part of a state', () => {
  it('has what flags require and name, directly or through others, and nothing else', () => {
    expect(keysIn(['a'], 'flag')).toEqual(['a', 'b', 'c'])
    expect(keysIn(['a'], 'segment')).toEqual(['s', 't'])
    expect(keysIn(['a'], 'members')).toEqual(Object.keys(membersOf('t', ['ann', 'bob'], [])).sort())
    expect(keysIn(['c', 'unknown'], 'flag')).toEqual(['c'])
    expect(keysIn(['c', 'unknown'], 'segment')).toEqual([])
    expect(keysIn(['broken'], 'flag')).toEqual(['broken'])
    expect(keysIn(['other', 'c'], 'flag')).toEqual(['c', 'other'])
  })

  it('keeps its name, and is told as the whole would be', () => {
    const part = partOf(state, ['a'])
    expect(part).toMatchObject({ epoch: state.epoch, revision: state.revision })
    for (const key of ['a', 'b', 'c']) {
      const context = { targetingKey: 'ann' }
      expect(explain(compile(part), key, context, 0)).toEqual(explain(compile(state), key, context, 0))
    }
  })
})

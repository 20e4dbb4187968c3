import {
  apply,
  compareStates,
  diff,
  emptyState,
  entryDigest,
  type Kill,
  LIMITS,
  murmur3,
  RulesetError,
  rulesetOf,
  type State,
  stateOf,
  tagOf,
  withPending,
} from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { flag, rulesetWith, stateWith } from './rulesets.ts'

const kill = (id: string): Kill => ({ id, by: 'ann', at: '2026-01-01T00:00:00Z' })

describe('a state', () => {
  it('is read from a ruleset and written as one', () => {
    const ruleset = {
      ...rulesetWith({ flag: { a: flag() }, newer: { x: [1] } }, { a: [kill('k1')] }),
      endedKills: ['k0'],
    }
    const state = stateOf({ ...ruleset, unknown: 'field' })
    expect(JSON.parse(JSON.stringify(rulesetOf(state)))).toEqual(ruleset)
    expect(stateOf(rulesetOf(state))).toEqual(state)
  })

  it('keeps keys of any name', () => {
    const ruleset = JSON.parse(
      '{"__proto__":{"revision":1,"definition":1},"constructor":{"revision":1,"definition":2}}',
    )
    const state = stateOf({ ...rulesetWith({}), entries: { flag: ruleset }, digest: digestOfBoth() })
    expect([...(state.entries.get('flag')?.keys() ?? [])]).toEqual(['__proto__', 'constructor'])
    expect(Object.keys(rulesetOf(state).entries.flag ?? {})).toEqual(['__proto__', 'constructor'])
    function digestOfBoth(): number {
      return (entryDigest('flag', '__proto__', 1) + entryDigest('flag', 'constructor', 1)) % 2 ** 32
    }
  })

  it('has no kinds without entries', () => {
    expect(stateOf(rulesetWith({ flag: {} })).entries.size).toBe(0)
  })

  it('starts empty', () => {
    expect(emptyState('shop', 'production', 5)).toMatchObject({ epoch: 5, revision: 0, digest: 0 })
    expect(stateOf(rulesetOf(emptyState('shop', 'production', 5)))).toEqual(
      emptyState('shop', 'production', 5),
    )
  })

  it.each([
    [null, 'a ruleset is a JSON object'],
    ['<html>', 'a ruleset is a JSON object'],
    [[], 'a ruleset is a JSON object'],
    [{ schema: 2 }, 'schema is not 1, which this version reads: upgrade the SDK'],
    [{ bucketing: 'halyard-2' }, 'bucketing is not "halyard-1": upgrade the SDK'],
    [{ project: 1 }, 'project: a string'],
    [{ environment: undefined }, 'environment: a string'],
    [{ epoch: -1 }, 'epoch: an integer'],
    [{ revision: '1' }, 'revision: an integer'],
    [{ revision: 2 ** 53 }, 'revision: an integer'],
    [{ endedKills: {} }, 'endedKills: a list'],
    [{ endedKills: [1] }, 'endedKills: a list'],
    [{ entries: [] }, 'entries: an object'],
    [{ entries: { flag: [] } }, 'entries of kind "flag": an object'],
    [{ entries: { flag: { a: 1 } } }, 'entry "flag/a"'],
    [{ entries: { flag: { a: { revision: 2, definition: {} } } } }, 'entry "flag/a"'],
    [{ entries: { flag: { a: { revision: 'x', definition: {} } } } }, 'entry "flag/a"'],
    [{ entries: { flag: { a: { revision: 1 } } } }, 'entry "flag/a"'],
    [{ entries: { flag: { a: { revision: 1, definition: null } } } }, 'entry "flag/a"'],
    [{ digest: 7 }, 'the digest does not hold'],
    [{ digest: undefined }, 'the digest does not hold'],
    [{ pending: undefined }, 'pending: an object'],
    [{ pending: { a: {} } }, 'pending kills of "a"'],
    [{ pending: { a: [{}] } }, 'pending kills of "a"'],
    [{ pending: { a: [null] } }, 'pending kills of "a"'],
  ])('is not read from %j', (fields, why) => {
    const whole = fields !== null && typeof fields === 'object' && !Array.isArray(fields)
    const read = (): State => stateOf(whole ? { ...rulesetWith({ flag: { a: flag() } }), ...fields } : fields)
    expect(read).toThrow(RulesetError)
    expect(read).toThrow(why)
  })

  it('is ordered by epoch, then by revision', () => {
    expect(compareStates({ epoch: 1, revision: 9 }, { epoch: 2, revision: 1 })).toBeLessThan(0)
    expect(compareStates({ epoch: 2, revision: 2 }, { epoch: 2, revision: 1 })).toBeGreaterThan(0)
    expect(compareStates({ epoch: 2, revision: 2 }, { epoch: 2, revision: 2 })).toBe(0)
  })
})

describe('the state tag', () => {
  it('is epoch and revision, and a hash of the pending kills where there are any', () => {
    const state = stateWith({ flag: {} })
    expect(tagOf(state)).toBe('1700000000-1')
    const hash = murmur3('k1,k10,k2', 0).toString(16).padStart(8, '0')
    const pending = { b: [kill('k2'), kill('k10')], a: [kill('k1')] }
    expect(tagOf(withPending(state, pending, []))).toBe(`1700000000-1+${hash}`)
  })
})

describe('a pending kill', () => {
  const ids = (state: State, key = 'a'): string[] | undefined => state.pending.get(key)?.map(({ id }) => id)
  const state = stateWith({ flag: { a: flag() } }, { a: [kill('k1')] })

  /** The state after a log's change of one kill entry. */
  function reached(before: State, id: string | null): State {
    const entries = new Map(before.entries)
    const revision = before.revision + 1
    entries.delete('kill')
    if (id !== null) entries.set('kill', new Map([['a', { revision, definition: kill(id) as never }]]))
    const target = stateOf({
      ...rulesetOf({ ...before, pending: new Map(), entries, revision }),
      digest: [...entries]
        .flatMap(([kind, of]) => [...of].map(([key, e]) => entryDigest(kind, key, e.revision)))
        .reduce((a, b) => (a + b) % 2 ** 32, 0),
    })
    const next = apply(before, diff(before, target))
    if ('refused' in next) throw new Error(next.refused)
    return next
  }

  it('stays until the log settles it, whoever has not heard of it', () => {
    expect(ids(withPending(state, {}, []))).toEqual(['k1'])
    expect(ids(withPending(state, { a: [kill('k1'), kill('k2')], b: [kill('k3')] }, []))).toEqual([
      'k1',
      'k2',
    ])
    expect(ids(withPending(state, { b: [kill('k3')] }, []), 'b')).toEqual(['k3'])
  })

  it('is dropped when it ended', () => {
    const ended = withPending(state, {}, ['k1'])
    expect(ended.pending.size).toBe(0)
    expect(withPending(ended, { a: [kill('k1')] }, []).pending.size).toBe(0)
    expect([...ended.endedKills]).toEqual(['k1'])
  })

  it('is dropped when a delta applies it, and does not come back when the kill is taken away', () => {
    const applied = reached(state, 'k1')
    expect(applied.pending.size).toBe(0)
    const over = reached(applied, null)
    expect(over.pending.size).toBe(0)
    expect(withPending(over, { a: [kill('k1')] }, []).pending.size).toBe(0)
  })

  it('stays when a delta applies another kill', () => {
    expect(ids(reached(state, 'k9'))).toEqual(['k1'])
    expect(reached(reached(state, 'k9'), 'k8').endedKills).toEqual(new Set(['k9']))
  })

  it('is settled by a kill that takes it up, and ends with that', () => {
    const taken = stateWith(
      { kill: { a: { ...kill('k9'), also: [kill('k1'), 'x'] } } },
      { a: [kill('k1'), kill('k2')] },
    )
    expect(ids(taken)).toEqual(['k2'])
    expect(reached(taken, null).endedKills).toEqual(new Set(['k9', 'k1']))
  })

  it('settles nothing by an entry that is no kill', () => {
    const odd = stateWith({ kill: { a: 'x', b: { id: 7 } } }, { a: [kill('k1')] })
    expect(ids(odd)).toEqual(['k1'])
    expect(reached(odd, null).endedKills.size).toBe(0)
  })

  it('that ended is remembered, the oldest only so long', () => {
    const many = Array.from({ length: LIMITS.endedKills + 5 }, (_, i) => `k${i}`)
    const full = withPending(stateWith({}), {}, many)
    expect(full.endedKills.size).toBe(LIMITS.endedKills)
    expect(full.endedKills.has('k4')).toBe(false)
    expect(full.endedKills.has('k5')).toBe(true)
    expect(withPending(full, {}, ['k9']).endedKills).toBe(full.endedKills)
  })
})

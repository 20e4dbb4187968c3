import {
  advance,
  apply,
  type Compiled,
  type Context,
  compile,
  type Delta,
  diff,
  digestOf,
  type Entry,
  evaluate,
  type State,
} from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { type Documents, flag, flagWhen, membersOf, stateWith } from './rulesets.ts'

const pro = { attribute: 'plan', op: 'in', values: ['pro'] }
const inBeta = { segment: 'beta' }

/** The next state of a log, with these documents written at the next revision; null removes one. */
function edited(state: State, documents: Documents): State {
  const revision = state.revision + 1
  const entries = new Map([...state.entries].map(([kind, ofKind]) => [kind, new Map<string, Entry>(ofKind)]))
  for (const [kind, ofKind] of Object.entries(documents)) {
    const map = entries.get(kind) ?? new Map<string, Entry>()
    for (const [key, definition] of Object.entries(ofKind)) {
      if (definition === null) map.delete(key)
      else map.set(key, { revision, definition: definition as never })
    }
    entries.set(kind, map)
  }
  return { ...state, revision, entries, digest: digestOf(entries) }
}

/** Advances by a delta, and makes sure that comparing the states, and starting afresh, come to the same. */
function advanced(compiled: Compiled, documents: Documents): Compiled {
  const next = edited(compiled.state, documents)
  const delta = diff(compiled.state, next)
  const byDelta = advance(compiled, next, delta)
  for (const other of [
    advance(compiled, next),
    compile(next),
    advance(compiled, next, { ...delta, base: 99 } as Delta),
  ]) {
    expect(known(byDelta)).toEqual(known(other))
  }
  return byDelta
}

function known({ state, reads, instants, flags }: Compiled): unknown {
  const all = [...flags.values()].map(({ key, version, killed, dated, error, skipped }) => ({
    key,
    version,
    killed,
    dated,
    error,
    skipped,
  }))
  return { revision: state.revision, reads, instants, flags: all.sort((a, b) => (a.key < b.key ? -1 : 1)) }
}

const decide = (compiled: Compiled, key: string, context: Context = {}): string | undefined => {
  const { variant, errorCode, metadata } = evaluate(compiled, key, context, 0)
  return metadata.killed ? 'killed' : (errorCode ?? variant)
}

describe('advancing', () => {
  it('compiles what changed, and keeps all else as it is', () => {
    const before = compile(stateWith({ flag: { a: flagWhen(pro), b: flag() } }))
    const next = advanced(before, { flag: { b: flagWhen({ attribute: 'email', op: 'exists' }), c: flag() } })
    expect(next.flags.get('a')).toBe(before.flags.get('a'))
    expect(decide(next, 'b', { email: 'x' })).toBe('on')
    expect(decide(next, 'c')).toBe('off')
    expect(next.reads).toEqual(['email', 'plan'])
    expect(decide(before, 'b', { email: 'x' })).toBe('off')
    expect(decide(advanced(next, { flag: { a: null } }), 'a')).toBe('FLAG_NOT_FOUND')
  })

  it('compiles nothing where nothing changed', () => {
    const before = compile(stateWith({ flag: { a: flagWhen(pro) }, segment: { beta: {} } }))
    const again = advance(before, stateWith({ flag: { a: flagWhen(pro) }, segment: { beta: {} } }))
    expect(again.flags.get('a')).toBe(before.flags.get('a'))
    expect(again.segments).toBe(before.segments)
    expect(again.reads).toBe(before.reads)
  })

  it('hears of a kind that is gone as a whole', () => {
    const before = compile(stateWith({ flag: { a: flag() }, kill: { a: { id: 'k1' } } }))
    const next = advance(before, { ...stateWith({ flag: { a: flag() } }), revision: 2 })
    expect([decide(before, 'a'), decide(next, 'a')]).toEqual(['killed', 'off'])
  })

  it('compiles everything anew in a new epoch', () => {
    const before = compile(stateWith({ flag: { a: flag() } }))
    const restored = { ...stateWith({ flag: { a: flagWhen(pro) } }), epoch: before.state.epoch + 1 }
    expect(decide(advance(before, restored), 'a', { plan: 'pro' })).toBe('on')
  })

  it('kills and un-kills, and tells the flags that require it', () => {
    const requires = { prerequisites: [{ flag: 'a', variants: ['on'] }], fallthrough: { variant: 'on' } }
    const before = compile(
      stateWith({ flag: { a: flag({ fallthrough: { variant: 'on' } }), b: flag(requires) } }),
    )
    const killed = advanced(before, { kill: { a: { id: 'k1' } } })
    expect([decide(killed, 'a'), decide(killed, 'b')]).toEqual(['killed', 'off'])
    const back = advanced(killed, { kill: { a: null } })
    expect([decide(back, 'a'), decide(back, 'b')]).toEqual(['on', 'on'])
  })

  it('hears of pending kills, which have no revision', () => {
    const before = compile(stateWith({ flag: { a: flag({ fallthrough: { variant: 'on' } }) } }))
    const pending = new Map([['a', [{ id: 'k1', by: 'ann', at: 'x' }]]])
    const killed = advance(before, { ...before.state, pending })
    expect(decide(killed, 'a')).toBe('killed')
    expect(decide(advance(killed, { ...killed.state, pending: new Map(pending) }), 'a')).toBe('killed')
    expect(decide(advance(killed, before.state), 'a')).toBe('on')
  })

  it('compiles no flag for a member, and one chunk of the members', () => {
    const members = membersOf(
      'beta',
      Array.from({ length: 2_000 }, (_, i) => `user-${i}`),
    )
    const before = compile(
      stateWith({ flag: { a: flagWhen(inBeta) }, segment: { beta: { when: null } }, members }),
    )
    const [name, chunk] = Object.entries(membersOf('beta', ['ann']))[0]!
    const grown = { ...chunk, included: [...(members[name]?.included ?? []), 'ann'] }
    const next = advanced(before, { members: { [name]: grown } })
    expect(decide(before, 'a', { targetingKey: 'ann' })).toBe('off')
    expect(decide(next, 'a', { targetingKey: 'ann' })).toBe('on')
    expect(decide(next, 'a', { targetingKey: 'user-7' })).toBe('on')
    expect(next.flags.get('a')).toBe(before.flags.get('a'))
    const [old, now] = [
      before.segments.get('beta')!.chunks.byIndex,
      next.segments.get('beta')!.chunks.byIndex,
    ]
    expect(now.filter((chunk, i) => chunk !== old[i])).toHaveLength(1)
    expect(decide(advanced(next, { members: { [name]: null } }), 'a', { targetingKey: 'ann' })).toBe('off')
  })

  it('compiles the flags that name a segment, directly or not, when it changes', () => {
    const before = compile(
      stateWith({
        flag: { a: flagWhen({ segment: 'outer' }), b: flagWhen(pro), c: flagWhen(inBeta), d: 'broken' },
        segment: { outer: { when: inBeta }, beta: { when: null } },
      }),
    )
    const changed = advanced(before, { segment: { beta: { when: { attribute: 'vip', op: 'exists' } } } })
    expect(decide(changed, 'a', { vip: 1 })).toBe('on')
    expect(changed.reads).toEqual(['plan', 'targetingKey', 'vip'])
    expect(changed.flags.get('b')).toBe(before.flags.get('b'))
    const gone = advanced(changed, { segment: { beta: null } })
    expect(gone.flags.get('a')?.skipped).toHaveLength(1)
    expect(decide(gone, 'a', { vip: 1 })).toBe('off')
    const broken = advanced(gone, { segment: { beta: { when: 'newer' } } })
    expect(broken.flags.get('a')?.skipped[0]?.why).toContain('a condition is an object')
    expect(decide(advanced(broken, { segment: { beta: { when: pro } } }), 'a', { plan: 'pro' })).toBe('on')
  })

  it('skips rules for a broken chunk of members, and takes them up again', () => {
    const before = compile(
      stateWith({ flag: { a: flagWhen({ not: inBeta }) }, segment: { beta: { when: null } } }),
    )
    const broken = advanced(before, { members: { 'beta/00': 'x', 'beta/01': 'y' } })
    expect(broken.flags.get('a')?.skipped).toHaveLength(1)
    const better = advanced(broken, { members: { 'beta/00': null } })
    expect(better.flags.get('a')?.skipped).toHaveLength(1)
    expect(advanced(better, { members: { 'beta/01': null } }).flags.get('a')?.skipped).toEqual([])
  })

  it('finds the members of a segment that comes after them', () => {
    const before = compile(stateWith({ flag: { a: flagWhen(inBeta) }, members: membersOf('beta', ['ann']) }))
    expect(decide(before, 'a', { targetingKey: 'ann' })).toBe('off')
    expect(
      decide(advanced(before, { segment: { beta: { when: null } } }), 'a', { targetingKey: 'ann' }),
    ).toBe('on')
  })

  it('finds circles that a change closes, and those that it opens', () => {
    const requires = (key: string): unknown => flag({ prerequisites: [{ flag: key, variants: ['on'] }] })
    const before = compile(stateWith({ flag: { a: requires('b'), b: requires('c'), c: flag() } }))
    const closed = advanced(before, { flag: { c: requires('a') } })
    expect(['a', 'b', 'c'].map((key) => decide(closed, key))).toEqual(Array(3).fill('PARSE_ERROR'))
    const opened = advanced(closed, { flag: { c: flag() } })
    expect(['a', 'b', 'c'].map((key) => decide(opened, key))).toEqual(['off', 'off', 'off'])
  })

  it('hears of dates in what a flag requires', () => {
    const requires = flag({ prerequisites: [{ flag: 'b', variants: ['on'] }] })
    const before = compile(stateWith({ flag: { a: requires, b: flag() } }))
    const next = advanced(before, { flag: { b: flagWhen({ attribute: '$now', op: 'after', values: [5] }) } })
    expect(next.flags.get('a')?.dated).toBe(true)
    expect(next.instants).toEqual([6])
  })

  it('follows the deltas that are applied', () => {
    const start = compile(stateWith({ flag: { a: flag() } }))
    const delta = diff(start.state, edited(start.state, { flag: { a: flagWhen(pro) } }))
    const state = apply(start.state, delta)
    if ('refused' in state) throw new Error(state.refused)
    expect(decide(advance(start, state, delta), 'a', { plan: 'pro' })).toBe('on')
  })

  it('keeps kinds that it does not know out of the way', () => {
    const before = compile(stateWith({ flag: { a: flag() } }))
    expect(advanced(before, { newer: { x: 1 } }).flags.get('a')).toBe(before.flags.get('a'))
  })
})

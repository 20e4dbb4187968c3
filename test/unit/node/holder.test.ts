import { compareStates, diff, type Kill, rulesetOf, type State, tagOf } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createHolder, type Held } from '../../../sdk/node/holder.ts'
import { booleanFlag, deltaOf, edit, environment } from './rulesets.ts'

const one = environment({ a: booleanFlag(true) })
const two = edit(one, [{ key: 'a', definition: booleanFlag(false) }])
const kill = (id: string): Kill => ({ id, by: 'anna', at: '2026-01-01T00:00:00Z' })

function holding(...states: [State, Held['source']][]) {
  let now = 0
  const swaps: string[] = []
  const holder = createHolder(
    () => now,
    ({ state }) => swaps.push(tagOf(state)),
  )
  for (const [state, source] of states) holder.offer(state, source)
  return { ...holder, swaps, pass: (ms: number) => (now += ms) }
}

describe('what is offered', () => {
  test.each<[string, State, Held['source'], State, Held['source'], string, number]>([
    ['a newer state is taken', one, 'poll', two, 'poll', 'taken', 2],
    ['an older one is not', two, 'poll', one, 'poll', 'older', 2],
    [
      'a higher epoch is taken with a lower revision',
      two,
      'poll',
      { ...one, epoch: 1_001 },
      'poll',
      'taken',
      1,
    ],
    ['a lower epoch is not', one, 'poll', { ...two, epoch: 999 }, 'poll', 'older', 1],
    ['another environment’s is not', one, 'poll', { ...two, environment: 'other' }, 'poll', 'foreign', 1],
    [
      'the server’s environment goes before the cache’s',
      two,
      'cache',
      { ...one, environment: 'other' },
      'poll',
      'taken',
      1,
    ],
    [
      'the cache’s environment goes before the bootstrap’s',
      two,
      'bootstrap',
      { ...one, environment: 'other' },
      'cache',
      'taken',
      1,
    ],
    [
      'the server’s history goes before the bootstrap’s',
      { ...two, epoch: 5_000 },
      'bootstrap',
      one,
      'poll',
      'taken',
      1,
    ],
    ['within one history a newer bootstrap stays', two, 'bootstrap', one, 'poll', 'older', 2],
    ['a newer cache stays', { ...two, epoch: 5_000 }, 'cache', one, 'poll', 'older', 2],
    ['a cache that comes late is not taken', two, 'poll', one, 'cache', 'older', 2],
  ])('%s', (_, held, from, next, source, offered, revision) => {
    const holder = holding([held, from])
    expect(holder.offer(next, source)).toBe(offered)
    expect(holder.held()?.state.revision).toBe(revision)
  })

  test('the state that is held is confirmed by the server, and not unconfirmed by a file', () => {
    const holder = holding([one, 'cache'])
    holder.pass(50)
    expect(holder.offer(one, 'poll')).toBe('current')
    expect(holder.held()).toMatchObject({ source: 'poll', confirmedAt: 50 })
    expect(holder.offer(one, 'cache', 7)).toBe('current')
    expect(holder.held()).toMatchObject({ source: 'poll', confirmedAt: 50 })
    expect(holder.swaps).toEqual(['1000-1'])
  })
})

describe('pending kills', () => {
  const pending = { a: [kill('k1')] }
  test('of a server that says nothing of them stay', () => {
    const holder = holding([one, 'poll'])
    holder.pend(pending, [])
    expect(holder.offer(one, 'poll')).toBe('current')
    expect(holder.offer(two, 'poll')).toBe('taken')
    expect(holder.held()?.state.pending.get('a')).toEqual([kill('k1')])
  })
  test('that the same state brings are taken', () => {
    const holder = holding([one, 'poll'])
    expect(holder.offer({ ...one, pending: new Map([['a', [kill('k1')]]]) }, 'poll')).toBe('current')
    expect(holder.held()?.compiled.flags.get('a')?.killed).toBe(true)
  })
  test('end when the log has them, and when it names them as ended', () => {
    const holder = holding([one, 'poll'])
    holder.pend(pending, [])
    holder.step(deltaOf(one, [{ kind: 'kill', key: 'a', definition: kill('k1') }]))
    expect(holder.held()?.state.pending.size).toBe(0)
    expect(holder.held()?.compiled.flags.get('a')?.killed).toBe(true)
    const other = holding([one, 'poll'])
    other.pend(pending, [])
    other.pend({}, ['k1'])
    expect(other.held()?.state.pending.size).toBe(0)
  })
  test('said again are no news', () => {
    const holder = holding([one, 'poll'])
    holder.pend(pending, [])
    holder.pend(pending, [])
    expect(holder.swaps).toHaveLength(2)
  })
  test('before there is a state say nothing', () => {
    const holder = holding()
    holder.pend(pending, [])
    expect(holder.held()).toBeUndefined()
  })
})

describe('a delta', () => {
  test.each<[string, (state: State) => unknown, string]>([
    ['that leads on is taken', (state) => deltaOf(state, []), 'taken'],
    ['of another base is behind', (state) => ({ ...deltaOf(state, []), base: 7, revision: 8 }), 'behind'],
    ['of a higher epoch is behind', (state) => ({ ...deltaOf(state, []), epoch: 2_000 }), 'behind'],
    ['of a lower epoch is older', (state) => ({ ...deltaOf(state, []), epoch: 5 }), 'older'],
    [
      'that is held already is current',
      (state) => ({ ...deltaOf(state, []), revision: 1, base: 0 }),
      'current',
    ],
    ['with another digest is damaged', (state) => ({ ...deltaOf(state, []), digest: 5 }), 'damaged'],
    ['without a shape is damaged', () => ({}), 'damaged'],
  ])('%s', (_, delta, stepped) => {
    const holder = holding([one, 'poll'])
    expect(holder.step(delta(one) as never)).toBe(stepped)
  })
  test('before there is a state asks for one', () => {
    expect(holding().step(deltaOf(one, []))).toBe('behind')
  })
})

test('whatever is offered in whatever order, the held state never goes backwards, and is what was offered', () => {
  const history = [one]
  for (let revision = 2; revision < 9; revision++) {
    history.push(
      edit(history.at(-1) ?? one, [{ key: `f${revision % 3}`, definition: booleanFlag(revision % 2 === 0) }]),
    )
  }
  const next = history.map((state) => ({ ...state, epoch: 2_000 }))
  const states = [...history, ...next]
  const state = fc.constantFrom(...states)
  const step = fc.oneof(
    state.map((offered) => ({ offered })),
    fc
      .tuple(fc.constantFrom(history, next), fc.nat(7), fc.nat(7))
      .filter(([, from, to]) => from < to)
      .map(([log, from, to]) => ({ delta: diff(log[from] as State, log[to] as State) })),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const holder = holding()
      let before: State | undefined
      for (const taken of steps) {
        if ('offered' in taken) holder.offer(taken.offered, 'poll')
        else holder.step(taken.delta)
        const held = holder.held()?.state
        if (held === undefined) continue
        if (before !== undefined) expect(compareStates(held, before)).toBeGreaterThanOrEqual(0)
        const known = states.find(({ epoch, revision }) => epoch === held.epoch && revision === held.revision)
        expect(rulesetOf(held)).toEqual(rulesetOf(known ?? one))
        before = held
      }
    }),
  )
})

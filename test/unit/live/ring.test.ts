import { apply, type Delta, diff, type State } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRing } from '../../../server/live/ring.ts'
import { edited, started } from './support.ts'

const MOST = 256 * 1024

function history(edits: readonly Readonly<Record<string, string | null>>[]): State[] {
  const states = [started()]
  for (const edit of edits) states.push(edited(states.at(-1) as State, edit))
  return states
}

function filled(states: readonly State[], ring = createRing()) {
  for (let at = 1; at < states.length; at++) ring.append('env_1', diff(states[at - 1]!, states[at]!))
  return ring
}

describe('the ring of deltas', () => {
  it('answers any revision that it reaches with one delta that leads to the newest state', () => {
    const edit = fc.dictionary(
      fc.constantFrom('flag/a', 'flag/b', 'segment/a', 'kill/a', 'odd/x'),
      fc.option(fc.string()),
    )
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 12 }), fc.nat(), (edits, pick) => {
        const states = history(edits)
        const from = states[pick % (states.length - 1)]!
        const text = filled(states).merged('env_1', from, MOST)
        const next = apply(from, JSON.parse(text as string) as Delta)
        expect('refused' in next ? next.refused : next.entries).toEqual(states.at(-1)?.entries)
      }),
    )
  })

  it('needs no delta that begins at the revision asked for', () => {
    const states = history([{ 'flag/a': '1' }, { 'flag/b': '1' }, { 'flag/a': null }, { 'flag/c': '1' }])
    const ring = createRing()
    // As the store reads it: what was written and is gone again is named as gone.
    const gone = { kind: 'flag', key: 'a', revision: states[3]!.revision, definition: null }
    const caughtUp = diff(states[0]!, states[3]!)
    ring.append('env_1', { ...caughtUp, entries: [...caughtUp.entries, gone] })
    ring.append('env_1', diff(states[3]!, states[4]!))
    const next = apply(states[2]!, JSON.parse(ring.merged('env_1', states[2]!, MOST) as string))
    expect(next).toMatchObject({ revision: states[4]!.revision, entries: states[4]!.entries })
  })

  it('carries an entry once, as it is now', () => {
    const states = history([{ 'flag/a': '1' }, { 'flag/a': '2' }, { 'flag/a': '3' }])
    const delta = JSON.parse(filled(states).merged('env_1', states[0]!, MOST) as string) as Delta
    expect(delta.entries).toEqual([{ kind: 'flag', key: 'a', revision: 4, definition: '3' }])
  })

  it('does not reach a revision from before it began, of another epoch, or that is the newest', () => {
    const states = history([{ 'flag/a': '1' }, { 'flag/a': '2' }])
    const ring = filled(states)
    expect(ring.merged('env_1', { ...states[0]!, revision: 0 }, MOST)).toBeUndefined()
    expect(ring.merged('env_1', { ...states[0]!, epoch: 7 }, MOST)).toBeUndefined()
    expect(ring.merged('env_1', states[2]!, MOST)).toBeUndefined()
    expect(ring.merged('env_2', states[0]!, MOST)).toBeUndefined()
  })

  it('starts afresh where a delta does not follow the one before', () => {
    const states = history([{ 'flag/a': '1' }, { 'flag/a': '2' }, { 'flag/a': '3' }])
    const ring = createRing()
    ring.append('env_1', diff(states[0]!, states[1]!))
    ring.append('env_1', diff(states[2]!, states[3]!))
    expect(ring.merged('env_1', states[0]!, MOST)).toBeUndefined()
    expect(ring.merged('env_1', states[2]!, MOST)).toContain('"base":3')
  })

  it('says where a delta would be too large', () => {
    const states = history([{ 'flag/a': 'x'.repeat(1000) }])
    expect(filled(states).merged('env_1', states[0]!, 500)).toBe('too-large')
  })

  it('forgets the oldest beyond its count and its bytes', () => {
    const states = history([{ 'flag/a': '1' }, { 'flag/a': '2' }, { 'flag/a': '3' }])
    const few = filled(states, createRing({ links: 2, bytes: MOST, allBytes: MOST }))
    expect(few.merged('env_1', states[0]!, MOST)).toBeUndefined()
    expect(few.merged('env_1', states[1]!, MOST)).toBeDefined()
    const none = filled(states, createRing({ links: 9, bytes: 10, allBytes: MOST }))
    expect(none.merged('env_1', states[2]!, MOST)).toBeUndefined()
    expect(none.bytes).toBe(0)
  })

  it('forgets the environment that changed longest ago beyond the bytes of all', () => {
    const states = history([{ 'flag/a': 'x'.repeat(500) }])
    const delta = diff(states[0]!, states[1]!)
    const ring = createRing({ links: 9, bytes: 2000, allBytes: 2500 })
    for (const environment of ['env_1', 'env_2', 'env_3']) ring.append(environment, delta)
    expect(ring.merged('env_1', states[0]!, MOST)).toBeUndefined()
    expect(ring.merged('env_3', states[0]!, MOST)).toBeDefined()
    ring.clear('env_2')
    ring.clear('env_3')
    expect(ring.bytes).toBe(0)
  })
})

import {
  apply,
  type Delta,
  diff,
  digestOf,
  emptyState,
  entryDigest,
  entryOf,
  type State,
} from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { stateWith } from './rulesets.ts'

const EPOCH = 1_700_000_000
const base = stateWith({ flag: { a: { v: 1 }, b: { v: 1 } }, newer: { x: 1 } })

/** The next state, with these documents written (null: removed) at revision 2. */
function written(edits: { [kind: string]: { [key: string]: unknown } }): Delta {
  const entries = Object.entries(edits).flatMap(([kind, ofKind]) =>
    Object.entries(ofKind).map(([key, definition]) => ({
      kind,
      key,
      revision: 2,
      definition: definition as never,
    })),
  )
  let digest = base.digest
  for (const { kind, key, definition } of entries) {
    const before = entryOf(base, kind, key)
    digest += definition === null ? 0 : entryDigest(kind, key, 2)
    digest -= before === undefined ? 0 : entryDigest(kind, key, before.revision)
  }
  return { epoch: EPOCH, base: 1, revision: 2, entries, digest: ((digest % 2 ** 32) + 2 ** 32) % 2 ** 32 }
}

const applied = (delta: Delta): State => {
  const state = apply(base, delta)
  if ('refused' in state) throw new Error(state.refused)
  return state
}

describe('a delta', () => {
  it('writes, adds and removes entries, and leaves the state that it was applied to', () => {
    const next = applied(written({ flag: { a: { v: 2 }, b: null, c: { v: 1 } }, newer: { x: null } }))
    expect(next.revision).toBe(2)
    expect([...next.entries.keys()]).toEqual(['flag'])
    expect(entryOf(next, 'flag', 'a')).toEqual({ revision: 2, definition: { v: 2 } })
    expect(entryOf(next, 'flag', 'b')).toBeUndefined()
    expect(entryOf(next, 'flag', 'c')?.revision).toBe(2)
    expect(next.digest).toBe(digestOf(next.entries))
    expect(base.revision).toBe(1)
    expect(entryOf(base, 'flag', 'b')?.definition).toEqual({ v: 1 })
  })

  it('copies only the kinds that change', () => {
    const next = applied(written({ flag: { a: { v: 2 } } }))
    expect(next.entries.get('newer')).toBe(base.entries.get('newer'))
    expect(next.entries.get('flag')).not.toBe(base.entries.get('flag'))
  })

  it('may remove what is not there, and be the first of its log', () => {
    expect(applied(written({ flag: { gone: null } })).digest).toBe(base.digest)
    const empty = emptyState('shop', 'production', EPOCH)
    const first = diff(empty, base)
    expect(apply(empty, first)).toEqual(base)
  })

  it('is what is different between two states', () => {
    const delta = written({
      flag: { a: { v: 2 }, b: null, c: { v: 1 } },
      newer: { x: null },
      segment: { s: {} },
    })
    const next = applied(delta)
    const found = diff(base, next)
    expect(found.entries).toHaveLength(5)
    expect(found.entries).toEqual(expect.arrayContaining([...delta.entries]))
    expect(apply(base, found)).toEqual(next)
    expect(diff(next, next).entries).toEqual([])
  })

  it('is refused where it starts elsewhere, belongs to another epoch or does not lead to its digest', () => {
    const delta = written({ flag: { a: { v: 2 } } })
    expect(apply(base, { ...delta, base: 0 })).toEqual({ refused: 'base' })
    expect(apply(base, { ...delta, epoch: EPOCH + 1 })).toEqual({ refused: 'epoch' })
    expect(apply(base, { ...delta, digest: (delta.digest + 1) % 2 ** 32 })).toEqual({ refused: 'digest' })
    expect(() => diff(base, { ...base, epoch: EPOCH + 1 })).toThrow('stays within one epoch')
  })

  it.each([
    [null],
    ['x'],
    [[]],
    [{}],
    [{ epoch: 'x' }],
    [{ base: -1 }],
    [{ revision: 1 }],
    [{ revision: 1.5 }],
    [{ digest: undefined }],
    [{ entries: {} }],
    [{ entries: [null] }],
    [{ entries: [{ kind: 1 }] }],
    [{ entries: [{ key: 1 }] }],
    [{ entries: [{ revision: 'x' }] }],
    [{ entries: [{ revision: 1 }] }],
    [{ entries: [{ revision: 3 }] }],
    [{ entries: [{ definition: undefined }] }],
  ])('is refused as malformed: %j', (fields) => {
    const delta = written({ flag: { a: { v: 2 } } })
    const { entries = delta.entries } = (fields ?? {}) as { entries?: unknown }
    const spoilt = Array.isArray(entries)
      ? entries.map((entry) => (entry === null ? null : { ...delta.entries[0], ...entry }))
      : entries
    const whole =
      fields !== null &&
      typeof fields === 'object' &&
      !Array.isArray(fields) &&
      Object.keys(fields).length > 0
    expect(apply(base, (whole ? { ...delta, ...fields, entries: spoilt } : fields) as never)).toEqual({
      refused: 'malformed',
    })
  })
})

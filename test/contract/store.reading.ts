/** The store's contract: what is read is what was written, whole and in one snapshot. */
import { apply, emptyState, entryDigest, type Json, type State } from '@halyard/sdk/core'
import { expect, it } from 'vitest'
import type { LogId } from '../../server/domain/change.ts'
import {
  ANN,
  edit,
  flag,
  increment,
  loadOne,
  NOW,
  openEnvironment,
  type Subject,
  write,
} from './store.support.ts'

const digestOf = (state: State): number => {
  let sum = 0
  for (const [kind, entries] of state.entries) {
    for (const [key, { revision }] of entries) sum = (sum + entryDigest(kind, key, revision)) % 2 ** 32
  }
  return sum
}

export function reading(subject: () => Subject): void {
  it('lists the heads of open logs, the system log among them', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1))
    const heads = await store.heads()
    expect(heads.find((head) => head.log === log)).toMatchObject({ kind: 'environment', revision: 2 })
    expect(heads.find((head) => head.log === 'system')).toMatchObject({ kind: 'system', parent: null })
  })

  it('loads several logs at once, and leaves out those that are not there', async () => {
    const { store } = subject()
    const first = await openEnvironment(store)
    const second = await openEnvironment(store)
    await write(store, second, flag('a', 1))
    const loaded = await store.load([first, 'env_unknown', second])
    expect(new Set(loaded.map(({ log }) => log))).toEqual(new Set([first, second]))
    expect(loaded.find(({ log }) => log === first)?.state.entries.size).toBe(0)
    expect(await store.load([])).toEqual([])
  })

  it('says who wrote each current entry, and when', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const bob = { kind: 'api-key', id: 'bob', name: 'Bob' } as const
    await write(store, log, flag('a', 1), flag('b', 1))
    await store.commit({ scope: { path: [log] }, actor: bob, edit: edit(log, flag('b', 2)) })
    await write(store, log, flag('a', 2))
    const { provenance } = await loadOne(store, log)
    // Revision 2 wrote nothing that is still current.
    expect([...provenance]).toEqual(
      expect.arrayContaining([
        [3, { at: NOW, by: bob }],
        [4, { at: NOW, by: ANN }],
      ]),
    )
    expect(provenance.size).toBe(2)
  })

  it('merges what is newer than a held state into one delta', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('kept', 1), flag('changed', 1), flag('removed', 1))
    const held = await loadOne(store, log)
    expect(await store.newer(log, held)).toEqual({ kind: 'current' })

    await write(store, log, flag('changed', 2), flag('added', 1))
    await write(store, log, flag('changed', 3), flag('removed', null), flag('passing', 1))
    await write(store, log, flag('passing', null))

    const newer = await store.newer(log, held)
    if (newer.kind !== 'delta') throw new Error(newer.kind)
    expect(newer.delta).toMatchObject({ base: 2, revision: 5 })
    const now = await loadOne(store, log)
    expect(apply(held.state, newer.delta)).toEqual(now.state)
    for (const [revision, who] of now.provenance) {
      if (revision > held.revision) expect(newer.provenance.get(revision)).toEqual(who)
    }
  })

  it('sends the whole log to a reader of another epoch, and to one that is ahead', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1))
    const held = await loadOne(store, log)
    for (const since of [
      { epoch: held.epoch - 1, revision: 2 },
      { epoch: held.epoch, revision: 3 },
    ]) {
      expect(await store.newer(log, since)).toEqual({ kind: 'reload', loaded: held })
    }
    expect(await store.newer('env_unknown', held)).toEqual({ kind: 'missing' })
  })

  it('loads states that are whole while editors write', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    let state: State = emptyState('shop', 'production', (await loadOne(store, log)).epoch)
    const both = (n: number) => write(store, log, flag('left', n), flag('right', n))
    let writing = true
    const writer = (async () => {
      for (let n = 1; n <= 25; n++) await both(n)
      writing = false
    })()
    while (writing) {
      // The embedded database answers without leaving this turn of the event loop: let the writer in.
      await new Promise(setImmediate)
      const { state: seen } = await loadOne(store, log)
      const flags = seen.entries.get('flag')
      expect(flags?.get('left')?.definition).toBe(flags?.get('right')?.definition)
      expect(digestOf(seen)).toBe(seen.digest)
      expect(seen.revision).toBeGreaterThanOrEqual(state.revision)
      const newer = await store.newer(log, seen)
      state = newer.kind === 'delta' ? (apply(seen, newer.delta) as State) : seen
      expect(digestOf(state)).toBe(state.digest)
    }
    await writer
  })

  it('keeps documents as canonical JSON, byte for byte', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    const cases: [Json, string][] = [
      [{ b: 1, a: { d: 1, c: [] } }, '{"a":{"c":[],"d":1},"b":1}'],
      [[1e21, 1e-7, -0, 0.1, 123456789012345680000], '[1e+21,1e-7,0,0.1,123456789012345680000]'],
      [
        'nul \u0000, quote ", backslash \\, del \u007f',
        '"nul \\u0000, quote \\", backslash \\\\, del \u007f"',
      ],
      ['€ 😀 é e\u0301', '"€ 😀 é e\u0301"'],
      [JSON.parse('{"__proto__":{"x":1},"constructor":null}'), '{"__proto__":{"x":1},"constructor":null}'],
      [{ '\ud83d\ude00': 1, '\ufb33': 2, a: 3 }, '{"a":3,"😀":1,"\ufb33":2}'],
      ['{NULL}', '"{NULL}"'],
      ['NULL', '"NULL"'],
      ['', '""'],
      [{}, '{}'],
      [false, 'false'],
    ]
    await write(store, log, ...cases.map(([definition], index) => flag(`case-${index}`, definition)))
    const { state } = await loadOne(store, log)
    for (const [index, [definition, text]] of cases.entries()) {
      const kept = await rows(
        `SELECT text, digest, encode(sha256(convert_to(text, 'UTF8')), 'hex') AS hashed
         FROM halyard.entries WHERE log_id = '${log}' AND key = 'case-${index}'`,
      )
      expect(kept).toEqual([{ text, digest: expect.any(String), hashed: expect.any(String) }])
      const [row] = kept as [{ digest: string; hashed: string }]
      expect(row.digest).toBe(row.hashed)
      expect(state.entries.get('flag')?.get(`case-${index}`)?.definition).toEqual(
        JSON.parse(JSON.stringify(definition)),
      )
    }
  })

  it('uses the state that the caller holds where it is current, and reads where it is not', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1))
    const old = (await loadOne(store, log)).state
    await write(store, log, flag('a', 2), flag('b', 1))
    const current = (await loadOne(store, log)).state

    const seenWith = async (held: State | undefined, id: LogId = log): Promise<State | undefined> =>
      (
        await store.commit({
          scope: { path: [id] },
          actor: ANN,
          known: (asked) => (asked === id ? held : undefined),
          edit: (logs) => ({
            action: 'test.look',
            edits: new Map(),
            warnings: [],
            result: logs.get(id)?.state,
          }),
        })
      ).result

    expect(await seenWith(current)).toBe(current)
    expect(await seenWith(old)).toEqual(current)
    expect(await seenWith(undefined)).toEqual(current)
    expect(await seenWith({ ...old, epoch: old.epoch - 1 })).toEqual(current)
    // The same revision with other entries: a backup was restored, or someone wrote past the store.
    expect(await seenWith({ ...current, digest: 1 })).toEqual(current)
    expect(await seenWith({ ...old, entries: new Map(), digest: 5 })).toEqual(current)
  })

  it('lets an editor start from what the last one wrote, before its caller has taken it in', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const held = (await loadOne(store, log)).state
    const answers = await Promise.all(
      Array.from({ length: 6 }, () =>
        store.commit({ scope: { path: [log] }, actor: ANN, known: () => held, edit: increment(log, 'n') }),
      ),
    )
    expect(answers.map(({ result }) => result).sort()).toEqual([1, 2, 3, 4, 5, 6])
  })
}

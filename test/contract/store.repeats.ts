/** The store's contract: a request that comes again under its key is done once, and answered as the first time. */
import { expect, it } from 'vitest'
import type { Edit, LogId } from '../../server/domain/change.ts'
import { Problem } from '../../server/domain/problem.ts'
import type { CommitRequest } from '../../server/store/store.ts'
import {
  ANN,
  edit,
  flag,
  increment,
  loadOne,
  NOW,
  openEnvironment,
  openFamily,
  type Subject,
  write,
} from './store.support.ts'

export function repeats(subject: () => Subject): void {
  const incrementing = (log: LogId, key: string, digest = 'a'): CommitRequest<number> => ({
    scope: { path: [log] },
    actor: ANN,
    comment: 'one more',
    edit: increment(log, 'n'),
    idempotency: { key, digest },
  })
  const records = (log: LogId) =>
    subject().rows<{ revision: string; idempotency_key: string | null }>(
      `SELECT revision::text, idempotency_key FROM halyard.changes WHERE log_id = '${log}' ORDER BY revision`,
    )

  it('answers as the first time: result, time, revisions, whatever came between', async () => {
    const { store, clock } = subject()
    const log = await openEnvironment(store)
    const first = await store.commit(incrementing(log, 'k'))
    clock.now = () => NOW + 5000
    await write(store, log, flag('n', 40))
    const again = await store.commit(incrementing(log, 'k'))
    clock.now = () => NOW
    expect(again).toEqual({ ...first, repeated: true })
    expect(first.result).toBe(1)
    expect((await loadOne(store, log)).state.entries.get('flag')?.get('n')?.definition).toBe(40)
    expect((await store.commit(incrementing(log, 'another'))).result).toBe(41)
  })

  it('neither looks for a fresh key nor keeps it alone; what it changed is known by it', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const fresh = { ...incrementing(log, 'k'), idempotency: { key: 'k', digest: 'a', fresh: true as const } }
    const first = await store.commit(fresh)
    expect(await store.commit(incrementing(log, 'k'))).toEqual({ ...first, repeated: true })
    const nothing = { ...fresh, idempotency: { ...fresh.idempotency, key: 'other' }, edit: edit(log) }
    expect((await store.commit(nothing)).deltas.size).toBe(0)
    expect(await records(log)).toEqual([
      { revision: '1', idempotency_key: null },
      { revision: '2', idempotency_key: 'k' },
    ])
  })

  it('makes one revision of many that come at once, ordinary or urgent', async () => {
    for (const urgent of [false, true]) {
      const { store } = subject()
      const log = await openEnvironment(store)
      const all = await Promise.all(
        Array.from({ length: 12 }, () => store.commit({ ...incrementing(log, 'k'), urgent })),
      )
      expect(all.map(({ result }) => result)).toEqual(Array.from({ length: 12 }, () => 1))
      expect(all.filter(({ repeated }) => repeated !== true)).toHaveLength(1)
      expect(await records(log)).toEqual([
        { revision: '1', idempotency_key: null },
        { revision: '2', idempotency_key: 'k' },
      ])
    }
  })

  it('refuses a key that came with another request, and does nothing', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const both = await Promise.allSettled([
      store.commit(incrementing(log, 'k', 'a')),
      store.commit(incrementing(log, 'k', 'b')),
    ])
    expect(both).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { type: 'idempotency-key-reused' } },
    ])
    await expect(store.commit(incrementing(log, 'k', 'c'))).rejects.toMatchObject({
      type: 'idempotency-key-reused',
    })
    expect(await records(log)).toHaveLength(2)
  })

  it('knows keys by log and actor: neither another log nor another actor is in the way', async () => {
    const { store } = subject()
    const [one, two] = [await openEnvironment(store), await openEnvironment(store)]
    await store.commit(incrementing(one, 'k'))
    expect((await store.commit(incrementing(two, 'k', 'other'))).repeated).toBe(undefined)
    const ben = { ...ANN, id: 'ben' }
    expect((await store.commit({ ...incrementing(one, 'k', 'other'), actor: ben })).result).toBe(2)
  })

  it('mints the same identifiers again', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const minting: Edit<string[]> = (_logs, { mint }) => {
      const ids = [mint(), mint()]
      return {
        action: 'test.mint',
        edits: new Map([[log, [flag(ids[0] ?? '', ids[1] ?? '')]]]),
        warnings: [],
        result: ids,
      }
    }
    const request = { ...incrementing(log, 'k'), edit: minting }
    const first = await store.commit<string[]>(request)
    expect(new Set(first.result).size).toBe(2)
    expect((await store.commit<string[]>(request)).result).toEqual(first.result)
  })

  it('remembers also what changed nothing: later it could change something', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 'on'))
    const setOn = {
      scope: { path: [log] },
      actor: ANN,
      edit: (() => ({
        action: 'test.on',
        edits: new Map([[log, [flag('a', 'on')]]]),
        warnings: [],
        result: 'on',
      })) as Edit<string>,
      idempotency: { key: 'k', digest: 'a' },
    }
    const first = await store.commit(setOn)
    expect([...first.deltas.values()]).toMatchObject([{ base: 2, revision: 3, entries: [] }])
    await write(store, log, flag('a', 'off'))
    expect(await store.commit(setOn)).toEqual({ ...first, repeated: true })
    expect((await loadOne(store, log)).state.entries.get('flag')?.get('a')?.definition).toBe('off')
    // Without a key it leaves no trace.
    const { idempotency: _, ...plain } = setOn
    await store.commit(plain)
    const { revision } = await loadOne(store, log)
    await store.commit(plain)
    expect((await loadOne(store, log)).revision).toBe(revision)
  })

  it('sees what the edit saw, in every log that it locked, also in those that were closed since', async () => {
    const { store } = subject()
    const { project, environments } = await openFamily(store, 2)
    const [near = '', far = ''] = environments
    await write(store, far, flag('n', 7))
    const reading: CommitRequest<unknown> = {
      scope: { path: [project], descendants: true },
      actor: ANN,
      edit: (logs) => ({
        action: 'test.copy',
        edits: new Map([
          [near, [flag('n', logs.get(far)?.state.entries.get('flag')?.get('n')?.definition ?? null)]],
        ]),
        closes: [far],
        warnings: [],
        result: [...logs.values()].map(({ id, state }) => [id, state.revision]),
      }),
      idempotency: { key: 'k', digest: 'a' },
    }
    const first = await store.commit(reading)
    expect(first.closed).toEqual([far])
    await write(store, near, flag('n', 8))
    const again = await store.commit({ ...reading, scope: { path: [project, near] } })
    expect(again.result).toEqual(first.result)
    expect(again.deltas).toEqual(first.deltas)
    expect([again.opened, again.closed]).toEqual([[], []])
  })

  it('runs as a dry run without being remembered, and after the write answers that', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await store.commit({ ...incrementing(log, 'k'), dryRun: true })
    expect(await records(log)).toHaveLength(1)
    await store.commit(incrementing(log, 'k'))
    const { result, repeated } = await store.commit({ ...incrementing(log, 'k'), dryRun: true })
    expect({ result, repeated }).toEqual({ result: 1, repeated: true })
    expect(await records(log)).toHaveLength(2)
  })

  it('does not remember what was refused', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    let refuses = true
    const request = {
      ...incrementing(log, 'k'),
      edit: ((logs, moment) => {
        if (refuses) throw new Problem('invalid-document', 'Not now.')
        return increment(log, 'n')(logs, moment)
      }) as Edit<number>,
    }
    await expect(store.commit(request)).rejects.toMatchObject({ type: 'invalid-document' })
    refuses = false
    expect((await store.commit(request)).result).toBe(1)
  })

  it('says at which revision it was done where what it saw is not kept any more', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('n', 1))
    await store.commit(incrementing(log, 'k'))
    await rows(`UPDATE halyard.entries SET text = NULL WHERE log_id = '${log}' AND revision = 2`)
    await expect(store.commit(incrementing(log, 'k'))).rejects.toMatchObject({
      type: 'idempotency-key-reused',
      message: expect.stringContaining('revision 3'),
    })
  })
}

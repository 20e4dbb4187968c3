/** The store's contract: a log that went back goes on in a new epoch, and nothing is written to it before. */
import type { State } from '@halyard/sdk/core'
import { expect, it } from 'vitest'
import { HALYARD } from '../../server/domain/change.ts'
import { reopen, WentBack } from '../../server/domain/epochs.ts'
import { ANN, edit, flag, loadOne, openEnvironment, type Subject, write } from './store.support.ts'

export function epochs(subject: () => Subject): void {
  /** A log at revision 2, and a state of it that the database has lost. */
  async function wentBack(): Promise<{ log: string; seen: State }> {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1))
    const { state } = await loadOne(store, log)
    const kills = new Map([['a', { revision: 60, definition: { id: 'k1', by: 'Ann', at: 'then' } }]])
    return { log, seen: { ...state, revision: 60, entries: new Map([...state.entries, ['kill', kills]]) } }
  }
  const reopened = (log: string, seen: State) =>
    subject().store.commit({
      scope: { path: [log] },
      actor: HALYARD,
      comment: 'seen before',
      edit: reopen(log, seen),
    })

  it('opens the epoch under the next revision, with a record, and kills that were lost', async () => {
    const { store, rows } = subject()
    const { log, seen } = await wentBack()
    const committed = await reopened(log, seen)
    const epoch = Math.max(Math.floor(subject().clock.now() / 1000), seen.epoch + 1)
    expect(committed.result).toEqual({ opened: true, killedAgain: ['a'] })
    expect(committed.heads.get(log)).toEqual({ epoch, revision: 3 })

    const loaded = await loadOne(store, log)
    expect([loaded.epoch, loaded.revision, loaded.state.epoch]).toEqual([epoch, 3, epoch])
    expect(loaded.state.entries.get('kill')?.get('a')).toMatchObject({
      revision: 3,
      definition: { id: 'k1' },
    })
    expect(loaded.state.entries.get('flag')?.get('a')).toEqual({ revision: 2, definition: 1 })
    expect(await store.heads()).toContainEqual(expect.objectContaining({ log, epoch, revision: 3 }))
    const changes = await rows(
      `SELECT revision::text, epoch::text, action, comment, actor_id FROM halyard.changes
       WHERE log_id = '${log}' ORDER BY changes.revision DESC LIMIT 2`,
    )
    expect(changes).toMatchObject([
      {
        revision: '3',
        epoch: String(epoch),
        action: 'log.epoch',
        comment: 'seen before',
        actor_id: 'halyard',
      },
      { revision: '2', epoch: String(seen.epoch) },
    ])
  })

  it('is told to whoever held the log as another to be taken whole', async () => {
    const { store } = subject()
    const { log, seen } = await wentBack()
    const { state: before } = await loadOne(store, log)
    await reopened(log, seen)
    for (const held of [seen, before]) {
      const newer = await store.newer(log, held)
      expect(newer).toMatchObject({ kind: 'reload', loaded: { revision: 3 } })
    }
    await write(store, log, flag('b', 2))
    const { state } = await loadOne(store, log)
    expect(await store.newer(log, { epoch: state.epoch, revision: 3 })).toMatchObject({
      kind: 'delta',
      delta: { epoch: state.epoch, base: 3, revision: 4, digest: state.digest },
    })
  })

  it('comes about once, of many who find it at the same time', async () => {
    const { rows } = subject()
    const { log, seen } = await wentBack()
    const all = await Promise.all(Array.from({ length: 8 }, () => reopened(log, seen)))
    expect(all.filter(({ result }) => result.opened)).toHaveLength(1)
    expect(new Set(all.map(({ heads }) => JSON.stringify(heads.get(log)))).size).toBe(1)
    expect(
      await rows(`SELECT 1 FROM halyard.changes WHERE log_id = '${log}' AND action = 'log.epoch'`),
    ).toHaveLength(1)
  })

  it('comes before anything else that whoever has seen more would write', async () => {
    const { store, rows } = subject()
    const { log, seen } = await wentBack()
    const put = (known?: () => State, urgent = false) =>
      store.commit({
        scope: { path: [log] },
        actor: ANN,
        urgent,
        edit: edit(log, flag('c', 3)),
        ...(known && { known }),
      })
    for (const urgent of [false, true]) {
      const refused = await put(() => seen, urgent).catch((cause: unknown) => cause)
      expect(refused).toBeInstanceOf(WentBack)
      expect(refused).toMatchObject({ logs: [log] })
    }
    expect(await rows(`SELECT 1 FROM halyard.changes WHERE log_id = '${log}'`)).toHaveLength(2)

    // What goes together with the opening of the epoch comes after it.
    const [opening, after, stranger] = await Promise.all([
      reopened(log, seen),
      put(() => seen),
      write(store, log, flag('d', 4)),
    ])
    expect(opening.heads.get(log)?.revision).toBe(3)
    expect(after.deltas.get(log)?.epoch).toBe(opening.heads.get(log)?.epoch)
    const { state } = await loadOne(store, log)
    expect([...(state.entries.get('flag')?.keys() ?? [])].sort()).toEqual(['a', 'c', 'd'])
    expect(stranger.heads.get(log)?.revision).toBe(state.revision)
  })

  it('is no dry run’s to open', async () => {
    const { store } = subject()
    const { log, seen } = await wentBack()
    const committed = await store.commit({
      scope: { path: [log] },
      actor: HALYARD,
      dryRun: true,
      edit: reopen(log, seen),
    })
    expect(committed.heads.get(log)).toEqual({ epoch: seen.epoch, revision: 2 })
    expect(await loadOne(store, log)).toMatchObject({ epoch: seen.epoch, revision: 2 })
  })

  it('leaves a history that is whole, and every revision readable', async () => {
    const { store, rows } = subject()
    const { log, seen } = await wentBack()
    await reopened(log, seen)
    await write(store, log, flag('a', null))
    const records = await rows<{ hash: string; previous_hash: string }>(
      `SELECT hash, previous_hash FROM halyard.changes WHERE log_id = '${log}' ORDER BY revision`,
    )
    expect(records.map((record) => record.previous_hash)).toEqual([
      '',
      ...records.slice(0, -1).map(({ hash }) => hash),
    ])
    expect((await store.past(log, { revision: 2 })).state.epoch).toBe(seen.epoch)
    expect((await store.past(log, { revision: 3 })).state.epoch).toBeGreaterThan(seen.epoch)
    await expect(store.past(log, { revision: 60 })).rejects.toMatchObject({ type: 'revision-not-found' })
  })
}

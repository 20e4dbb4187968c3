/** The store's contract: a log as it was, by revision and by time. */
import { emptyState, type State } from '@halyard/sdk/core'
import { expect, it } from 'vitest'
import { ANN, edit, flag, loadOne, NOW, openEnvironment, type Subject, write } from './store.support.ts'

export function pasts(subject: () => Subject): void {
  it('is what was held at each revision: values, removals, what came back, and who made it', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const held: State[] = [(await loadOne(store, log)).state]
    for (const value of [1, 2, null, 3]) {
      await write(
        store,
        log,
        flag('a', value),
        flag('steady', 'same'),
        flag(`only-${value}`, {}),
        { kind: 'segment', key: 'a', definition: { value } },
        { kind: 'members', key: 'a/00', definition: { included: [String(value)], excluded: [] } },
      )
      held.push((await loadOne(store, log)).state)
    }
    for (const state of held) {
      const past = await store.past(log, { revision: state.revision })
      expect(past.state).toEqual(state)
      expect(past).toMatchObject({ at: NOW, by: ANN, redacted: [] })
    }
    expect(held[0]).toEqual({ ...emptyState('shop', 'production', held[0]!.epoch), revision: 1 })
  })

  it('is empty after the last document went', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1))
    await write(store, log, flag('a', null))
    expect((await store.past(log, { revision: 3 })).state.entries.size).toBe(0)
    expect((await store.past(log, { revision: 2 })).state.entries.get('flag')?.size).toBe(1)
  })

  it('by time is the newest state that there was then', async () => {
    const { store, clock } = subject()
    const log = await openEnvironment(store)
    for (const [index, value] of [1, 2, 3].entries()) {
      clock.now = () => NOW + (index + 1) * 1000
      await write(store, log, flag('a', value))
    }
    clock.now = () => NOW
    const valueAt = async (time: number) =>
      (await store.past(log, { time })).state.entries.get('flag')?.get('a')?.definition
    expect(await valueAt(NOW)).toBe(undefined)
    expect(await valueAt(NOW + 1000)).toBe(1)
    expect(await valueAt(NOW + 2999.5)).toBe(2)
    expect(await valueAt(NOW + 3000)).toBe(3)
    expect(await valueAt(NOW + 3_600_000)).toBe(3)
    await expect(store.past(log, { time: NOW - 1 })).rejects.toMatchObject({ type: 'revision-not-found' })
  })

  it('has times that never go back, though a clock does: all logs that a commit locks have its time', async () => {
    const { store, clock } = subject()
    const log = await openEnvironment(store)
    clock.now = () => NOW + 60_000
    await write(store, log, flag('a', 1))
    clock.now = () => NOW
    const { provenance } = await store.commit({
      scope: { path: [log] },
      actor: ANN,
      edit: (logs, moment) => {
        expect(moment.now).toBe(NOW + 60_000)
        return edit(log, flag('a', 2))(logs, moment)
      },
    })
    expect(provenance.at).toBe(NOW + 60_000)
    expect((await store.past(log, { time: NOW + 59_999 })).state.revision).toBe(1)
    expect((await store.past(log, { time: NOW + 60_000 })).state.revision).toBe(3)
  })

  it('says of which documents a person was erased, and when', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    for (const value of ['ann', 'ben']) await write(store, log, flag('a', value), flag('b', value))
    await rows(
      `UPDATE halyard.entries SET text = '"erased"', redacted_at_revision = 3
       WHERE log_id = '${log}' AND key = 'a' AND revision = 2`,
    )
    const past = await store.past(log, { revision: 2 })
    expect(past.redacted).toEqual([{ kind: 'flag', key: 'a', revision: 2, redactedAt: 3 }])
    expect(past.state.entries.get('flag')?.get('a')?.definition).toBe('erased')
    expect((await store.past(log, { revision: 3 })).redacted).toEqual([])
  })

  it('is there of a log that was closed since', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1))
    const close = { action: 'test.close', edits: new Map(), closes: [log], warnings: [], result: undefined }
    await store.commit({ scope: { path: [log] }, actor: ANN, edit: () => close })
    expect((await store.past(log, { revision: 2 })).state.entries.get('flag')?.size).toBe(1)
  })

  it('says where there never was such a revision, or such a log', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    for (const revision of [0, 2, -1, 1_000_000]) {
      await expect(store.past(log, { revision })).rejects.toMatchObject({ type: 'revision-not-found' })
    }
    await expect(store.past('env_nowhere', { revision: 1 })).rejects.toMatchObject({
      type: 'revision-not-found',
    })
  })
}

/** The store's contract: notes that instances leave for each other, and how far kills came. */
import { expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { mint, NOW, type Subject } from './store.support.ts'

export function notices(subject: () => Subject): void {
  it('shows what is on a board, each by its newest text, and nothing of another board', async () => {
    const { store } = subject()
    const [board, other] = [mint(), mint()]
    await store.putNotice(board, 'b', 'first', 60_000)
    await store.putNotice(board, 'a', 'of a', 60_000)
    await store.putNotice(board, 'b', 'second', 60_000)
    await store.putNotice(other, 'b', 'elsewhere', 60_000)
    expect(await store.notices(board)).toEqual(['of a', 'second'])
    await store.removeNotice(board, 'b')
    expect(await store.notices(board)).toEqual(['of a'])
    expect(await store.notices(other)).toEqual(['elsewhere'])
  })

  it('shows a note for its time alone, and then lets go of it with whatever is removed next', async () => {
    const { store, rows } = subject()
    const board = mint()
    await store.putNotice(board, 'short', 'gone soon', 1)
    await until('its time is over', async () => (await store.notices(board)).length === 0)
    await store.removeNotice(mint(), 'another')
    expect(await rows(`SELECT name FROM halyard.notices WHERE board = '${board}'`)).toEqual([])
  })

  it('keeps the later of two reports of a kill, in whatever order they come', async () => {
    const { store } = subject()
    const [log, kill] = [mint(), mint()]
    const report = (text: string, at: number) => ({ kill, revision: 7, report: text, at })
    await store.saveKillReport(log, report('{"late":1}', NOW + 2))
    await store.saveKillReport(log, report('{"early":1}', NOW + 1))
    expect(await store.killReport(log, kill)).toEqual(report('{"late":1}', NOW + 2))
    expect(await store.killReport(mint(), kill)).toBeUndefined()
  })
}

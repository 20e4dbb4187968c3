/** The store's contract: who reads a log learns which kills are over, also of those that came and went unseen. */
import { apply, LIMITS, type State, withPending } from '@halyard/sdk/core'
import { afterEach, expect, it } from 'vitest'
import type { EntryEdit } from '../../server/domain/change.ts'
import { ENDED_KILLS_MS } from '../../server/store/ended-kills.ts'
import { flag, loadOne, NOW, openEnvironment, openFamily, type Subject, write } from './store.support.ts'

const kill = (key: string, id: string): EntryEdit => ({
  kind: 'kill',
  key,
  definition: { id, by: 'Ann', at: 'then' },
})
const unkill = (key: string): EntryEdit => ({ kind: 'kill', key, definition: null })
const endedIn = (state: State) => [...state.endedKills]

export function endedKills(subject: () => Subject): void {
  afterEach(() => {
    subject().clock.now = () => NOW
  })

  it('loads the ids of kills that are over, in the order in which they ended', async () => {
    const { store } = subject()
    const { environments } = await openFamily(store, 3)
    const [one, other, calm] = environments as [string, string, string]
    for (const log of environments) await write(store, log, flag('a', 1), flag('b', 1))
    await write(store, one, kill('a', 'k1'), kill('b', 'k2'))
    await write(store, one, unkill('b'))
    await write(store, one, unkill('a'), flag('a', 2))
    await write(store, one, kill('a', 'k3'))
    // Written in place of another, and once more under the same id.
    await write(store, other, kill('a', 'k4'))
    await write(store, other, kill('a', 'k5'))
    await write(store, other, { kind: 'kill', key: 'a', definition: { id: 'k5', by: 'Bob', at: 'later' } })

    const loaded = new Map((await store.load(environments)).map(({ log, state }) => [log, endedIn(state)]))
    expect(loaded.get(one)).toEqual(['k2', 'k1'])
    expect(loaded.get(other)).toEqual(['k4'])
    expect(loaded.get(calm)).toEqual([])
  })

  it('loads them for 30 days from their end, however long they lasted', async () => {
    const { store, clock } = subject()
    const log = await openEnvironment(store)
    await write(store, log, kill('a', 'short'), kill('b', 'long'))
    clock.now = () => NOW + 1
    await write(store, log, unkill('a'))
    clock.now = () => NOW + ENDED_KILLS_MS
    await write(store, log, unkill('b'))
    expect(endedIn((await loadOne(store, log)).state)).toEqual(['short', 'long'])
    clock.now = () => NOW + ENDED_KILLS_MS + 2
    expect(endedIn((await loadOne(store, log)).state)).toEqual(['long'])
    clock.now = () => NOW + 3 * ENDED_KILLS_MS
    expect(endedIn((await loadOne(store, log)).state)).toEqual([])
  })

  it('lets go of a kill that is pending, as soon as what is newer tells that it came and went', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1), kill('b', 'old'))
    const before = await loadOne(store, log)
    const lost = { id: 'k1', by: 'Ann', at: 'then' }
    const held = withPending(before.state, { a: [lost], c: [{ ...lost, id: 'k9' }] }, [])
    await write(store, log, kill('a', 'k1'), unkill('b'))
    await write(store, log, unkill('a'))
    await write(store, log, kill('b', 'k2'))
    await write(store, log, kill('b', 'k3'))

    const newer = await store.newer(log, held)
    if (newer.kind !== 'delta') throw new Error(newer.kind)
    expect([...newer.endedKills].sort()).toEqual(['k1', 'k2'])
    const applied = apply(held, newer.delta) as State
    expect(applied.pending.get('a')).toHaveLength(1)
    const next = withPending(applied, {}, newer.endedKills)
    expect([...next.pending.keys()]).toEqual(['c'])
    // What the log has of it when it is read whole says no less.
    const { state } = await loadOne(store, log)
    expect([...next.endedKills].sort()).toEqual(endedIn(state).sort())
    expect([...withPending(state, Object.fromEntries(held.pending), []).pending.keys()]).toEqual(['c'])

    await write(store, log, flag('a', 2))
    expect(await store.newer(log, state)).toMatchObject({ kind: 'delta', endedKills: [] })
  })

  it('tells no more of them than are kept, the newest', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    await write(store, log, kill('a', 'k0'))
    const most = LIMITS.endedKills
    // Past the store, for speed: kills and un-kills of a flag in turn, all of one time.
    await rows(
      `INSERT INTO halyard.changes (log_id, revision, epoch, change_id, actor_kind, actor_id, actor_name, action, at,
         documents, previous_hash, hash)
       SELECT log_id, n, epoch, 'many', actor_kind, actor_id, actor_name, action, at, '[]', '', ''
       FROM halyard.changes CROSS JOIN generate_series(3, ${2 * most + 10}) n WHERE log_id = '${log}' AND changes.revision = 2`,
    )
    await rows(
      `INSERT INTO halyard.entries (log_id, kind, key, revision, superseded_at_revision, text, digest)
       SELECT '${log}', 'kill', 'b', n, n + 1, CASE WHEN n % 2 = 1 THEN '{"id":"k' || n || '"}' END,
         CASE WHEN n % 2 = 1 THEN 'd' END
       FROM generate_series(3, ${2 * most + 9}) n`,
    )
    await rows(
      `INSERT INTO halyard.entries (log_id, kind, key, revision) VALUES ('${log}', 'kill', 'b', ${2 * most + 10})`,
    )
    const ended = endedIn((await loadOne(store, log)).state)
    expect(ended).toHaveLength(most)
    expect(ended.at(-1)).toBe(`k${2 * most + 9}`)
  })
}

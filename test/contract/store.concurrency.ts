/** The store's contract: editors at once lose nothing, and readers see an order. */
import { expect, it } from 'vitest'
import {
  ANN,
  flag,
  increment,
  loadOne,
  mint,
  openEnvironment,
  openFamily,
  type Subject,
  write,
} from './store.support.ts'

const EDITORS = 8
const EACH = 10

export function concurrency(subject: () => Subject): void {
  it('numbers the commits of eight editors of one log without a gap, and loses none', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    const revisions = await Promise.all(
      Array.from({ length: EDITORS }, async (_, editor) => {
        const mine: number[] = []
        for (let n = 0; n < EACH; n++) {
          const { heads } = await store.commit({
            scope: { path: [log] },
            actor: ANN,
            edit: increment(log, `flag-${editor}`),
          })
          mine.push(heads.get(log)?.revision ?? 0)
        }
        return mine
      }),
    )
    const all = revisions.flat().sort((a, b) => a - b)
    expect(all).toEqual(Array.from({ length: EDITORS * EACH }, (_, index) => index + 2))
    for (const mine of revisions) expect(mine).toEqual([...mine].sort((a, b) => a - b))
    const { state } = await loadOne(store, log)
    expect([...(state.entries.get('flag')?.values() ?? [])].map((entry) => entry.definition)).toEqual(
      Array.from({ length: EDITORS }, () => EACH),
    )
    const records = await rows(`SELECT revision FROM halyard.changes WHERE log_id = '${log}'`)
    expect(records).toHaveLength(EDITORS * EACH + 1)
  })

  it('never loses an update of one document by many', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const results = await Promise.all(
      Array.from({ length: 40 }, () =>
        store.commit({ scope: { path: [log] }, actor: ANN, edit: increment(log, 'shared') }),
      ),
    )
    expect(results.map(({ result }) => result).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, index) => index + 1),
    )
  })

  it('locks several logs in one order, so that commits of all shapes get through', async () => {
    const { store } = subject()
    const { project, environments } = await openFamily(store, 3)
    const scopes = [
      { path: [project], descendants: true },
      ...environments.map((id) => ({ path: [id] })),
      { path: [project, environments[1]!] },
      // In whatever order a caller names them.
      { path: [environments[2]!, environments[0]!] },
    ]
    await Promise.all(
      Array.from({ length: 36 }, (_, index) => {
        const scope = scopes[index % scopes.length]!
        return store.commit({
          scope,
          actor: ANN,
          edit: (logs) => ({
            action: 'test.all',
            edits: new Map([...logs.keys()].map((id) => [id, [flag(`f${index}`, index)]])),
            warnings: [],
            result: undefined,
          }),
        })
      }),
    )
    const loaded = await store.load([project, ...environments])
    expect(
      loaded.map(({ revision, state }) => revision - 1 - (state.entries.get('flag')?.size ?? 0)),
    ).toEqual([0, 0, 0, 0])
  })

  it('sees a child that was opened while it waited for the parent', async () => {
    const { store } = subject()
    const { project } = await openFamily(store, 0)
    const opens = (id: string) =>
      store.commit({
        scope: { path: [project] },
        actor: ANN,
        edit: () => ({
          action: 'test.open',
          edits: new Map(),
          opens: [{ id, kind: 'environment', parent: project, project: 'p', environment: 'e', entries: [] }],
          warnings: [],
          result: undefined,
        }),
      })
    const counts = () =>
      store.commit({
        scope: { path: [project], descendants: true },
        actor: ANN,
        edit: (logs) => ({ action: 'test.count', edits: new Map(), warnings: [], result: logs.size - 1 }),
      })
    for (let round = 1; round <= 10; round++) {
      const [, counted] = await Promise.all([opens(`env_${mint()}`), counts()])
      // Before or after the other, but never blind to what was committed.
      expect([round - 1, round]).toContain(counted.result)
      expect((await counts()).result).toBe(round)
    }
  })

  it('lets a kill in while editors stand in line', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const edits = Array.from({ length: 30 }, () =>
      store.commit({ scope: { path: [log] }, actor: ANN, edit: increment(log, 'n') }),
    )
    const kill = { kind: 'kill', key: 'checkout', definition: { id: mint(), by: 'ann', at: 'now' } }
    const killed = await store.commit({
      scope: { path: [log] },
      actor: ANN,
      urgent: true,
      edit: () => ({
        action: 'flag.kill',
        edits: new Map([[log, [kill]]]),
        warnings: [],
        result: undefined,
      }),
    })
    await Promise.all(edits)
    expect(killed.deltas.get(log)?.entries).toHaveLength(1)
    const after = await loadOne(store, log)
    expect(after.state.entries.get('kill')?.get('checkout')?.definition).toEqual(kill.definition)
    expect(after.state.entries.get('flag')?.get('n')?.definition).toBe(30)
    await write(store, log, flag('n', 0))
  })
}

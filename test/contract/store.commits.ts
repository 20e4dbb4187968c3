/** The store's contract: what one commit does. */
import { apply } from '@halyard/sdk/core'
import { expect, it } from 'vitest'
import type { Edit } from '../../server/domain/change.ts'
import { Problem } from '../../server/domain/problem.ts'
import {
  ANN,
  edit,
  flag,
  loadOne,
  NOW,
  openEnvironment,
  openFamily,
  type Subject,
  write,
} from './store.support.ts'

export function commits(subject: () => Subject): void {
  it('gives a commit the next revision, and a delta that leads there', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', { on: true }), flag('b', 1))
    const before = await loadOne(store, log)

    const committed = await write(store, log, flag('a', null), flag('c', [1, 'two', null]))

    const delta = committed.deltas.get(log)!
    expect(delta).toMatchObject({ base: 2, revision: 3 })
    expect(delta.entries.map(({ kind, key, revision }) => [kind, key, revision])).toEqual([
      ['flag', 'a', 3],
      ['flag', 'c', 3],
    ])
    const after = await loadOne(store, log)
    expect(apply(before.state, delta)).toEqual(after.state)
    expect(committed).toMatchObject({
      result: 'done',
      action: 'test.edit',
      provenance: { at: NOW, by: ANN },
      closed: [],
      opened: [],
    })
    expect(committed.heads.get(log)).toEqual({ epoch: after.epoch, revision: 3 })
  })

  it('takes no revision where nothing changes', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', { x: 1, y: [2] }))

    const again = await write(store, log, flag('a', { y: [2], x: 1 }), flag('never-was', null))

    expect(again.deltas.size).toBe(0)
    expect(again.heads.get(log)?.revision).toBe(2)
    expect((await loadOne(store, log)).revision).toBe(2)
    expect(await rows(`SELECT revision FROM halyard.changes WHERE log_id = '${log}'`)).toHaveLength(2)
  })

  it('leaves entries that are equal to the current ones out of the revision', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1), flag('b', 1))
    const { deltas } = await write(store, log, flag('a', 1), flag('b', 2))
    expect(deltas.get(log)!.entries.map((entry) => entry.key)).toEqual(['b'])
    expect(
      await rows(`SELECT key FROM halyard.entries WHERE log_id = '${log}' AND revision = 3`),
    ).toHaveLength(1)
  })

  it('keeps the later of two edits of one document', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 1), flag('a', 2))
    expect((await loadOne(store, log)).state.entries.get('flag')?.get('a')?.definition).toBe(2)
  })

  it('answers a dry run with what would change, and writes nothing', async () => {
    const { store, rows } = subject()
    const log = await openEnvironment(store)
    const request = { scope: { path: [log] }, actor: ANN, edit: edit(log, flag('a', 1)), dryRun: true }

    const tried = await store.commit(request)

    expect(tried.deltas.get(log)).toMatchObject({ revision: 2, entries: [{ key: 'a', definition: 1 }] })
    expect(tried.heads.get(log)?.revision).toBe(1)
    expect((await loadOne(store, log)).state.entries.size).toBe(0)
    expect(await rows(`SELECT 1 FROM halyard.entries WHERE log_id = '${log}'`)).toHaveLength(0)
    // The revision was not used up.
    expect((await write(store, log, flag('b', 1))).heads.get(log)?.revision).toBe(2)
  })

  it('rolls back and passes the problem on that an edit throws', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const problem = new Problem('flag-required', 'Another flag requires this one.')
    const refuse: Edit<never> = () => {
      throw problem
    }
    await expect(store.commit({ scope: { path: [log] }, actor: ANN, edit: refuse })).rejects.toBe(problem)
    expect((await write(store, log, flag('a', 1))).heads.get(log)?.revision).toBe(2)
  })

  it('does not take a bug in an edit for a failing database', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    const bug: Edit<never> = () => {
      throw new TypeError('not a function')
    }
    await expect(store.commit({ scope: { path: [log] }, actor: ANN, edit: bug })).rejects.toBeInstanceOf(
      TypeError,
    )
    await expect(
      store.commit({ scope: { path: [log] }, actor: ANN, edit: edit('env_elsewhere', flag('a', 1)) }),
    ).rejects.toThrow('which its scope does not lock')
    await expect(write(store, log, flag('a', 1))).resolves.toBeDefined()
  })

  it('puts a document back after it was removed', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    for (const definition of [1, null, 1, null, 2]) await write(store, log, flag('a', definition))
    const { state } = await loadOne(store, log)
    expect(state.entries.get('flag')?.get('a')).toEqual({ revision: 6, definition: 2 })
  })

  it('commits to several logs under one change, each with its own revision', async () => {
    const { store, rows } = subject()
    const { project, environments } = await openFamily(store, 3)
    const [first, second, third] = environments as [string, string, string]
    await write(store, second, flag('x', 1))

    const committed = await store.commit({
      scope: { path: [project], descendants: true },
      actor: ANN,
      edit: (logs) => {
        expect([...logs.keys()]).toEqual([project, first, second, third])
        return {
          action: 'flag.create',
          edits: new Map([
            [project, [{ kind: 'identity', key: 'new', definition: {} }]],
            [first, [flag('new', 1)]],
            [second, [flag('new', 2)]],
          ]),
          warnings: [],
          result: undefined,
        }
      },
    })

    expect([...committed.deltas].map(([log, delta]) => [log, delta.revision])).toEqual([
      [project, 2],
      [first, 2],
      [second, 3],
    ])
    expect(committed.heads.get(third)?.revision).toBe(1)
    const records = await rows<{ change_id: string }>(
      `SELECT DISTINCT change_id FROM halyard.changes WHERE action = 'flag.create' AND log_id IN ('${project}', '${first}', '${second}')`,
    )
    expect(records).toHaveLength(1)
  })

  it('opens logs at revision 1, in the epoch of the second of their opening', async () => {
    const { store } = subject()
    const { project } = await openFamily(store, 0)
    const id = `env_${project.slice(4)}`
    const committed = await store.commit({
      scope: { path: [project] },
      actor: ANN,
      edit: () => ({
        action: 'environment.create',
        edits: new Map([[project, [{ kind: 'environment', key: 'eu', definition: { id } }]]]),
        opens: [
          {
            id,
            kind: 'environment',
            parent: project,
            project: 'shop',
            environment: 'eu',
            entries: [flag('a', { on: 1 })],
          },
        ],
        warnings: [],
        result: undefined,
      }),
    })
    const loaded = await loadOne(store, id)
    expect(loaded).toMatchObject({
      kind: 'environment',
      parent: project,
      epoch: Math.floor(NOW / 1000),
      revision: 1,
    })
    expect(loaded.state).toMatchObject({ project: 'shop', environment: 'eu' })
    expect(committed.opened).toEqual([loaded])
  })

  it('closes logs for good', async () => {
    const { store } = subject()
    const { project, environments } = await openFamily(store, 1)
    const log = environments[0]!
    const held = await loadOne(store, log)
    const committed = await store.commit({
      scope: { path: [project, log] },
      actor: ANN,
      edit: () => ({
        action: 'environment.delete',
        edits: new Map([[project, [{ kind: 'environment', key: 'gone', definition: {} }]]]),
        closes: [log],
        warnings: [],
        result: undefined,
      }),
    })
    expect(committed.closed).toEqual([log])
    expect((await store.heads()).some((head) => head.log === log)).toBe(false)
    expect(await store.load([log])).toEqual([])
    expect(await store.newer(log, held)).toEqual({ kind: 'closed' })
    await expect(write(store, log, flag('a', 1))).rejects.toMatchObject({ type: 'environment-not-found' })
  })

  it('takes nothing for a log that the database does not have, and does not say that it was deleted', async () => {
    await expect(write(subject().store, 'prj_unknown', flag('a', 1))).rejects.toMatchObject({
      type: 'unavailable',
      message: expect.stringContaining('is being restored'),
      cause: { message: 'the log prj_unknown is not in the database' },
    })
  })

  it('counts the bytes of all current documents, and shows them to an edit', async () => {
    const { store } = subject()
    const log = await openEnvironment(store)
    await write(store, log, flag('a', 'é'.repeat(10)), flag('b', [1, 2]))
    await write(store, log, flag('b', null))
    await store.commit({
      scope: { path: [log] },
      actor: ANN,
      edit: (logs) => {
        expect(logs.get(log)?.bytes).toBe(22)
        return edit(log)(logs, { now: 0, actor: ANN, mint: () => '' })
      },
    })
  })
}

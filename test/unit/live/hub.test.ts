import { diff, type State, withPending } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { type Edit, HALYARD } from '../../../server/domain/change.ts'
import { WentBack } from '../../../server/domain/epochs.ts'
import { Problem } from '../../../server/domain/problem.ts'
import { createConditions } from '../../../server/live/conditions.ts'
import { createHub } from '../../../server/live/hub.ts'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import type { CommitRequest, Committed, Newer, Store } from '../../../server/store/store.ts'
import { boolean, Clock, edited, heldEnvironment, started } from './support.ts'

const by = { kind: 'system', id: 'test', name: 'test' } as const
const HEAD = { log: 'env_1', kind: 'environment', parent: 'prj_1' } as const
const REQUEST = { scope: { path: ['env_1'] }, actor: by, edit: () => ({}) as never }

const NOTHING = {
  result: undefined,
  action: 'test',
  warnings: [],
  opened: [],
  closed: [],
  deltas: new Map(),
  heads: new Map(),
}

/** A hub that holds one environment, over a store that answers what the test puts in. */
function house(
  answers: {
    newer?: () => Newer
    load?: () => State | undefined
    /** The result of a commit that changes nothing here. */
    commit?: (request: CommitRequest<unknown>) => unknown
  } = {},
) {
  const logged: string[] = []
  const note = (_fields: object, message: string) => logged.push(message)
  let committed: Committed<undefined>
  const store = {
    commit: async (request: CommitRequest<unknown>) =>
      answers.commit === undefined ? committed : { ...NOTHING, result: answers.commit(request) },
    newer: async () => answers.newer?.() ?? { kind: 'current' },
    async load() {
      const state = answers.load?.()
      return state === undefined ? [] : [loaded(state)]
    },
  } as unknown as Store
  const metrics = createLiveMetrics()
  const watched: string[] = []
  const told: string[] = []
  const hub = createHub({
    consult: async () => {},
    store,
    signal: { publish: ({ log, revision }) => told.push(`${log} ${revision}`) },
    clock: new Clock(),
    conditions: createConditions({ info: note, warn: note, error: note }),
    metrics,
    watcher: {
      changed: ({ state }, _before, delta) => watched.push(`${delta ? 'delta' : 'whole'} ${state.revision}`),
      closed: ({ id }) => watched.push(`closed ${id}`),
    },
  })
  const loaded = (state: State) => {
    const { head, provenance } = heldEnvironment(state)
    return { ...head, state, provenance }
  }
  return {
    hub,
    watched,
    metrics,
    told,
    logged,
    adopt: (state: State) => hub.adopt(loaded(state)),
    /** As if the store had committed from one state to another. */
    commit(before: State, after: State, over: Partial<Committed<undefined>> = {}) {
      const provenance = { at: after.revision, by }
      const deltas = new Map([['env_1', diff(before, after)]])
      const heads = new Map([['env_1', { epoch: after.epoch, revision: after.revision }]])
      committed = { ...NOTHING, heads, provenance, deltas, ...over } as Committed<undefined>
      return hub.commit(REQUEST)
    },
  }
}

const first = started({ 'flag/a': boolean() })
const second = edited(first, { 'flag/b': boolean() })
const third = edited(second, { 'flag/b': null })
const deltaTo = (from: State, to: State, endedKills: readonly string[] = []): Newer => ({
  kind: 'delta',
  delta: diff(from, to),
  provenance: new Map(),
  endedKills,
})

const reload = (state: State): Newer => ({
  kind: 'reload',
  loaded: { ...HEAD, ...state, state, provenance: new Map() },
})

describe('the hub', () => {
  it('is told the state that it holds once the row is locked, and takes the delta of its commit', async () => {
    const { hub, commit, adopt, watched } = house()
    adopt(first)
    await commit(first, second)
    expect(hub.environment('env_1')?.compiled.state).toBe(hub.held('env_1')?.state)
    expect(hub.held('env_1')).toMatchObject({ head: { revision: 2 }, state: { revision: 2 } })
    expect(hub.held('env_1')?.provenance.get(2)).toEqual({ at: 2, by })
    expect(watched).toEqual(['whole 1', 'delta 2'])
  })

  it('takes a commit once that a catch-up has brought already', async () => {
    const { hub, commit, adopt, watched } = house({ newer: () => deltaTo(first, third) })
    adopt(first)
    await hub.catchUp('env_1')
    await commit(first, second)
    expect(watched).toEqual(['whole 1', 'delta 3'])
  })

  it('catches up where a commit does not fit what it holds', async () => {
    const { hub, commit, adopt, watched } = house({ newer: () => deltaTo(first, third) })
    adopt(first)
    await commit(second, third)
    expect(watched).toEqual(['whole 1', 'delta 3'])
    expect(hub.held('env_1')?.state.entries).toEqual(third.entries)
  })

  it('catches up with what an edit without effect has seen', async () => {
    const { hub, commit, adopt } = house({ newer: () => deltaTo(first, third) })
    adopt(first)
    await commit(second, third, { deltas: new Map() })
    expect(hub.held('env_1')?.state.revision).toBe(3)
  })

  it('loads the whole where the store’s delta does not lead to the store’s state', async () => {
    const broken = { ...diff(first, second), digest: 1 }
    const { hub, adopt, watched } = house({
      newer: () => ({ kind: 'delta', delta: broken, provenance: new Map(), endedKills: [] }),
      load: () => second,
    })
    adopt(first)
    await hub.catchUp('env_1')
    expect(watched).toEqual(['whole 1', 'whole 2'])
  })

  it('lets go of a pending kill that came and went unseen, and tells of it beside the delta', async () => {
    const kill = { id: 'k1', by: 'Ann', at: 'then' }
    const { hub, adopt, watched } = house({ newer: () => deltaTo(first, third, ['k1']) })
    adopt(withPending(first, { a: [kill] }, []))
    expect(hub.environment('env_1')?.compiled.flags.get('a')?.linked.kind).toBe('killed')
    await hub.catchUp('env_1')
    const { state, compiled } = hub.environment('env_1') ?? {}
    expect(state?.pending.size).toBe(0)
    expect(state?.endedKills).toEqual(new Set(['k1']))
    expect(compiled?.state).toBe(state)
    expect(compiled?.flags.get('a')?.linked.kind).toBe('whole')
    expect(watched).toEqual(['whole 1', 'delta 3', 'whole 3'])
  })

  it('does not take a commit during a load for a store that went back', async () => {
    const { hub, adopt, watched, logged } = house({
      load: () => {
        adopt(second)
        return first
      },
    })
    await hub.catchUp('env_1')
    expect(hub.held('env_1')?.state).toMatchObject({ revision: 2 })
    expect([watched, logged]).toEqual([['whole 2'], []])
  })

  it('takes a state of a higher epoch whole, whatever its revision', async () => {
    const restored = { ...first, epoch: first.epoch + 1 }
    const { hub, adopt } = house({ newer: () => reload(restored) })
    adopt(second)
    await hub.catchUp('env_1')
    expect(hub.held('env_1')?.state).toMatchObject({ epoch: restored.epoch, revision: 1 })
  })

  it('goes on in a new epoch where the store went back, and takes that whole', async () => {
    const forward = { ...second, epoch: second.epoch + 5 }
    const edits: Edit<unknown>[] = []
    const { hub, adopt, watched, logged, metrics } = house({
      newer: () => reload(edits.length === 0 ? first : forward),
      commit: ({ edit, scope, known }) => {
        expect([scope, known]).toEqual([{ path: ['env_1'] }, undefined])
        edits.push(edit)
        return { opened: true }
      },
    })
    adopt(third)
    await hub.catchUp('env_1')
    expect(edits).toHaveLength(1)
    expect(hub.held('env_1')?.state).toMatchObject({ epoch: forward.epoch, revision: 2 })
    expect(watched).toEqual(['whole 3', 'whole 2'])
    expect(logged[0]).toContain('went back')
    expect(metrics.epochsOpened).toBe(1)
  })

  it('takes nobody back where no epoch can be opened, and says so', async () => {
    const { hub, adopt, logged } = house({
      newer: () => reload(first),
      commit: () => {
        throw new Problem('unavailable', 'The database is read-only.')
      },
    })
    adopt(second)
    await expect(hub.catchUp('env_1')).rejects.toThrow('read-only')
    expect(hub.held('env_1')?.state.revision).toBe(2)
    expect(logged.at(-1)).toContain('could not be brought up to date')
  })

  it('opens no epoch for a read that came late, and does not ask for ever', async () => {
    let commits = 0
    const { hub, adopt, metrics } = house({
      newer: () => reload(first),
      commit: () => {
        commits++
        return { opened: false }
      },
    })
    adopt(second)
    await expect(hub.catchUp('env_1')).rejects.toThrow('did not come to fit')
    expect(commits).toBeLessThan(10)
    expect(hub.held('env_1')?.state.revision).toBe(2)
    expect(metrics.epochsOpened).toBe(0)
  })

  it('writes what was asked once the log has gone forward', async () => {
    const forward = { ...first, epoch: first.epoch + 5 }
    let reopened = false
    const asked: unknown[] = []
    const { hub, adopt } = house({
      newer: () => reload(reopened ? forward : first),
      commit: ({ actor, known }) => {
        if (actor.id === HALYARD.id) {
          reopened = true
          return { opened: true }
        }
        asked.push(known?.('env_1'))
        if (!reopened) throw new WentBack(['env_1'])
        return 'done'
      },
    })
    adopt(second)
    expect((await hub.commit(REQUEST)).result).toBe('done')
    expect(asked).toEqual([second, forward])
  })

  it('refuses what was asked where the log cannot go forward, as a failure of ours', async () => {
    const { hub, adopt } = house({
      newer: () => reload(first),
      commit: ({ actor }) => {
        if (actor.id === HALYARD.id) return { opened: false }
        throw new WentBack(['env_1'])
      },
    })
    adopt(second)
    await expect(hub.commit(REQUEST)).rejects.toMatchObject({ type: 'unavailable' })
  })

  it('brings the kills that only it has seen before it takes what another has brought forward', async () => {
    const killed = edited(second, { 'kill/a': { id: 'k1', by: 'Ann', at: 'then' } })
    const opening = { seen: { epoch: second.epoch, revision: 2 }, found: { epoch: first.epoch, revision: 1 } }
    const forward = { ...edited(first, { 'epoch/opened': opening }), epoch: first.epoch + 5 }
    const added = {
      ...edited(forward, { 'kill/a': { id: 'k1', by: 'Ann', at: 'then' } }),
      epoch: forward.epoch,
    }
    let settled = false
    const { hub, adopt, watched } = house({
      newer: () => reload(settled ? added : forward),
      commit: () => {
        settled = true
        return { opened: false }
      },
    })
    adopt(killed)
    await hub.catchUp('env_1')
    expect(watched).toEqual(['whole 3', `whole ${added.revision}`])
  })

  it('drops a log that was closed', async () => {
    const { hub, adopt, watched } = house({ newer: () => ({ kind: 'closed' }) })
    adopt(first)
    await hub.catchUp('env_1')
    expect(hub.held('env_1')).toBeUndefined()
    expect(watched).toEqual(['whole 1', 'closed env_1'])
  })

  it('tells others of every log that a commit moved, opened or closed, and of nothing else', async () => {
    const { hub, commit, adopt, told } = house({ newer: () => ({ kind: 'closed' }) })
    adopt(first)
    await commit(first, second, {
      opened: [
        { ...HEAD, log: 'env_2', epoch: first.epoch, revision: 1, state: first, provenance: new Map() },
      ],
      closed: ['env_3'],
      heads: new Map([
        ['env_1', { epoch: first.epoch, revision: 2 }],
        ['env_3', { epoch: first.epoch, revision: 7 }],
        ['prj_1', { epoch: first.epoch, revision: 9 }],
      ]),
    })
    expect(told).toEqual(['env_1 2', 'env_3 7', 'env_2 1'])
    await commit(second, third, { deltas: new Map() })
    await commit(second, third, { repeated: true })
    await hub.commit({ ...REQUEST, dryRun: true })
    expect(told).toHaveLength(3)
  })

  it('lets go of who wrote what is no longer there', async () => {
    const { hub, adopt, commit } = house()
    adopt(first)
    let state = first
    for (let edit = 0; edit < 3_000; edit++) {
      const next = edited(state, { 'flag/a': boolean({ enabled: edit % 2 === 0 }) })
      await commit(state, next)
      state = next
    }
    const { provenance } = hub.held('env_1')!
    expect(provenance.size).toBeLessThan(1_100)
    expect(provenance.get(state.revision)).toEqual({ at: state.revision, by })
  })
})

import { type Kill, type State, withPending } from '@halyard/sdk/core'
import { describe, expect, it, vi } from 'vitest'
import { HALYARD } from '../../../server/domain/change.ts'
import { kill as killEdit } from '../../../server/domain/kills.ts'
import { Problem } from '../../../server/domain/problem.ts'
import { createKills } from '../../../server/live/kills/kills.ts'
import { boolean, Clock, edited, heldEnvironment, started } from './support.ts'

/** Kills at an instance whose database is away at first, and whose held state moves when the test says so. */
function house() {
  let state: State = started({ 'flag/a': boolean() })
  let away = true
  let head = { epoch: state.epoch, revision: state.revision }
  const kept = new Map<string, string>()
  const kills = createKills({
    hub: {
      async commit() {
        if (away) throw new Problem('unavailable', 'The database is away.')
        return { heads: new Map([['env_1', head]]) } as never
      },
      pend(_log, pending, ended) {
        state = withPending(state, pending, ended)
      },
      environment: () => heldEnvironment(state),
      logs: () => new Map([['env_1', heldEnvironment(state)]]),
    },
    journal: {
      put: async (id, text) => void kept.set(id, text),
      all: async () => [...kept.values()],
      remove: async (id) => void kept.delete(id),
    },
    spreads: [],
    key: Buffer.alloc(32, 1),
    mint: () => 'minted',
    storeAnswers: () => !away,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    clock: new Clock(),
  })
  return {
    kills,
    kept,
    pending: () => [...state.pending.keys()],
    /** The database is back, and takes the kill: as the next revision, which is not held here yet. */
    written() {
      away = false
      head = { ...head, revision: state.revision + 1 }
    },
    hold(one: Kill) {
      state = withPending(edited(state, { 'kill/a': one as never }), Object.fromEntries(state.pending), [])
    },
  }
}

const REQUEST = { scope: { path: ['env_1'] }, actor: HALYARD, edit: killEdit('env_1', 'a') }

describe('an accepted kill', () => {
  it('stays in effect until the state that has it is held, and is kept until then', async () => {
    const { kills, kept, pending, written, hold } = house()
    const { result } = await kills.kill(REQUEST)
    expect([pending(), kept.size, kills.waiting]).toEqual([['a'], 1, true])
    written()
    await kills.settle('env_1')
    expect([pending(), kept.size, kills.waiting]).toEqual([['a'], 1, true])
    hold(result.kill)
    await kills.start()
    await vi.waitFor(() => expect(kills.waiting).toBe(false))
    await kills.stop()
    expect([pending(), kept.size]).toEqual([[], 0])
    expect(kills.durabilityOf('env_1', 'a', result.kill.id)).toBe('postgres')
  })
})

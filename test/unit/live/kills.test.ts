import { type Kill, type State, withPending } from '@halyard/sdk/core'
import { describe, expect, it, vi } from 'vitest'
import { HALYARD, SYSTEM } from '../../../server/domain/change.ts'
import { MissingLog } from '../../../server/domain/epochs.ts'
import { kill as killEdit } from '../../../server/domain/kills.ts'
import { Problem } from '../../../server/domain/problem.ts'
import { createKills } from '../../../server/live/kills/kills.ts'
import { boolean, Clock, edited, heldEnvironment, started } from './support.ts'

type Commit = Parameters<typeof createKills>[0]['hub']['commit']
const SYSTEM_LOG = { ...heldEnvironment(started()), id: SYSTEM }
const AWAY = new Problem('unavailable', 'The database is away.')

/** Kills at an instance whose database is away at first, and whose held state moves when the test says so. */
function house() {
  let state: State = started({ 'flag/a': boolean(), 'flag/b': boolean() })
  let answers = false
  let isThere = true
  let takes = true
  let minted = 0
  const away = async () => {
    throw AWAY
  }
  let commit: (request: { idempotency?: { key: string } }) => Promise<unknown> = away
  const kept = new Map<string, string>()
  const heads = (revision = state.revision) => ({
    heads: new Map([['env_1', { epoch: state.epoch, revision }]]),
  })
  const kills = createKills({
    hub: {
      commit: ((request: never) => commit(request)) as unknown as Commit,
      pend(_log, pending, ended) {
        state = withPending(state, pending, ended)
      },
      environment: () => (isThere ? heldEnvironment(state) : undefined),
      logs: () =>
        new Map([[SYSTEM, SYSTEM_LOG], ...(isThere ? [['env_1', heldEnvironment(state)] as const] : [])]),
    },
    journal: {
      async put(id, text) {
        if (!takes) throw new Error('No space left on the device.')
        kept.set(id, text)
      },
      all: async () => [...kept.values()],
      remove: async (id) => void kept.delete(id),
    },
    spreads: [],
    key: Buffer.alloc(32, 1),
    mint: () => `minted${++minted}`,
    storeAnswers: () => answers,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    clock: new Clock(),
  })
  /** The database answers so from now on. */
  const back = (to: typeof commit): void => {
    answers = true
    commit = to
  }
  return {
    kills,
    kept,
    heads,
    pending: () => [...state.pending.keys()],
    back,
    /** It answers so, and is known to be in no order. */
    broken(to: typeof commit) {
      answers = false
      commit = to
    },
    gone() {
      isThere = false
    },
    fullDisk() {
      takes = false
    },
    /** The database is back, and takes the kill: as the next revision, which is not held here yet. */
    written() {
      const next = state.revision + 1
      back(async () => heads(next))
    },
    hold(one: Kill) {
      state = withPending(edited(state, { 'kill/a': one as never }), Object.fromEntries(state.pending), [])
    },
  }
}

const REQUEST = { scope: { path: ['env_1'] }, actor: HALYARD, edit: killEdit('env_1', 'a') }
const OTHER = { ...REQUEST, edit: killEdit('env_1', 'b') }

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

  it('comes into the log under another key where its own came with another request before', async () => {
    const { kills, kept, heads, pending, back } = house()
    const idempotency = { key: 'INC-481', digest: 'of this request' }
    await kills.kill({ ...REQUEST, idempotency })
    const keys: (string | undefined)[] = []
    back(async (request) => {
      keys.push(request.idempotency?.key)
      if (keys.at(-1) === 'INC-481') throw new Problem('idempotency-key-reused', 'It came with another.')
      return heads()
    })
    await kills.settle('env_1')
    expect([pending(), kept.size, kills.waiting]).toEqual([[], 0, false])
    expect(keys).toEqual(['INC-481', expect.stringMatching(/^accepted minted\d$/)])
  })

  it('is not held up by another one that the log does not take', async () => {
    const { kills, heads, pending, back } = house()
    await kills.kill({ ...REQUEST, idempotency: { key: 'first', digest: '' } })
    await kills.kill({ ...OTHER, idempotency: { key: 'second', digest: '' } })
    back(async (request) => {
      if (request.idempotency?.key === 'first') throw new Error('A bug.')
      return heads()
    })
    await kills.settle('env_1')
    expect(pending()).toEqual(['a'])
  })
})

describe('an accepted kill of an environment that the database does not have', () => {
  const missing = async () => {
    throw new Problem('unavailable', 'Not there.', { cause: new MissingLog('env_1') })
  }

  it('stays in effect while the environment is held: a restore is under way', async () => {
    const { kills, kept, pending, back } = house()
    await kills.kill(REQUEST)
    back(missing)
    await kills.settle('env_1')
    expect([pending(), kept.size, kills.waiting]).toEqual([['a'], 1, true])
  })

  it('is over where nothing names the environment any more: it came after the backup', async () => {
    const { kills, kept, back, gone } = house()
    await kills.kill(REQUEST)
    gone()
    back(missing)
    await kills.start()
    await vi.waitFor(() => expect([kept.size, kills.waiting]).toEqual([0, false]))
    await kills.stop()
  })
})

describe('a kill', () => {
  it('waits for a database that is slow where it cannot be kept elsewhere', async () => {
    const { kills, broken, fullDisk, pending } = house()
    fullDisk()
    const committed = { result: 'taken', deltas: new Map() }
    broken(() => new Promise((resolve) => setTimeout(resolve, 200, committed)))
    expect(await kills.kill(REQUEST)).toBe(committed)
    expect(pending()).toEqual([])
  })

  it('says that nothing takes it, where nothing does', async () => {
    const { kills, fullDisk } = house()
    fullDisk()
    await expect(kills.kill(REQUEST)).rejects.toMatchObject({ type: 'unavailable' })
  })

  it.each([
    ['answers with an error of its own', new Error('SQLSTATE 42P01')],
    ['is being restored, and does not know the flag', new Problem('flag-not-found', 'No such flag.')],
    ['is being restored, and does not know the environment', new Problem('environment-not-found', 'None.')],
  ])('is accepted where the database %s', async (_, failure) => {
    const { kills, broken, pending, kept } = house()
    broken(async () => {
      throw failure
    })
    await kills.kill(REQUEST)
    expect([pending(), kept.size]).toEqual([['a'], 1])
  })

  it('is refused where the database works, and does not know the flag', async () => {
    const { kills, back, pending } = house()
    back(async () => {
      throw new Problem('flag-not-found', 'No such flag.')
    })
    await expect(kills.kill(REQUEST)).rejects.toMatchObject({ type: 'flag-not-found' })
    expect(pending()).toEqual([])
  })

  it('is another one where the database is away, and may have ended the one that is held', async () => {
    const { kills, hold, pending } = house()
    hold({ id: 'of_before', by: 'anna', at: '2026-11-26T03:12:00.000Z' })
    const { result } = await kills.kill(REQUEST)
    expect([result.already, pending()]).toEqual([false, ['a']])
    const again = await kills.kill(REQUEST)
    expect(again.result).toMatchObject({ already: true, kill: result.kill })
  })
})

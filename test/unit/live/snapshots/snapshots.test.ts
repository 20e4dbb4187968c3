import type { State } from '@halyard/sdk/core'
import { afterEach, describe, expect, it } from 'vitest'
import { createConditions } from '../../../../server/live/conditions.ts'
import type { HeldLog } from '../../../../server/live/held-log.ts'
import { createLiveMetrics } from '../../../../server/live/metrics.ts'
import { seal, unseal } from '../../../../server/live/snapshots/form.ts'
import { markOf, nameOf, type Shelf } from '../../../../server/live/snapshots/shelf.ts'
import { createSnapshots, type Snapshots } from '../../../../server/live/snapshots/snapshots.ts'
import type { Loaded } from '../../../../server/store/store.ts'
import { memoryShelf } from '../../../support/memory-shelf.ts'
import { until } from '../../../support/until.ts'
import { boolean, edited, heldEnvironment, started } from '../support.ts'

const KEY = Buffer.alloc(32, 7)
const NAME = nameOf('env_1')
/** Without a rest: on a busy machine keeping takes long, and no test is to wait ten times as long as that. */
const PACE = { soon: 1, apart: 1, look: 10, end: 500, rest: 0 }
const first = started({ 'flag/a': boolean() })
const second = edited(first, { 'flag/b': boolean() })
const third = edited(second, { 'flag/c': boolean() })
const bytesOf = (state: State, key = KEY) => seal(heldEnvironment(state), key)

const opened: Snapshots[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

/** Snapshots over shelves, of logs that the test changes. */
function house(shelves: readonly Shelf[], pace: Partial<typeof PACE> = {}) {
  const logs = new Map<string, HeldLog>()
  const metrics = createLiveMetrics()
  const alarms: string[] = []
  const over: string[] = []
  const conditions = createConditions({
    info: (_fields, message) => over.push(message),
    warn: () => {},
    error: (fields, message) => alarms.push(`${(fields as { subject: string }).subject}: ${message}`),
  })
  const taken: { loaded: Loaded; source: string }[] = []
  const snapshots = createSnapshots(
    { shelves, key: KEY, pace: { ...PACE, ...pace } },
    {
      logs: () => logs,
      adopt: (loaded, source) => taken.push({ loaded, source }),
      conditions,
      metrics,
      random: () => 0.5,
    },
  )
  opened.push(snapshots)
  return {
    snapshots,
    logs,
    metrics,
    alarms,
    over,
    taken,
    hold(state: State) {
      logs.set('env_1', heldEnvironment(state))
      snapshots.changed('env_1')
    },
  }
}

const holds = (shelf: { kept: Map<string, Buffer> }, state: State) => () =>
  shelf.kept.get(NAME)?.toString('latin1').startsWith(markOf(state))

describe('taking snapshots', () => {
  it('hands out the newest of each log, from whichever shelf has it', async () => {
    const [redis, disk] = [memoryShelf('redis'), memoryShelf('disk')]
    redis.kept.set(NAME, await bytesOf(second))
    disk.kept.set(NAME, await bytesOf(first))
    const other = heldEnvironment(first)
    const head = { ...other.head, log: 'env_2' }
    disk.kept.set(nameOf('env_2'), await seal({ ...other, head }, KEY))
    const { snapshots, taken, alarms } = house([redis, disk])
    await snapshots.take()
    expect(taken.map(({ loaded, source }) => [loaded.log, loaded.revision, source]).sort()).toEqual([
      ['env_1', second.revision, 'redis'],
      ['env_2', first.revision, 'disk'],
    ])
    expect(taken[0]?.loaded.state).toEqual(second)
    expect(alarms).toEqual([])
  })

  it.each([
    ['garbage', async () => Buffer.from('{"flags":{}}'), 'garbage'],
    ['nothing', async () => Buffer.alloc(0), 'garbage'],
    ['half of one', async () => (await bytesOf(third)).subarray(0, 120), 'forged'],
    ['one signed by another', async () => bytesOf(third, Buffer.alloc(32, 9)), 'forged'],
    [
      'another log’s',
      async () => {
        const held = heldEnvironment(third)
        return seal({ ...held, head: { ...held.head, log: 'env_2' } }, KEY)
      },
      'misplaced',
    ],
    ['an older one', async () => bytesOf(first), 'older'],
  ] as const)('passes over %s, with an alarm, and takes the next rung’s', async (_, poison, reason) => {
    const [redis, disk] = [memoryShelf('redis'), memoryShelf('disk')]
    redis.kept.set(NAME, await poison())
    disk.kept.set(NAME, await bytesOf(second))
    const { snapshots, taken, alarms, metrics } = house([redis, disk])
    await snapshots.take()
    expect(taken.map(({ loaded, source }) => [loaded.revision, source])).toEqual([[second.revision, 'disk']])
    expect(metrics.snapshotsRefused).toEqual({
      ...{ garbage: 0, forged: 0, misplaced: 0, unreadable: 0, older: 0 },
      [reason]: 1,
    })
    expect(alarms).toEqual([expect.stringContaining(`snapshot ${NAME} on redis`)])
  })

  it('tells a forged twin of a good one, and puts the good one in its place', async () => {
    const [redis, disk] = [memoryShelf('redis'), memoryShelf('disk')]
    const twin = await bytesOf(second)
    twin[twin.length - 1] = (twin.at(-1) as number) ^ 1
    redis.kept.set(NAME, twin)
    disk.kept.set(NAME, await bytesOf(second))
    const { snapshots, taken, metrics, logs } = house([disk, redis])
    logs.set('env_1', heldEnvironment(second))
    await snapshots.take()
    expect(taken.map(({ source }) => source)).toEqual(['disk'])
    expect(metrics.snapshotsRefused.forged).toBe(1)
    await until('it is replaced', () => unseal(NAME, redis.kept.get(NAME)!, KEY).then(Boolean, () => false))
    expect(disk.puts).toBe(0)
  })

  it('finds nothing where everything is poisoned', async () => {
    const disk = memoryShelf('disk')
    disk.kept.set(NAME, Buffer.from('garbage'))
    const { snapshots, taken } = house([disk])
    await snapshots.take()
    expect(taken).toEqual([])
  })

  it('does without a shelf that fails or hangs', async () => {
    const [failing, hanging, disk] = [memoryShelf('redis'), memoryShelf('redis'), memoryShelf('disk')]
    failing.trouble = Promise.reject(new Error('away'))
    failing.trouble.catch(() => {})
    hanging.trouble = new Promise(() => {})
    disk.kept.set(NAME, await bytesOf(first))
    const { snapshots, taken, alarms, metrics } = house([failing, hanging, disk])
    await snapshots.take()
    expect(taken.map(({ source }) => source)).toEqual(['disk'])
    expect(alarms.filter((alarm) => alarm.startsWith('snapshots on redis')).length).toBeGreaterThan(0)
    expect(metrics.snapshotFailures).toBeGreaterThan(0)
  })

  it('leaves what another release put there alone', async () => {
    const disk = memoryShelf('disk')
    disk.kept.set('env_1.v2', Buffer.from('of another form'))
    const { snapshots, taken, alarms } = house([disk])
    await snapshots.take()
    expect([taken, alarms]).toEqual([[], []])
    expect(disk.kept.size).toBe(1)
  })
})

describe('keeping snapshots', () => {
  it('puts every newest state on every shelf, soon', async () => {
    const [redis, disk] = [memoryShelf('redis'), memoryShelf('disk')]
    const { snapshots, hold, metrics } = house([redis, disk])
    await snapshots.take()
    hold(first)
    for (const shelf of [redis, disk]) await until('it is kept', holds(shelf, first))
    hold(second)
    for (const shelf of [redis, disk]) await until('the next is kept', holds(shelf, second))
    expect((await unseal(NAME, disk.kept.get(NAME)!, KEY)).state).toEqual(second)
    expect(metrics.snapshotsKept).toBe(2)
  })

  it('keeps a burst of changes once, and then no more than its pace allows', async () => {
    const disk = memoryShelf('disk')
    const { snapshots, hold } = house([disk], { soon: 40, apart: 60_000 })
    await snapshots.take()
    let state = first
    for (let change = 0; change < 50; change++) {
      state = edited(state, { 'flag/a': boolean({ change }) })
      hold(state)
    }
    await until('the last is kept', holds(disk, state))
    hold(edited(state, { 'flag/a': null }))
    for (let look = 0; look < 3; look++) await new Promise((resolve) => setTimeout(resolve, 15))
    expect(disk.puts).toBe(1)
  })

  it('keeps what was not kept yet when the process stops', async () => {
    const disk = memoryShelf('disk')
    const { snapshots, hold } = house([disk], { soon: 60_000 })
    await snapshots.take()
    hold(first)
    await snapshots.close()
    expect(holds(disk, first)()).toBe(true)
  })

  it('does not hold up a process that stops, where a shelf hangs', async () => {
    const redis = memoryShelf('redis')
    const { snapshots, hold } = house([redis], { end: 20 })
    await snapshots.take()
    redis.trouble = new Promise(() => {})
    hold(first)
    await snapshots.close()
    expect(redis.puts).toBe(0)
  })

  it('says once that a shelf fails, keeps on the others meanwhile, and comes back to it', async () => {
    const [redis, disk] = [memoryShelf('redis'), memoryShelf('disk')]
    const { snapshots, hold, alarms, over } = house([redis, disk])
    await snapshots.take()
    redis.trouble = Promise.reject(new Error('away'))
    redis.trouble.catch(() => {})
    hold(first)
    await until('the other shelf has it', holds(disk, first))
    hold(second)
    await until('the other shelf has the next', holds(disk, second))
    await until('it is said', () => alarms.length > 0)
    redis.trouble = undefined
    await until('it is kept there, too', holds(redis, second))
    expect(alarms).toEqual([expect.stringContaining('snapshots on redis')])
    await until('that is said, too', () => over.length > 0)
    expect(over).toEqual(['snapshots on redis works again'])
  })

  it('is back soon on a shelf that was emptied', async () => {
    const redis = memoryShelf('redis')
    const { snapshots, hold } = house([redis])
    await snapshots.take()
    hold(first)
    await until('it is kept', holds(redis, first))
    redis.kept.clear()
    await until('it is kept again', holds(redis, first))
  })

  it('writes nothing where everything is there already', async () => {
    const [redis, disk] = [memoryShelf('redis'), memoryShelf('disk')]
    for (const shelf of [redis, disk]) shelf.kept.set(NAME, await bytesOf(first))
    const { snapshots, logs, hold } = house([redis, disk])
    logs.set('env_1', heldEnvironment(first))
    await snapshots.take()
    hold(first)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([redis.puts, disk.puts]).toEqual([0, 0])
  })

  it('leaves a newer one of another instance in its place, and takes it', async () => {
    const redis = memoryShelf('redis')
    const { snapshots, hold, taken, alarms } = house([redis])
    await snapshots.take()
    redis.kept.set(NAME, await bytesOf(third))
    hold(second)
    await until('it is taken', () => taken.length > 0)
    expect(taken).toMatchObject([{ loaded: { revision: third.revision }, source: 'redis' }])
    expect(holds(redis, third)()).toBe(true)
    expect(alarms).toEqual([])
  })

  it('lets no forgery that claims to be newer stand in its way', async () => {
    const redis = memoryShelf('redis')
    const { snapshots, hold, taken, alarms, metrics } = house([redis])
    await snapshots.take()
    const forged = Buffer.concat([
      Buffer.from(markOf({ epoch: 2 ** 50, revision: 1 })),
      (await bytesOf(third)).subarray(markOf(third).length),
    ])
    redis.kept.set(NAME, forged)
    hold(first)
    await until('ours is kept', holds(redis, first))
    expect(taken).toEqual([])
    expect(alarms).toEqual([expect.stringContaining(`snapshot ${NAME} on redis`)])
    expect(metrics.snapshotsRefused.forged).toBe(1)
  })

  it('keeps kills that have no revision yet', async () => {
    const disk = memoryShelf('disk')
    const { snapshots, hold } = house([disk])
    await snapshots.take()
    hold(first)
    await until('it is kept', holds(disk, first))
    const pending = new Map([['a', [{ id: 'k1', by: 'Ann', at: '2027-01-01T00:00:00Z' }]]])
    hold({ ...first, pending, endedKills: new Set(['k0']) })
    await until('the kill is kept', async () => {
      const { state } = await unseal(NAME, disk.kept.get(NAME)!, KEY)
      return state.pending.size === 1 && state.endedKills.has('k0')
    })
  })

  it('removes those of logs that are no more, also where one was just being written', async () => {
    const disk = memoryShelf('disk')
    const { snapshots, hold, logs } = house([disk])
    await snapshots.take()
    hold(first)
    await until('it is kept', holds(disk, first))
    let release = (): void => {}
    disk.trouble = new Promise((resolve) => {
      release = resolve
    })
    hold(second)
    await new Promise((resolve) => setTimeout(resolve, 20))
    logs.delete('env_1')
    snapshots.closed('env_1')
    release()
    disk.trouble = undefined
    await until('it is gone', () => disk.kept.size === 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(disk.kept.size).toBe(0)
  })
})

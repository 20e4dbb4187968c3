import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '@halyard/sdk/core'
import { withPending } from '@halyard/sdk/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { readAccount, type ServerAccount } from '../../../server/live/delivery/account.ts'
import { createDelivery } from '../../../server/live/delivery/delivery.ts'
import type { HeldEnvironment } from '../../../server/live/held-log.ts'
import { boolean, Clock, heldEnvironment, moved, started } from './support.ts'

const killBy = (id: string) => ({ id, by: 'anna', at: '2026-11-26T03:12:00.000Z' })
const MANY = Array.from({ length: 60 }, (_, at) => `f${String(at).padStart(2, '0')}`)

const INSTANCE = {
  id: 'there',
  version: '1.0.0',
  address: 'http://10.0.0.7:4000',
  since: 0,
  environments: {},
}

/** An account of SDKs that all have applied a kill. */
const counting = (known: number) => ({
  sdks: { known, applied: known, waiting: [], latencies: {}, arrived: [], moved: [], closed: [] },
  pollers: { known: 0, applied: 0, worstCaseMs: 0 },
})

/** How far kills have come, as an instance tells that knows of another one and shares no board with it. */
function house() {
  let held = heldEnvironment(started(Object.fromEntries(MANY.map((flag) => [`flag/${flag}`, boolean()]))))
  const clock = new Clock()
  let failures = 0
  let reads = 0
  let other: { epoch: number; revision: number } | undefined
  let seenFrom = 0
  const kept: { kill: string; report: string }[] = []
  const losses: unknown[] = []
  let said: readonly ServerAccount[] = []
  const delivery = createDelivery({
    board: undefined,
    direct: {
      all: async () => {
        reads += 1
        return said.map((account) => JSON.stringify(account))
      },
    },
    presence: {
      own: () => ({ ...INSTANCE, id: 'here' }),
      known: async () => (other === undefined ? ['here'] : ['here', 'there']),
      seen: () =>
        other && { instance: { ...INSTANCE, environments: { env_1: other } }, firstAt: seenFrom, at: 0 },
    },
    held: () => held.state,
    refusal: () => undefined,
    store: {
      async saveKillReport(_log, report) {
        if (failures-- > 0) throw new Error('The database is away.')
        kept.push(report)
      },
      killReport: async () => undefined,
    },
    onLoss: (cause) => losses.push(cause),
    metrics: { acknowledgements: 0, observeKillApplied: () => {} },
    clock,
  })
  onTestFinished(() => delivery.stop())
  function swap(after: HeldEnvironment, delta?: ReturnType<typeof moved>['delta']) {
    const before = held
    held = after
    const change = { environment: 'env_1', after: after.state, before: before.state, delta }
    delivery.changed({ ...change, exposed: () => true })
  }
  return {
    delivery,
    kept,
    losses,
    at: () => ({ epoch: held.state.epoch, revision: held.state.revision }),
    asked: (kill: string, at?: { epoch: number; revision: number }) => ({ environment: 'env_1', kill, at }),
    killed(flags: readonly string[]) {
      const edits = flags.map((flag): [string, Json] => [`kill/${flag}`, killBy(`kill ${flag}`)])
      const { after, delta } = moved(held, Object.fromEntries(edits))
      swap(after, delta)
    },
    accepted(flags: readonly string[]) {
      const pending = Object.fromEntries(flags.map((flag) => [flag, [killBy(`kill ${flag}`)]]))
      swap(heldEnvironment(withPending(held.state, pending, [])))
    },
    fails(times: number) {
      failures = times
    },
    starts(flags: readonly string[]) {
      const pending = Object.fromEntries(flags.map((flag) => [flag, [killBy(`kill ${flag}`)]]))
      held = heldEnvironment(withPending(held.state, pending, []))
      const change = { environment: 'env_1', after: held.state, before: undefined, delta: undefined }
      delivery.changed({ ...change, exposed: () => true })
    },
    says(...accounts: readonly ServerAccount[]) {
      said = accounts
    },
    reads: () => reads,
    /** @param from when the other one was seen first, epoch milliseconds */
    isThere(serves: { epoch: number; revision: number } | undefined, from = 0) {
      other = serves
      seenFrom = from
    },
    clock,
  }
}

describe('a kill of many flags', () => {
  it.each(['in the log', 'without a revision yet'])('is followed by its first, %s', async (where) => {
    const { delivery, killed, accepted } = house()
    if (where === 'in the log') killed(MANY.slice(1))
    else accepted(MANY.slice(1))
    const told = await delivery.told({ environment: 'env_1', kill: 'kill f01' })
    expect(told?.report.servers).toMatchObject({ live: 1, applied: 1, missing: [] })
    expect(told?.report.sdks).not.toHaveProperty('uncounted')
  })

  it('is followed on when another kill comes', async () => {
    const { delivery, accepted } = house()
    accepted(MANY.slice(1))
    accepted(MANY.slice(0, 1))
    for (const kill of ['kill f00', 'kill f01']) {
      expect(await delivery.told({ environment: 'env_1', kill })).toBeDefined()
    }
  })
})

describe('a kill of long ago', () => {
  it('has come to all that serve it, and nothing is said of apps that nobody counts', async () => {
    const { delivery, at, asked, isThere } = house()
    isThere(at())
    const report = await delivery.settled(asked('kill f00', at()), 'sdks', 60_000)
    expect(report.servers).toEqual({ live: 2, applied: 2, refused: [], missing: [] })
    expect(report.sdks).toMatchObject({ known: 0, applied: 0, uncounted: true })
  })

  it('has not come to an instance that serves an older state', async () => {
    const { delivery, at, asked, isThere } = house()
    const { epoch, revision } = at()
    isThere({ epoch, revision: revision - 1 })
    const report = await delivery.settled(asked('kill f00', at()), 'sdks', 30)
    expect(report.servers).toEqual({
      live: 2,
      applied: 1,
      refused: [],
      missing: ['there'],
      addresses: { there: 'http://10.0.0.7:4000' },
    })
  })
})

describe('a kill that apps are counted for', () => {
  it('has not come to who was there before it and has not told of its apps, though it serves the state', async () => {
    const { delivery, at, asked, killed, isThere, says, clock } = house()
    killed(['f00'])
    isThere(at(), clock.time - 1)
    const silent = await delivery.settled(asked('kill f00', at()), 'sdks', 30)
    expect(silent.servers).toMatchObject({ live: 2, applied: 1, missing: ['there'] })
    says({ server: 'there', environments: { env_1: { ...at(), kills: { 'kill f00': counting(3) } } } })
    const whole = await delivery.settled(asked('kill f00', at()), 'sdks', 1_000)
    expect([whole.servers.applied, whole.sdks.known, whole.sdks.applied]).toEqual([2, 3, 3])
  })

  it('has come to who arrived after it, or where others may count no longer, by the state that it serves', async () => {
    const { delivery, at, asked, killed, isThere, clock } = house()
    killed(['f00'])
    isThere(at(), clock.time + 1)
    const servers = async () => (await delivery.settled(asked('kill f00', at()), 'sdks', 30)).servers
    expect(await servers()).toMatchObject({ live: 2, applied: 2, missing: [] })
    isThere(at(), clock.time - 1)
    clock.time += 300_001
    expect(await servers()).toMatchObject({ live: 2, applied: 2, missing: [] })
  })
})

describe('kills without a revision that a start found', () => {
  it('are served here, and no app is said to be counted for them', async () => {
    const { delivery, asked, starts } = house()
    starts(MANY)
    const report = await delivery.settled(asked('kill f00'), 'sdks', 30)
    expect(report.servers).toEqual({ live: 1, applied: 1, refused: [], missing: [] })
    expect(report.sdks).toMatchObject({ known: 0, applied: 0, uncounted: true })
    expect(readAccount(delivery.account())?.environments.env_1?.found).toHaveLength(50)
  })

  it('are served by whoever says that it found them', async () => {
    const { delivery, asked, at, starts, isThere, says } = house()
    starts(['f00'])
    isThere(at())
    const missing = await delivery.settled(asked('kill f00'), 'servers', 30)
    expect(missing.servers).toMatchObject({ live: 2, applied: 1, missing: ['there'] })
    says({ server: 'there', environments: { env_1: { ...at(), kills: {}, found: ['kill f00'] } } })
    const found = await delivery.settled(asked('kill f00'), 'servers', 1_000)
    expect(found.servers).toMatchObject({ live: 2, applied: 2, missing: [] })
  })
})

it('takes of two accounts of an instance the one that it gave last, wherever that stands', async () => {
  const { delivery, at, asked, killed, isThere, says } = house()
  killed(['f00'])
  isThere({ epoch: 1, revision: 0 })
  const kills = { 'kill f00': counting(0) }
  const [older, newer] = [
    { server: 'there', at: 1, environments: { env_1: { ...at(), kills: {} } } },
    { server: 'there', at: 2, environments: { env_1: { ...at(), kills } } },
  ]
  for (const accounts of [
    [older, newer],
    [newer, older],
  ]) {
    says(...accounts)
    const { servers } = await delivery.settled(asked('kill f00', at()), 'servers', 30)
    expect(servers).toMatchObject({ live: 2, applied: 2 })
  }
})

it('goes by what an instance said before where it does not answer in time, unless it has ended', async () => {
  const { delivery, at, asked, starts, isThere, says } = house()
  starts(['f00'])
  isThere(at())
  says({ server: 'there', environments: { env_1: { ...at(), kills: {}, found: ['kill f00'] } } })
  const serversNow = async () => (await delivery.settled(asked('kill f00'), 'sdks', 5)).servers
  expect(await serversNow()).toMatchObject({ live: 2, applied: 2 })
  says()
  expect(await serversNow()).toMatchObject({ live: 2, applied: 2 })
  isThere(undefined)
  expect(await serversNow()).toMatchObject({ live: 1, applied: 1 })
})

describe('the report of a kill', () => {
  it('can be waited for by many at once, and no listener is taken for a leak', async () => {
    const { delivery, killed, at, asked, isThere } = house()
    const warnings: Error[] = []
    const warned = (warning: Error) => warnings.push(warning)
    process.on('warning', warned)
    onTestFinished(() => void process.off('warning', warned))
    killed(['f00'])
    isThere({ epoch: 1, revision: 0 })
    await Promise.all(Array.from({ length: 40 }, () => delivery.settled(asked('kill f00', at()), 'sdks', 30)))
    expect(warnings).toEqual([])
  })

  it('is made for all who wait from what was read for one', async () => {
    const { delivery, killed, at, asked, isThere, reads } = house()
    killed(['f00'])
    isThere({ epoch: 1, revision: 0 })
    const looks = async (many: number) => {
      const before = reads()
      await Promise.all(
        Array.from({ length: many }, () => delivery.settled(asked('kill f00', at()), 'sdks', 300)),
      )
      return reads() - before - many
    }
    // But for each one's first look.
    const alone = await looks(1)
    expect(await looks(40)).toBeLessThanOrEqual(4 * alone)
  })

  it('looks through the SDKs for that kill alone, however many others are watched', async () => {
    const { delivery, killed } = house()
    for (const flag of MANY.slice(0, 10)) killed([flag])
    const looked = vi.spyOn(delivery.roster('env_1')!, 'all')
    await delivery.told({ environment: 'env_1', kill: 'kill f00' })
    expect(looked).toHaveBeenCalledOnce()
  })

  it('is looked for less often by who keeps it than by who waits for it', async () => {
    const { delivery, killed, at, asked, isThere, reads } = house()
    killed(['f00'])
    isThere({ epoch: 1, revision: 0 })
    delivery.follow(asked('kill f00', at()))
    await sleep(400)
    // At once, and after 250 ms; who waits has looked eight times by then.
    expect(reads()).toBeLessThanOrEqual(3)
  })

  it('is kept when the database is back, where it went away', async () => {
    const { delivery, killed, kept, at, asked, fails, losses } = house()
    killed(['f00'])
    fails(1)
    delivery.follow(asked('kill f00', at()))
    await vi.waitFor(() => expect(kept).toMatchObject([{ kill: 'kill f00' }]), 5_000)
    expect(losses).toEqual([])
  })

  it('is kept as it is by an instance that ends', async () => {
    const { delivery, killed, kept, at, asked, isThere } = house()
    isThere(at())
    killed(['f00'])
    delivery.follow(asked('kill f00', at()))
    await delivery.stop()
    expect(kept.map(({ report }) => JSON.parse(report).servers)).toEqual([
      { live: 2, applied: 1, refused: [], missing: ['there'], addresses: { there: 'http://10.0.0.7:4000' } },
    ])
  })
})

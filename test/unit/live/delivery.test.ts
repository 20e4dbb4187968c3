import type { Json } from '@halyard/sdk/core'
import { withPending } from '@halyard/sdk/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
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

/** How far kills have come, as an instance tells that knows of another one and shares no board with it. */
function house() {
  let held = heldEnvironment(started(Object.fromEntries(MANY.map((flag) => [`flag/${flag}`, boolean()]))))
  let failures = 0
  let other: { epoch: number; revision: number } | undefined
  const kept: { kill: string; report: string }[] = []
  const losses: unknown[] = []
  const delivery = createDelivery({
    board: undefined,
    direct: { all: async () => [] },
    presence: {
      own: () => ({ ...INSTANCE, id: 'here' }),
      known: async () => (other === undefined ? ['here'] : ['here', 'there']),
      seen: () => other && { instance: { ...INSTANCE, environments: { env_1: other } }, at: 0 },
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
    clock: new Clock(),
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
    isThere(serves: { epoch: number; revision: number }) {
      other = serves
    },
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

describe('the report of a kill', () => {
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

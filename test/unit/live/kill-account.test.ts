/**
 * A process that two instances know counts once, however it came to that: each of its ways is walked here, at
 * instances that tell each other what they account for.
 */
import { describe, expect, it } from 'vitest'
import {
  MOST_WAITING,
  reportOf,
  type SdksAccount,
  type ServerAccount,
} from '../../../server/live/delivery/account.ts'
import { createDelivery, type Delivery } from '../../../server/live/delivery/delivery.ts'
import type { Caller, Position } from '../../../server/live/delivery/roster.ts'
import { boolean, Clock, EPOCH, edited, started } from './support.ts'

const ENVIRONMENT = 'env_1'
const NEVER = new Promise<never>(() => {})

/** Instances, and the environment that all of them hold. */
function fleet(...ids: readonly string[]) {
  const clock = new Clock()
  let state = started({ 'flag/a': boolean() })
  let kills = 0
  const instances: ReadonlyMap<string, Delivery> = new Map(
    ids.map((self) => [
      self,
      createDelivery({
        board: undefined,
        direct: {
          all: async () =>
            [...instances].flatMap(([id, delivery]) => (id === self ? [] : [delivery.account()])),
        },
        presence: {
          own: () => ({ id: self, version: '1.0.0', since: 0, environments: {} }),
          known: async () => ids,
          seen: () => undefined,
        },
        held: () => state,
        refusal: () => undefined,
        store: { saveKillReport: () => NEVER, killReport: async () => undefined },
        onLoss: () => {},
        metrics: { acknowledgements: 0, observeKillApplied: () => {} },
        clock,
      }),
    ]),
  )
  const at = (id: string): Delivery => instances.get(id) as Delivery

  return {
    at,
    /** Seconds go by. */
    wait(seconds: number): void {
      clock.time += seconds * 1_000
    },
    now: (): Position => ({ epoch: state.epoch, revision: state.revision }),
    kill(): string {
      kills += 1
      const id = `kill-${kills}`
      const before = state
      state = edited(state, { 'kill/a': { id, at: new Date(clock.time).toISOString() } })
      for (const delivery of instances.values()) {
        delivery.changed({
          environment: ENVIRONMENT,
          after: state,
          before,
          delta: undefined,
          exposed: () => false,
        })
      }
      return id
    },
    /** What each instance reports of a kill; all the same, but for the order of names. */
    async report(kill: string) {
      const told = await Promise.all(
        [...instances.values()].map((delivery) => delivery.told({ environment: ENVIRONMENT, kill })),
      )
      const [first, ...others] = told.map((one) => {
        const { sdks, pollers } = one!.report
        const waiting = sdks.waiting.map(({ instance, revision, silentMs }) => [instance, revision, silentMs])
        return { known: sdks.known, applied: sdks.applied, waiting, polling: pollers.known }
      })
      for (const other of others) expect(other).toEqual(first)
      return first
    },
  }
}

const OLD: Position = { epoch: EPOCH, revision: 1 }

/** A process of an app, with an SDK that counts its streams, or with one that does not. */
function app(instance: string, counts = true) {
  let streams = 0
  let open = 0
  const caller = (stream: number): Caller => ({
    ...{ keyId: 'key', instance, page: false, app: 'shop', version: '1', sdk: 'node/1' },
    stream: counts ? stream : 0,
  })
  return {
    /** @returns the end of the stream, as the instance comes to know of it */
    opens(at: Delivery, holds: Position): () => void {
      streams += 1
      open = streams
      return at.opened(ENVIRONMENT, caller(open), holds)
    },
    /** Of a stream that it takes for dead. */
    gaveUp(): void {
      open = 0
    },
    polls: (at: Delivery, holds: Position | undefined) => at.asked(ENVIRONMENT, caller(open), holds),
    acknowledges: (at: Delivery, holds: Position) =>
      at.acknowledged(ENVIRONMENT, caller(open), { ...holds, afterMs: 0, kills: [] }),
    closes: (at: Delivery) => at.gone(ENVIRONMENT, caller(open)),
  }
}

describe.each([true, false])('a process with streams at two instances (it counts them: %s)', (counts) => {
  it('is waited for once, with what it said last, while it has not applied the kill', async () => {
    const { at, wait, kill, report } = fleet('A', 'B', 'C')
    const moving = app('moving', counts)
    moving.opens(at('A'), OLD)
    wait(300)
    // A still takes its stream for open.
    moving.opens(at('B'), OLD)
    wait(1)
    const id = kill()
    expect(await report(id)).toEqual({ known: 1, applied: 0, waiting: [['moving', 1, 1_000]], polling: 0 })
  })

  it('has applied it once it says so, wherever that is', async () => {
    // Of one that does not count them, A believes that it is where it speaks.
    for (const told of counts ? ['A', 'B', 'C'] : ['B', 'C']) {
      const { at, wait, kill, now, report } = fleet('A', 'B', 'C')
      const moving = app('moving', counts)
      moving.opens(at('A'), OLD)
      wait(300)
      moving.opens(at('B'), OLD)
      wait(1)
      const id = kill()
      moving.acknowledges(at(told), now())
      expect([told, await report(id)]).toEqual([told, { known: 1, applied: 1, waiting: [], polling: 0 }])
    }
  })

  it('counts once when it says at both that it has applied it', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B', 'C')
    const moving = app('moving', counts)
    const ended = moving.opens(at('A'), OLD)
    wait(300)
    moving.opens(at('B'), OLD)
    wait(1)
    const id = kill()
    moving.acknowledges(at('B'), now())
    moving.gaveUp()
    ended()
    moving.polls(at('A'), now())
    expect(await report(id)).toMatchObject({ known: 1, applied: 1 })
  })

  it('counts once when it goes to and fro', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B')
    const moving = app('moving', counts)
    let ended = () => {}
    for (const id of ['A', 'B', 'A', 'B', 'A']) {
      wait(5)
      ended()
      ended = moving.opens(at(id), OLD)
    }
    const id = kill()
    expect(await report(id)).toEqual({ known: 1, applied: 0, waiting: [['moving', 1, 0]], polling: 0 })
    for (const next of ['B', 'A', 'B']) {
      wait(5)
      ended()
      ended = moving.opens(at(next), now())
      expect([next, await report(id)]).toMatchObject([next, { known: 1, applied: 1, waiting: [] }])
    }
  })

  it('is waited for where it was, when it goes elsewhere after the kill without having applied it', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B')
    const moving = app('moving', counts)
    moving.opens(at('A'), OLD)
    wait(300)
    const id = kill()
    wait(1)
    moving.opens(at('B'), OLD)
    expect(await report(id)).toEqual({
      known: 1,
      applied: 0,
      waiting: [['moving', 1, 301_000]],
      polling: 0,
    })
    moving.acknowledges(at('B'), now())
    expect(await report(id)).toMatchObject({ known: 1, applied: 1, waiting: [] })
  })
})

describe('a process whose stream is dead, which its instance does not know', () => {
  it('has applied a kill that it got by asking another instance, and is no poller besides', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B')
    const asking = app('asking')
    asking.opens(at('A'), OLD)
    asking.gaveUp()
    for (let time = 0; time < 3; time++) {
      wait(10)
      asking.polls(at('B'), OLD)
    }
    const id = kill()
    expect(await report(id)).toMatchObject({ known: 1, applied: 0, polling: 0 })
    wait(10)
    asking.polls(at('B'), now())
    expect(await report(id)).toEqual({ known: 1, applied: 1, waiting: [], polling: 0 })
  })

  it('counts once when it asks there, and has its new stream at another', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B')
    const moving = app('moving')
    moving.opens(at('A'), OLD)
    wait(300)
    moving.gaveUp()
    const ended = moving.opens(at('B'), OLD)
    wait(1)
    const id = kill()
    moving.acknowledges(at('B'), now())
    moving.gaveUp()
    ended()
    // Without a word of any stream.
    moving.polls(at('A'), now())
    expect(await report(id)).toMatchObject({ known: 1, applied: 1, waiting: [] })
  })

  it('is not waited for any more when it closed, whichever instance it told', async () => {
    const { at, wait, kill, report } = fleet('A', 'B')
    const moving = app('moving')
    moving.opens(at('B'), OLD)
    wait(5)
    moving.opens(at('A'), OLD)
    moving.closes(at('B'))
    wait(60)
    expect(await report(kill())).toMatchObject({ known: 0, applied: 0, waiting: [] })
  })
})

describe('a process whose stream has been dead for long', () => {
  it('counts once when instances have read whom the others wait for', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B', 'C')
    const moving = app('moving')
    moving.opens(at('A'), OLD)
    moving.opens(at('B'), OLD)
    wait(600)
    const id = kill()
    moving.acknowledges(at('B'), now())
    await at('B').told({ environment: ENVIRONMENT, kill: id })
    expect(await report(id)).toEqual({ known: 1, applied: 1, waiting: [], polling: 0 })
  })

  it('counts once, though it has applied the kill there, and asked long ago where its stream is now', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B')
    const moving = app('moving')
    moving.polls(at('B'), undefined)
    moving.opens(at('A'), OLD)
    wait(100)
    const id = kill()
    wait(1)
    moving.acknowledges(at('A'), now())
    moving.gaveUp()
    wait(60)
    moving.opens(at('B'), now())
    await report(id).catch(() => undefined)
    await at('A').told({ environment: ENVIRONMENT, kill: id })
    expect(await report(id)).toEqual({ known: 1, applied: 1, waiting: [], polling: 0 })
  })

  it('counts once, though its SDK does not count its streams, and speaks where it was', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B', 'C')
    const moving = app('moving', false)
    moving.opens(at('A'), OLD)
    moving.opens(at('B'), OLD)
    wait(1)
    const id = kill()
    moving.acknowledges(at('A'), now())
    await at('A').told({ environment: ENVIRONMENT, kill: id })
    expect(await report(id)).toEqual({ known: 1, applied: 1, waiting: [], polling: 0 })
  })
})

describe('a process that left an instance', () => {
  it('is not waited for there by later kills because an earlier one still does', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B')
    const moving = app('moving')
    const ended = moving.opens(at('A'), OLD)
    const first = kill()
    ended()
    moving.opens(at('B'), now())
    for (let time = 0; time < 20; time++) {
      wait(15)
      at('A')
        .roster(ENVIRONMENT)!
        .prune(0, () => true)
    }
    const second = kill()
    wait(1)
    expect(await report(first)).toMatchObject({ known: 1, applied: 1 })
    expect(await report(second)).toMatchObject({ known: 1, applied: 0 })
    moving.acknowledges(at('B'), now())
    expect(await report(second)).toMatchObject({ known: 1, applied: 1, waiting: [] })
    // Back where it was: still one of those whom both kills had to reach.
    moving.opens(at('A'), now())
    expect(await report(first)).toMatchObject({ known: 1, applied: 1 })
    expect(await report(second)).toMatchObject({ known: 1, applied: 1, waiting: [] })
  })

  it('is not left out of a kill that was made before it went, and came back', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B')
    const moving = app('moving')
    const ended = moving.opens(at('A'), OLD)
    wait(1)
    const id = kill()
    wait(1)
    ended()
    moving.opens(at('B'), OLD)()
    moving.polls(at('A'), OLD)
    moving.gaveUp()
    wait(1)
    moving.opens(at('A'), OLD)
    expect(await report(id)).toMatchObject({ known: 1, applied: 0, waiting: [['moving', 1, 0]] })
    moving.acknowledges(at('A'), now())
    expect(await report(id)).toMatchObject({ known: 1, applied: 1, waiting: [] })
  })
})

describe('behind a load balancer', () => {
  it('a process whose acknowledgements reach another instance is no poller there', async () => {
    const { at, wait, kill, now, report } = fleet('A', 'B')
    const one = app('one')
    one.polls(at('B'), undefined)
    one.opens(at('A'), OLD)
    wait(200)
    const id = kill()
    wait(1)
    one.acknowledges(at('B'), now())
    expect(await report(id)).toEqual({ known: 1, applied: 1, waiting: [], polling: 0 })
  })

  it('accounts name nobody of those who stay where they began', async () => {
    const { at, wait, kill, now } = fleet('A', 'B')
    const all = Array.from({ length: 100 }, (_, n) => app(`app-${n}`))
    for (const one of all) {
      one.polls(at('B'), undefined)
      one.opens(at('A'), OLD)
    }
    wait(5)
    const id = kill()
    for (const one of all) one.acknowledges(at('A'), now())
    const { sdks } = JSON.parse(at('A').account()).environments[ENVIRONMENT].kills[id]
    expect(sdks).toMatchObject({ known: 100, applied: 100, waiting: [], moved: [], arrived: [] })
  })
})

describe('what instances account for', () => {
  const named = (instance: string, epoch: number, revision: number, silentMs: number) => ({
    ...{ app: 'shop', version: '1', instance, epoch, revision, silentMs },
  })
  const said = (server: string, sdks: Partial<SdksAccount>): ServerAccount => {
    const nothing = { known: 0, applied: 0, waiting: [], latencies: {}, arrived: [], moved: [], closed: [] }
    const pollers = { known: 0, applied: 0, worstCaseMs: 0 }
    const kills = { kill: { sdks: { ...nothing, ...sdks }, pollers } }
    return { server, environments: { [ENVIRONMENT]: { epoch: 2, revision: 3, kills } } }
  }
  const together = (...accounts: readonly ServerAccount[]) =>
    reportOf(ENVIRONMENT, 'kill', undefined, [], accounts).sdks

  it('names of one that is waited for the newest state, and when it was heard last', () => {
    const accounts = [
      said('A', { known: 1, waiting: [named('one', 1, 90, 1_000)] }),
      said('B', { known: 1, waiting: [named('one', 2, 3, 5_000)] }),
    ]
    for (const all of [accounts, accounts.toReversed()]) {
      expect(together(...all)).toEqual({ known: 1, applied: 0, waiting: [named('one', 2, 3, 1_000)] })
    }
  })

  it('adds up where more are waited for than are named', () => {
    const waiting = Array.from({ length: MOST_WAITING }, (_, n) => named(`app-${n}`, 1, 1, n))
    const sdks = together(
      said('A', { known: 1_500, applied: 100, waiting }),
      said('B', { known: 3, applied: 2, waiting: [named('app-7', 1, 1, 0)], moved: ['app-8'] }),
    )
    // Of those of B two are also A's; one of them has applied it.
    expect([sdks.known, sdks.applied, sdks.waiting.length]).toEqual([1_501, 102, MOST_WAITING - 1])
  })

  it('is read of instances of an older version, which name whoever came without a word of what it holds', () => {
    const { closed: _, ...older } = said('B', {}).environments[ENVIRONMENT]!.kills.kill!.sdks
    const old = said('B', {})
    Object.assign(old.environments[ENVIRONMENT]!.kills.kill!, {
      sdks: { ...older, known: 1, applied: 1, moved: ['one'] },
    })
    const sdks = together(said('A', { known: 1, waiting: [named('one', 1, 1, 0)] }), old)
    expect(sdks).toEqual({ known: 1, applied: 1, waiting: [] })
  })
})

import { apply, compareStates, type Delta, type State } from '@halyard/sdk/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { createRing } from '../../../server/live/ring.ts'
import { createStreams } from '../../../server/live/streams.ts'
import { boolean, Clock, heldEnvironment, moved, Peer, settled, started } from './support.ts'

/** What an SDK does: it applies deltas, fetches the whole when told to, and takes nothing older than it has. */
class Follower {
  readonly peer = new Peer()
  state: State
  #read = 0
  constructor(state: State) {
    this.state = state
  }

  read(whole: () => State): void {
    const events = this.peer.events
    for (const { event, data } of events.slice(this.#read)) {
      if (event === 'reload' && compareStates(JSON.parse(data), this.state) > 0) this.state = whole()
      if (event !== 'delta') continue
      const delta = JSON.parse(data) as Delta
      // A fetch of the whole may have been sooner than the delta.
      if (compareStates(delta, this.state) <= 0) continue
      const next = apply(this.state, delta)
      if ('refused' in next) throw new Error(`refused: ${next.refused}`)
      expect(compareStates(next, this.state)).toBeGreaterThan(0)
      this.state = next
    }
    this.#read = events.length
  }
}

const flag = fc.constantFrom('flag/a', 'flag/b', 'flag/c', 'segment/s', 'members/s/00', 'kill/a')
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ edit: fc.dictionary(flag, fc.option(fc.nat(3)), { minKeys: 1 }) }) },
  { weight: 2, arbitrary: fc.record({ slow: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ drain: fc.nat(2), silently: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ reconnect: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ second: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ large: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ epoch: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ turn: fc.constant(true) }) },
)

it('whatever is edited and however slowly peers read, what a stream delivers leads to the newest state', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const ring = createRing({ links: 4, bytes: 2 ** 20, allBytes: 2 ** 20 })
      const streams = createStreams({
        ring,
        clock: new Clock(),
        random: () => 0,
        metrics: createLiveMetrics(),
        limits: { maxStreams: 10 },
        onFailure: (cause) => {
          throw cause
        },
      })
      let held = heldEnvironment(started())
      const connect = (state: State) => {
        const follower = new Follower(state)
        const stream = streams.openServer(held, 'k1', `${state.epoch}-${state.revision}`, follower.peer)
        return { follower, stream }
      }
      const clients = [connect(held.state), connect(held.state), connect(held.state)]
      const edit = (edits: Parameters<typeof moved>[1]) => {
        const before = held
        const { after, delta } = moved(before, edits)
        held = after
        ring.append(held.id, delta)
        streams.moved(after, before, delta)
      }
      for (const doing of steps) {
        if ('edit' in doing) {
          edit(
            Object.fromEntries(
              Object.entries(doing.edit).map(([name, on]) => [
                name,
                on === null ? null : definition(name, on),
              ]),
            ),
          )
        }
        if ('large' in doing)
          edit({ 'flag/a': boolean({ variants: { on: true, off: false, note: 'x'.repeat(2 ** 18) } }) })
        if ('slow' in doing) clients[doing.slow]!.follower.peer.reads = false
        if ('drain' in doing) clients[doing.drain]!.follower.peer.drain(doing.silently)
        if ('second' in doing) streams.tick()
        if ('turn' in doing) await settled(2)
        if ('reconnect' in doing) {
          const { follower, stream } = clients[doing.reconnect]!
          follower.read(() => held.state)
          stream.close()
          clients[doing.reconnect] = connect(follower.state)
        }
        if ('epoch' in doing) {
          const before = held
          held = heldEnvironment({ ...held.state, epoch: held.state.epoch + 1 })
          ring.clear(held.id)
          streams.moved(held, before, undefined)
        }
      }
      await settled()
      for (const { follower } of clients) follower.peer.drain(true)
      streams.tick()
      await settled()
      for (const { follower } of clients) {
        follower.read(() => held.state)
        expect(follower.state).toMatchObject({ epoch: held.state.epoch, revision: held.state.revision })
        expect(follower.state.digest).toBe(held.state.digest)
        expect(follower.state.entries).toEqual(held.state.entries)
      }
      streams.endAll()
    }),
    { numRuns: 150 },
  )
}, 60_000)

function definition(name: string, on: number) {
  if (name.startsWith('flag/')) return boolean({ enabled: on > 1 })
  if (name.startsWith('segment/')) return { by: 'targetingKey', when: null }
  if (name.startsWith('members/')) return { included: [`unit-${on}`], excluded: [] }
  return { id: `kill-${on}`, by: 'ann', at: '2027-01-01T00:00:00Z' }
}

import { apply, murmur3, type State } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { createRing } from '../../../server/live/ring.ts'
import { BEAT_SECONDS, createStreams } from '../../../server/live/streams.ts'
import { boolean, Clock, EPOCH, heldEnvironment, moved, Peer, settled, started } from './support.ts'

/** Streams over one environment that the test edits. */
function harbour(maxStreams = 100) {
  const clock = new Clock()
  const ring = createRing()
  const metrics = createLiveMetrics()
  const failures: unknown[] = []
  const streams = createStreams({
    ring,
    clock,
    random: () => 0.5,
    metrics,
    limits: { maxStreams },
    onFailure: (cause) => failures.push(cause),
  })
  let held = heldEnvironment(started({ 'flag/a': boolean() }))
  return {
    streams,
    clock,
    metrics,
    failures,
    get held() {
      return held
    },
    edit(edits: Parameters<typeof moved>[1], ackWithinMs?: number) {
      const before = held
      const { after, delta } = moved(before, edits)
      held = after
      ring.append(after.id, delta)
      streams.moved(after, before, delta, ackWithinMs)
    },
    hold(state: State) {
      const before = held
      held = heldEnvironment(state)
      if (before.state.revision !== state.revision) ring.clear(held.id)
      streams.moved(held, before, undefined)
    },
    open(lastEventId: string | undefined, peer = new Peer()) {
      return { peer, stream: streams.openServer(held, 'k1', lastEventId, peer) }
    },
    /** As a heartbeat of all streams. */
    beat() {
      for (let second = 0; second < BEAT_SECONDS; second++) streams.tick()
    },
  }
}

const at = (revision: number, epoch = EPOCH) => `${epoch}-${revision}`

describe('a server SDK’s stream, at once after connecting', () => {
  it('sends a heartbeat to a client that is current', () => {
    const { open } = harbour()
    expect(open(at(1)).peer.events).toMatchObject([
      { event: 'heartbeat', data: `{"epoch":${EPOCH},"revision":1}` },
    ])
  })

  it('sends one merged delta to a client that the history reaches', () => {
    const { open, edit, held } = harbour()
    edit({ 'flag/a': null })
    edit({ 'flag/b': boolean() })
    const [only, ...more] = open(`${at(1)}-00c0ffee`).peer.events
    expect(more).toEqual([])
    expect(apply(held.state, JSON.parse(only!.data))).toMatchObject({ revision: 3 })
  })

  it('tells a client to fetch the whole that it does not reach, that is of an older epoch, or that holds nothing', () => {
    const { open } = harbour()
    for (const id of [at(0), at(1, EPOCH - 5), undefined, '', 'nonsense', '-1-1', `${'9'.repeat(200)}-1`]) {
      expect(open(id).peer.names).toEqual(['reload'])
    }
  })

  it('sends a heartbeat to a client that is ahead, and nothing until it has caught up', async () => {
    const { open, edit } = harbour()
    const { peer, stream } = open(at(3))
    expect(stream.ahead).toBe(true)
    for (const expected of [['heartbeat'], ['heartbeat'], ['heartbeat', 'delta']]) {
      edit({ 'flag/b': boolean({ enabled: expected.length > 1 }) })
      await settled()
      if (expected.length === 1) expect(peer.names).toEqual(expected)
    }
    expect(peer.names).toEqual(['heartbeat', 'delta'])
    expect(JSON.parse(peer.events[1]!.data)).toMatchObject({ base: 3, revision: 4 })
  })
})

describe('a server SDK’s stream', () => {
  it('names the state and the hash of the data in every event’s id', async () => {
    const { open, edit, beat, streams } = harbour()
    const { peer } = open(at(1))
    edit({ 'flag/b': boolean() })
    await settled()
    beat()
    await streams.drain()
    expect(peer.names).toEqual(['heartbeat', 'delta', 'heartbeat', 'goodbye'])
    for (const { id, data } of peer.events) {
      const [epoch, revision, hash] = id.split('-')
      expect(hash).toBe(murmur3(data, 0).toString(16).padStart(8, '0'))
      expect([Number(epoch), Number(revision)]).toEqual([EPOCH, expect.any(Number)])
    }
    expect(peer.events[1]!.id).toMatch(new RegExp(`^${EPOCH}-2-`))
  })

  it('asks clients what they hold, each after it got what it lacks, and not those that do not read', async () => {
    const { open, streams, held } = harbour()
    const { peer } = open(at(1))
    const slow = new Peer()
    slow.reads = false
    open(at(1), slow)
    streams.ask(held.id, 40)
    await settled()
    expect(peer.names).toEqual(['heartbeat', 'ask'])
    expect(JSON.parse(peer.events[1]!.data)).toEqual({ ackWithinMs: 40 })
    expect(slow.names).toEqual(['heartbeat'])
  })

  it('shares one frame among all streams that need the same', async () => {
    const { open, edit, metrics } = harbour()
    const peers = Array.from({ length: 50 }, () => open(at(1)).peer)
    edit({ 'flag/b': boolean() })
    await settled()
    expect(metrics.framesBuilt).toBe(2)
    expect(metrics.framesSent).toBe(100)
    for (const { frames } of peers) expect(frames[1]).toBe(peers[0]!.frames[1])
  })

  it('reaches those served before a change that comes while the others are being served', async () => {
    const { open, edit } = harbour(1_000)
    const peers = Array.from({ length: 600 }, () => open(at(1)).peer)
    edit({ 'flag/b': boolean() })
    await settled(1)
    expect(new Set(peers.map(({ frames }) => frames.length))).toEqual(new Set([1, 2]))
    edit({ 'flag/b': null })
    await settled()
    for (const { events } of peers) expect(JSON.parse(events.at(-1)!.data).revision).toBe(3)
  })

  it('sends a reload instead of a delta above 256 KiB', async () => {
    const { open, edit } = harbour()
    const { peer } = open(at(1))
    edit({ 'flag/b': boolean({ variants: { on: true, off: false, note: 'x'.repeat(256 * 1024) } }) })
    await settled()
    edit({ 'flag/c': boolean() })
    await settled()
    expect(peer.names).toEqual(['heartbeat', 'reload', 'delta'])
    expect(JSON.parse(peer.events[2]!.data)).toMatchObject({ base: 2, revision: 3 })
  })

  it('sends a reload when a state of another epoch was taken whole', async () => {
    const { open, hold, held } = harbour()
    const { peer } = open(at(1))
    hold({ ...held.state, epoch: EPOCH + 9 })
    await settled()
    expect(peer.events[1]).toMatchObject({ event: 'reload', data: `{"epoch":${EPOCH + 9},"revision":1}` })
  })

  it('never sends a heartbeat ahead of the delta that leads to its state', () => {
    const { open, edit, beat } = harbour()
    const { peer } = open(at(1))
    edit({ 'flag/b': boolean() })
    beat()
    expect(peer.names).toEqual(['heartbeat', 'delta', 'heartbeat'])
  })

  it('beats once in every 15 seconds, and not all streams in the same one', () => {
    const { open, streams } = harbour()
    const peers = Array.from({ length: BEAT_SECONDS * 2 }, () => open(at(1)).peer)
    const sent: number[] = []
    for (let second = 0; second < BEAT_SECONDS; second++) {
      const before = peers.reduce((sum, { frames }) => sum + frames.length, 0)
      streams.tick()
      sent.push(peers.reduce((sum, { frames }) => sum + frames.length, 0) - before)
    }
    expect(sent).toEqual(Array(BEAT_SECONDS).fill(2))
  })

  it('sends pending kills whole when they change, and to whoever connects while there are any', async () => {
    const { open, hold, held } = harbour()
    const { peer } = open(at(1))
    const pending = new Map([['a', [{ id: 'x1', by: 'ann', at: '2027-01-01T00:00:00Z' }]]])
    hold({ ...held.state, pending, endedKills: new Set(['x0']) })
    await settled()
    const data = { pending: Object.fromEntries(pending), endedKills: ['x0'] }
    expect(peer.names).toEqual(['heartbeat', 'pending'])
    expect(JSON.parse(peer.events[1]!.data)).toEqual(data)
    const late = open(at(1)).peer
    expect(late.names).toEqual(['heartbeat', 'pending'])
    expect(late.frames[1]).toBe(peer.frames[1])
  })

  it('names kills that are over once to each client, and all of them to whoever missed some', async () => {
    const room = harbour()
    const kill = (id: string) => new Map([['a', [{ id, by: 'ann', at: '2027-01-01T00:00:00Z' }]]])
    const ended = (peer: Peer) =>
      peer.events.flatMap(({ event, data }) => (event === 'pending' ? [JSON.parse(data).endedKills] : []))
    const hold = async (id: string, endedKills: string[]) => {
      room.hold({ ...room.held.state, pending: kill(id), endedKills: new Set(endedKills) })
      await settled()
    }
    const steady = room.open(at(1)).peer
    await hold('x1', ['x0'])
    const slow = room.open(at(1)).peer
    slow.reads = false
    await hold('x2', ['x0', 'x1'])
    await hold('x3', ['x0', 'x1', 'x2'])
    const late = room.open(at(1)).peer
    await hold('x4', ['x1', 'x2', 'x3'])
    slow.drain()
    expect(ended(steady)).toEqual([['x0'], ['x1'], ['x2'], ['x3']])
    expect(ended(late)).toEqual([['x0', 'x1', 'x2'], ['x3']])
    expect(ended(slow)).toEqual([['x0'], ['x1'], ['x1', 'x2', 'x3']])
  })

  it('asks whoever is led past a kill to acknowledge it, for ten seconds, whatever was edited since', () => {
    const { open, edit, clock } = harbour()
    const asks = (revision: number): unknown =>
      JSON.parse(open(at(revision)).peer.events[0]!.data).ackWithinMs
    open(at(1))
    edit({ 'kill/a': {} }, 500)
    edit({ 'flag/b': boolean() })
    expect([asks(1), asks(2)]).toEqual([500, undefined])
    clock.time += 10_001
    edit({ 'flag/c': boolean() })
    expect(asks(1)).toBeUndefined()
  })

  it('ends with its environment, and when its key is no longer in force', () => {
    const { open, streams } = harbour()
    const first = open(at(1)).peer
    streams.sweep(() => true)
    expect(first.ended).toBe(false)
    streams.sweep((environment, key) => environment !== 'env_1' || key !== 'k1')
    expect(first.ended).toBe('gracefully')
    const second = open(at(1)).peer
    streams.closed('env_1')
    expect(second.ended).toBe('gracefully')
    expect(streams.counts()).toEqual({ server: 0, refetch: 0 })
  })

  it('says goodbye before a drain, with a retry spread over clients, and admits no more', async () => {
    const { open, streams } = harbour()
    const { peer } = open(at(1))
    await streams.drain()
    expect(peer.events.at(-1)).toMatchObject({ event: 'goodbye', data: '{"retryMs":600}', retry: '600' })
    expect(peer.ended).toBe('gracefully')
    expect(() => open(at(1))).toThrow('going away')
  })

  it('is not admitted beyond the limit, until another has gone', () => {
    const { open, metrics } = harbour(2)
    const { stream } = open(at(1))
    open(at(1))
    expect(() => open(at(1))).toThrow(expect.objectContaining({ type: 'unavailable' }))
    expect(metrics.streamsRefused.instance).toBe(1)
    stream.close()
    stream.close()
    expect(open(at(1)).peer.names).toEqual(['heartbeat'])
    expect(() => open(at(1))).toThrow()
  })
})

describe('where many streams are open', () => {
  /** More than a slice of them, each of which takes a second to be told. */
  function many() {
    const room = harbour(1_000)
    const peers = Array.from({ length: 300 }, () => room.open(at(1)).peer)
    for (const peer of peers) {
      const write = peer.write.bind(peer)
      peer.write = (frame) => {
        room.clock.time += 1_000
        return write(frame)
      }
    }
    return { room, peers }
  }

  it('what is edited soon after an edit waits, but neither a kill nor one that is not written yet does', async () => {
    const { room, peers } = many()
    const last = () => peers.at(-1)?.names
    room.edit({ 'flag/b': boolean() })
    await settled()
    room.edit({ 'flag/c': boolean() })
    await settled()
    expect(last()).toEqual(['heartbeat', 'delta'])
    room.edit({ 'kill/a': {} }, 500)
    await settled()
    expect(last()).toEqual(['heartbeat', 'delta', 'delta'])
    const pending = new Map([['b', [{ id: 'x1', by: 'ann', at: '2027-01-01T00:00:00Z' }]]])
    room.hold({ ...room.held.state, pending })
    await settled()
    expect(last()).toEqual(['heartbeat', 'delta', 'delta', 'pending'])
  })
})

describe('a peer that reads slowly', () => {
  it('is sent nothing until it has read, and then all that it missed as one', async () => {
    const { open, edit, beat } = harbour()
    const { peer } = open(at(1))
    peer.reads = false
    for (const enabled of [true, false, true]) {
      edit({ 'flag/b': boolean({ enabled }) })
      await settled()
    }
    beat()
    expect(peer.names).toEqual(['heartbeat', 'delta'])
    peer.drain()
    expect(peer.names).toEqual(['heartbeat', 'delta', 'delta'])
    expect(JSON.parse(peer.events[2]!.data)).toMatchObject({ base: 2, revision: 4 })
    expect(peer.drainHandlers).toBe(1)
  })

  it('is served when nothing tells of the drain but the bytes that are gone', async () => {
    const { open, edit, streams } = harbour()
    const { peer } = open(at(1))
    peer.reads = false
    edit({ 'flag/b': boolean() })
    await settled()
    edit({ 'flag/c': boolean() })
    peer.drain(true)
    streams.tick()
    expect(peer.names.slice(0, 3)).toEqual(['heartbeat', 'delta', 'delta'])
  })

  it('is dropped after 30 seconds, or with more than a mebibyte unread', async () => {
    const { open, edit, streams, clock, metrics } = harbour()
    const peers = [open(at(1)).peer, open(at(1)).peer]
    for (const peer of peers) peer.reads = false
    edit({ 'flag/b': boolean() })
    await settled()
    peers[1]!.pendingBytes = () => 2 ** 20 + 1
    streams.tick()
    expect(peers.map(({ ended }) => ended)).toEqual([false, 'abruptly'])
    clock.time += 30_001
    streams.tick()
    expect(peers.map(({ ended }) => ended)).toEqual(['abruptly', 'abruptly'])
    expect(metrics.streamsDropped).toBe(2)
  })

  it('harms no other when its writing fails', async () => {
    const { open, edit, failures, streams } = harbour()
    const broken = open(at(1)).peer
    const { peer } = open(at(1))
    broken.write = () => {
      throw new Error('EPIPE')
    }
    edit({ 'flag/b': boolean() })
    await settled()
    expect(peer.names).toEqual(['heartbeat', 'delta'])
    expect(failures).toHaveLength(1)
    expect(streams.counts().server).toBe(1)
  })
})

import { type Json, type Kill, withPending } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { createRing } from '../../../server/live/ring.ts'
import { BEAT_SECONDS, createStreams } from '../../../server/live/streams.ts'
import { boolean, Clock, EPOCH, heldEnvironment, moved, Peer, settled, started } from './support.ts'

const inSegment = (segment: string): Json => [
  { id: 'r1', when: { not: { any: [{ segment }] } }, serve: { variant: 'off' } },
]
const segment = (when: Json = null): Json => ({ by: 'targetingKey', when })
const kill: Json = { id: 'x1', by: 'ann', at: '2027-01-01T00:00:00Z' }

/** `seen` is a browser's flag; it requires `base`, and looks at `staff`, which looks at `people`. */
const ENVIRONMENT = {
  'flag/seen': boolean({
    visibility: 'client',
    prerequisites: [{ flag: 'base', variants: ['on'] }],
    rules: inSegment('staff'),
  }),
  'flag/base': boolean({ rules: inSegment('beta') }),
  'flag/hidden': boolean({ rules: inSegment('other') }),
  'segment/staff': segment({ segment: 'people' }),
  'segment/people': segment(),
  'segment/beta': segment(),
  'segment/other': segment(),
  'members/people/0a': { included: ['u1'], excluded: [] },
  'members/other/0a': { included: ['u1'], excluded: [] },
}

function harbour(
  edits: Readonly<Record<string, Json>> = ENVIRONMENT,
  changedAgo = 3_600_000,
  maxStreams = 100,
  pending: (now: number) => Readonly<Record<string, readonly Kill[]>> = () => ({}),
) {
  const clock = new Clock()
  const streams = createStreams({
    ring: createRing(),
    clock,
    random: () => 0.5,
    metrics: createLiveMetrics(),
    limits: { maxStreams },
    onFailure: (cause) => {
      throw cause
    },
  })
  const state = withPending(started(edits), pending(clock.time), [])
  let held = heldEnvironment(state, undefined, clock.time - changedAgo)
  return {
    streams,
    clock,
    async edit(next: Readonly<Record<string, Json>>) {
      const before = held
      const { after, delta } = moved(before, next, clock.time)
      held = after
      streams.moved(after, before, delta)
      await settled()
    },
    open(scope: 'server' | 'client', lastEventId?: string, peer = new Peer()) {
      return { peer, stream: streams.openRefetch(held, 'k1', scope, lastEventId, peer) }
    },
  }
}

/** The messages that a browser would be handed. */
const messages = (peer: Peer) => peer.events.filter(({ data }) => data !== '')

describe('a refetch stream', () => {
  it('shows at once that it is open, with the id of the state, and no message', () => {
    const { peer } = harbour().open('client')
    expect(peer.frames[0]!.toString()).toBe(`: halyard\nid: ${EPOCH}-1\n\n`)
    expect(messages(peer)).toEqual([])
  })

  it('tells browsers to ask again, in the words of OFREP', async () => {
    const { open, edit, clock } = harbour()
    const { peer } = open('client')
    await edit({ 'flag/seen': boolean({ visibility: 'client' }) })
    const [{ event, id, data }] = messages(peer) as [ReturnType<typeof messages>[number]]
    expect(event).toBe('')
    expect(id).toBe(`${EPOCH}-2`)
    expect(JSON.parse(data)).toEqual({
      type: 'refetchEvaluation',
      etag: `"${EPOCH}-2"`,
      lastModified: clock.time / 1000,
    })
  })

  const exposed: readonly [string, Readonly<Record<string, Json>>][] = [
    ['the flag itself', { 'flag/seen': null }],
    ['a flag that it requires', { 'flag/base': boolean({ enabled: false }) }],
    ['a kill of a flag that it requires', { 'kill/base': kill }],
    ['a segment that a rule names', { 'segment/staff': segment() }],
    ['a segment within a segment', { 'segment/people': segment({ segment: 'beta' }) }],
    ['the members of a segment within a segment', { 'members/people/0a': null }],
    ['members of it that are new', { 'members/people/ff': { included: ['u2'], excluded: [] } }],
    ['a segment of a flag that it requires', { 'segment/beta': segment({ segment: 'other' }) }],
    ['a flag that becomes visible', { 'flag/hidden': boolean({ visibility: 'client' }) }],
    ['a new visible flag', { 'flag/new': boolean({ visibility: 'client' }) }],
    ['something of a kind that is not known here', { 'hologram/x': 1 }],
  ]
  it.each(exposed)('tells browsers of a change of %s', async (_name, change) => {
    const { open, edit } = harbour()
    const [browser, server] = [open('client').peer, open('server').peer]
    await edit(change)
    expect(messages(browser)).toHaveLength(1)
    expect(messages(server)).toHaveLength(1)
  })

  const concealed: readonly [string, Readonly<Record<string, Json>>][] = [
    ['a flag of servers', { 'flag/hidden': boolean({ enabled: false }) }],
    ['a kill of it', { 'kill/hidden': kill }],
    ['a segment that only it names', { 'segment/other': segment({ segment: 'beta' }) }],
    ['the members of that', { 'members/other/0a': null }],
    ['a new flag of servers', { 'flag/new': boolean() }],
    ['a segment that nobody names yet', { 'segment/new': segment() }],
  ]
  it.each(concealed)('tells servers, and not browsers, of a change of %s', async (_name, change) => {
    const { open, edit } = harbour()
    const [browser, server] = [open('client').peer, open('server').peer]
    await edit(change)
    expect(messages(browser)).toEqual([])
    expect(messages(server)).toHaveLength(1)
  })

  it('follows what a visible flag depends on as it changes', async () => {
    const { open, edit } = harbour()
    const { peer } = open('client')
    await edit({ 'flag/seen': boolean({ visibility: 'client', rules: inSegment('other') }) })
    await edit({ 'members/other/0a': null })
    expect(messages(peer)).toHaveLength(2)
    await edit({ 'segment/staff': null })
    expect(messages(peer)).toHaveLength(2)
  })

  it('tells a browser that comes back what it missed, and only if it missed something', async () => {
    const { open, edit } = harbour()
    open('client')
    await edit({ 'flag/hidden': boolean({ enabled: false }) })
    expect(messages(open('client', `${EPOCH}-1`).peer)).toEqual([])
    await edit({ 'flag/seen': null })
    expect(messages(open('client', `${EPOCH}-2`).peer)).toHaveLength(1)
    expect(messages(open('client', `${EPOCH}-3`).peer)).toEqual([])
    expect(messages(open('client', `${EPOCH - 1}-900`).peer)).toHaveLength(1)
    expect(messages(open('client', `${EPOCH}-3+deadbeef`).peer)).toHaveLength(1)
  })

  it('tells a browser that comes for the first time of a change that it may just have missed', () => {
    expect(messages(harbour(ENVIRONMENT, 30_000).open('client').peer)).toHaveLength(1)
    expect(messages(harbour(ENVIRONMENT, 90_000).open('client').peer)).toEqual([])
  })

  it('tells when a dated rule turns, once', async () => {
    const turn = 1_800_000_060_000
    const when = { attribute: '$now', op: 'after', values: [turn] }
    const dated = boolean({ visibility: 'client', rules: [{ id: 'r1', when, serve: { variant: 'off' } }] })
    const { open, streams, clock } = harbour({ 'flag/dated': dated })
    const { peer } = open('client')
    const before = peer.events[0]!.id
    streams.tick()
    await settled()
    expect(messages(peer)).toEqual([])
    clock.time = turn + 1_000
    streams.tick()
    streams.tick()
    await settled()
    expect(messages(peer)).toHaveLength(1)
    const after = messages(peer)[0]!.id
    expect(messages(open('client', before).peer)).toHaveLength(1)
    expect(messages(open('client', after).peer)).toEqual([])
  })

  it('tells whoever connects first soon after a dated rule has turned, or a kill came that is in no log yet', () => {
    const turn = 1_800_000_060_000
    const when = { attribute: '$now', op: 'after', values: [turn] }
    const dated = boolean({ visibility: 'client', rules: [{ id: 'r1', when, serve: { variant: 'off' } }] })
    for (const [late, told] of [
      [1_000, 1],
      [61_000, 0],
    ] as const) {
      const { open, clock } = harbour({ 'flag/dated': dated })
      clock.time = turn + late
      expect(messages(open('client').peer)).toHaveLength(told)
      const killed = harbour(ENVIRONMENT, 3_600_000, 100, (now) => ({
        seen: [{ id: 'x1', by: 'ann', at: new Date(now - late).toISOString() }],
      }))
      expect(messages(killed.open('client').peer)).toHaveLength(told)
    }
  })

  it('tells when a dated rule turns back, since the clock was set back, and when it turns again', async () => {
    const turn = 1_800_000_060_000
    const when = { attribute: '$now', op: 'after', values: [turn] }
    const dated = boolean({ visibility: 'client', rules: [{ id: 'r1', when, serve: { variant: 'off' } }] })
    const { open, streams, clock } = harbour({ 'flag/dated': dated })
    const { peer } = open('client')
    const before = clock.time
    for (const [told, now] of [turn + 1_000, before, turn + 1_000].entries()) {
      clock.time = now
      streams.tick()
      streams.tick()
      await settled()
      expect(messages(peer)).toHaveLength(told + 1)
    }
  })

  it('does not tell browsers when a rule turns that is not theirs', async () => {
    const turn = 1_800_000_060_000
    const when = { attribute: '$now', op: 'after', values: [turn] }
    const dated = boolean({ rules: [{ id: 'r1', when, serve: { variant: 'off' } }] })
    const { open, streams, clock } = harbour({
      'flag/dated': dated,
      'flag/seen': boolean({ visibility: 'client' }),
    })
    const [browser, server] = [open('client').peer, open('server').peer]
    clock.time = turn + 1_000
    streams.tick()
    await settled()
    expect(messages(browser)).toEqual([])
    expect(messages(server)).toHaveLength(1)
  })

  it('is kept alive by comments', () => {
    const { open, streams } = harbour()
    const { peer } = open('client')
    for (let second = 0; second < BEAT_SECONDS; second++) streams.tick()
    expect(peer.frames.slice(1).map(String)).toEqual([': keep-alive\n\n'])
  })

  it('owes a slow browser one message, however much has changed', async () => {
    const { open, edit } = harbour()
    const { peer } = open('client')
    peer.reads = false
    for (const enabled of [true, false, true])
      await edit({ 'flag/seen': boolean({ visibility: 'client', enabled }) })
    peer.drain()
    expect(messages(peer).map(({ id }) => id)).toEqual([`${EPOCH}-2`, `${EPOCH}-4`])
  })

  it('leaves half of the places to servers', () => {
    const { open } = harbour(ENVIRONMENT, 0, 10)
    for (let place = 0; place < 5; place++) open('client')
    expect(() => open('client')).toThrow(expect.objectContaining({ type: 'unavailable' }))
    expect(() => open('client')).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ retryAfter: 6 }) }),
    )
  })

  it('is told when to come back before a drain', async () => {
    const { open, streams } = harbour()
    const { peer } = open('client')
    await streams.drain()
    expect(peer.frames.at(-1)!.toString()).toBe('retry: 600\n\n')
    expect(peer.ended).toBe('gracefully')
  })
})

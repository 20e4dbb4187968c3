import { describe, expect, it } from 'vitest'
import { Problem } from '../../../server/domain/problem.ts'
import { createAdmission, type StreamKind, type StreamLimits } from '../../../server/live/admission.ts'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { Clock } from './support.ts'

function gate(limits: StreamLimits, random: () => number = () => 0.5) {
  const clock = new Clock()
  const metrics = createLiveMetrics()
  const admission = createAdmission({ limits, clock, random, metrics })
  /** Seconds to wait, and the problem's type; 0 where it was let in. */
  const comes = (kind: StreamKind = 'server', key = 'k1') => {
    try {
      admission.enter(kind, key)
      return { after: 0, type: 'none' }
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      return { after: error.details.retryAfter ?? 0, type: error.type }
    }
  }
  return { admission, clock, metrics, comes }
}

describe('new streams', () => {
  it('are bounded for a key, which is that key’s own affair; one that leaves makes room', () => {
    const { admission, comes, metrics } = gate({ maxStreams: 10, maxStreamsPerKey: 2 })
    expect([comes(), comes('refetch'), comes()].map(({ type }) => type)).toEqual([
      'none',
      'none',
      'too-many-requests',
    ])
    expect(comes('server', 'k2').type).toBe('none')
    admission.left('refetch', 'k1')
    expect(comes().type).toBe('none')
    expect(metrics.streamsRefused).toMatchObject({ key: 1 })
    expect(metrics.streamsOpened).toBe(4)
    expect(admission.open()).toEqual({ server: 3, refetch: 0 })
  })

  it('are bounded in all, and browsers’ by half of that', () => {
    const { comes, metrics } = gate({ maxStreams: 4 })
    const types = (['refetch', 'refetch', 'refetch', 'server', 'server', 'server'] as const).map(
      (kind) => comes(kind).type,
    )
    expect(types).toEqual(['none', 'none', 'unavailable', 'none', 'none', 'unavailable'])
    expect(metrics.streamsRefused).toMatchObject({ browsers: 1, instance: 1 })
  })

  it('are let in at the rate that is set, however many come at once', () => {
    const { clock, comes, metrics } = gate({ maxStreams: 100_000, streamsPerSecond: 500 })
    const storm = () => Array.from({ length: 10_000 }, () => comes()).filter(({ after }) => after === 0)
    expect(storm()).toHaveLength(500)
    clock.time += 100
    expect(storm()).toHaveLength(50)
    clock.time += 3_600_000
    expect(storm()).toHaveLength(500)
    expect(metrics.streamsRefused.rate).toBe(30_000 - 1_050)
  })

  it('that are sent away come back one after another, each in its turn, and are all let in then', () => {
    let seed = 1
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed / 2_147_483_647
    }
    const { admission, clock, comes } = gate({ maxStreams: 4_000, streamsPerSecond: 100 }, random)
    const begin = clock.time
    // Who comes when, by tenths of a second.
    const due = new Map([[0, 2_000]])
    let asked = 0
    let last = 0
    for (let tenth = 0; tenth < 1_200; tenth++) {
      clock.time = begin + tenth * 100
      for (let client = due.get(tenth) ?? 0; client > 0; client--) {
        asked++
        last = tenth
        const { after } = comes()
        // As a client that is polite: whole seconds in the header, and up to a fifth more.
        const again = tenth + 1 + Math.floor(Math.ceil(after) * 10 * (1 + 0.2 * random()))
        if (after > 0) due.set(again, (due.get(again) ?? 0) + 1)
      }
    }
    expect(admission.open().server).toBe(2_000)
    expect(last / 10).toBeLessThan(45)
    expect(asked).toBeLessThan(6_000)
  })

  it('of browsers take at most half of the rate', () => {
    const { comes } = gate({ maxStreams: 1_000, streamsPerSecond: 10 })
    const pages = Array.from({ length: 20 }, () => comes('refetch')).filter(({ after }) => after === 0)
    const apps = Array.from({ length: 20 }, () => comes('server')).filter(({ after }) => after === 0)
    expect([pages.length, apps.length]).toEqual([5, 5])
  })

  it('are never sent away for longer than a minute, by whoever hammers', () => {
    const { comes } = gate({ maxStreams: 1_000, streamsPerSecond: 1 })
    const waits = Array.from({ length: 1_000 }, () => comes().after)
    expect(Math.max(...waits)).toBe(60)
  })

  it('are not let in where the instance goes away', () => {
    const { admission, comes, metrics } = gate({ maxStreams: 10 })
    admission.close()
    expect(comes().type).toBe('unavailable')
    expect(metrics.streamsRefused.draining).toBe(1)
  })
})

import { describe, expect, it } from 'vitest'
import {
  type Considered,
  QUIET_MS,
  type Reads,
  staleOf,
  type VariantRead,
} from '../../../server/domain/stale.ts'

const DAY = 86_400_000
const NOW = 1_800_000_000_000
const flag = (over: Partial<Considered> = {}): Considered => ({
  ...{ key: 'a', temporary: true, archived: null },
  ...over,
})
const read = (firstDays: number, lastDays: number, variant = 'on'): VariantRead => ({
  ...{ variant, firstAt: NOW - firstDays * DAY, lastAt: NOW - lastDays * DAY },
})
const reads = (sinceDays: number, untilDays: number, ...flags: VariantRead[]): Reads => ({
  ...{ since: NOW - sinceDays * DAY, until: NOW - untilDays * DAY, flags: new Map([['a', flags]]) },
})
const old = NOW - 900 * DAY

describe('a flag', () => {
  it('that has expired is stale, whoever reads it', () => {
    const expiresAt = new Date(NOW).toISOString()
    expect(staleOf(flag({ expiresAt }), old, [], NOW)).toEqual({ why: 'expired', since: NOW })
    expect(staleOf(flag({ expiresAt }), old, [], NOW - 1)).toBeNull()
  })

  it('in the archive is done with', () => {
    expect(staleOf(flag({ archived: {}, expiresAt: '2020-01-01T00:00:00Z' }), old, [], NOW)).toBeNull()
  })

  it('of which nobody would have told is not called stale', () => {
    expect(staleOf(flag(), old, [], NOW)).toBeNull()
    expect(staleOf(flag(), old, [reads(90, 2)], NOW)).toBeNull()
  })

  it('that nobody has read for thirty days is unread, since it was read last, or could have been told of', () => {
    const unread = (lastDays: number) => staleOf(flag(), old, [reads(90, 0, read(80, lastDays))], NOW)
    expect(unread(29)).toMatchObject({ why: 'one-variant' })
    expect(unread(30)).toEqual({
      ...{ why: 'unread', since: NOW - QUIET_MS, lastAt: NOW - QUIET_MS, watchedSince: NOW - 90 * DAY },
    })
    expect(staleOf(flag(), old, [reads(40, 0)], NOW)).toMatchObject({
      ...{ why: 'unread', since: NOW - 40 * DAY, lastAt: undefined },
    })
    expect(staleOf(flag(), NOW - 5 * DAY, [reads(40, 0)], NOW)).toBeNull()
    expect(staleOf(flag(), old, [reads(20, 0)], NOW)).toBeNull()
  })

  it('that one environment reads is read, also where nobody tells of that one any more', () => {
    const environments = [reads(90, 0), reads(90, 3, read(90, 3), read(90, 3, 'off'))]
    expect(staleOf(flag(), old, environments, NOW)).toBeNull()
    expect(
      staleOf(flag(), old, [reads(90, 0, ...[]), { ...reads(90, 3), flags: new Map() }], NOW),
    ).toMatchObject({ why: 'unread' })
  })

  it('that has served one variant alone for thirty days is stale where it is temporary', () => {
    const environments = [reads(90, 0, read(70, 0), read(80, 45, 'off')), reads(90, 0, read(60, 1))]
    expect(staleOf(flag(), old, environments, NOW)).toEqual({
      ...{ why: 'one-variant', since: NOW - 45 * DAY, variant: 'on', lastAt: NOW },
    })
    expect(staleOf(flag({ temporary: false }), old, environments, NOW)).toBeNull()
    expect(staleOf(flag(), old, [reads(90, 0, read(29, 0))], NOW)).toBeNull()
    expect(staleOf(flag(), old, [reads(90, 0, read(70, 0), read(80, 29, 'off'))], NOW)).toBeNull()
  })
})

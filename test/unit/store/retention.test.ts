/** What compactions keep: the last state of each day or hour up to a time, and everything after it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Compacted,
  compactedBy,
  covers,
  GRANULES,
  keptAround,
  mayBeDropped,
} from '../../../server/store/retention.ts'

const at = (time: string) => Date.parse(`2026-03-${time}Z`)
const NEVER = Number.NEGATIVE_INFINITY
const daily = (before: string): Compacted => ({ daily: at(before), hourly: NEVER })

describe('a version', () => {
  const compacted = daily('10T12:00:00.000')
  it('may be dropped where it was replaced within its day, before the time', () => {
    expect(mayBeDropped(compacted, at('09T01:00:00.000'), at('09T23:59:59.999'))).toBe(true)
    expect(mayBeDropped(compacted, at('10T01:00:00.000'), at('10T12:00:00.000'))).toBe(true)
  })
  it('is kept where the day ended with it, or the time came', () => {
    expect(mayBeDropped(compacted, at('09T01:00:00.000'), at('10T00:00:00.000'))).toBe(false)
    expect(mayBeDropped(compacted, at('10T01:00:00.000'), at('10T12:00:00.001'))).toBe(false)
    expect(mayBeDropped(compactedBy([]), at('09T01:00:00.000'), at('09T02:00:00.000'))).toBe(false)
  })
})

describe('compactions of one log', () => {
  it('come to the latest time of each kind', () => {
    const [early, late] = ['2026-03-01T00:00:00.000Z', '2026-03-02T00:00:00.000Z'] as const
    expect(
      compactedBy([
        { before: late, keep: 'daily' },
        { before: early, keep: 'daily' },
        { before: early, keep: 'hourly' },
      ]),
    ).toEqual({ daily: Date.parse(late), hourly: Date.parse(early) })
  })
  it('cover what they dropped already: a daily one the hourly, too', () => {
    const compacted = daily('10T12:00:00.000')
    expect(covers(compacted, 'daily', at('10T12:00:00.000'))).toBe(true)
    expect(covers(compacted, 'hourly', at('09T00:00:00.000'))).toBe(true)
    expect(covers(compacted, 'daily', at('10T12:00:00.001'))).toBe(false)
    expect(covers({ daily: NEVER, hourly: at('10T12:00:00.000') }, 'hourly', at('10T12:00:00.000'))).toBe(
      true,
    )
    expect(covers({ daily: NEVER, hourly: at('10T12:00:00.000') }, 'daily', at('10T12:00:00.000'))).toBe(
      false,
    )
  })
})

describe('the nearest times whose states are surely kept', () => {
  it('are the ends of days around it, or of hours', () => {
    expect(keptAround(daily('10T12:00:00.000'), at('08T15:30:00.000'))).toEqual({
      before: at('07T23:59:59.999'),
      after: at('08T23:59:59.999'),
    })
    expect(keptAround(daily('10T12:00:00.000'), at('10T11:00:00.000'))).toEqual({
      before: at('09T23:59:59.999'),
      after: at('10T12:00:00.000'),
    })
    const both = { daily: at('05T00:00:00.000'), hourly: at('10T12:00:00.000') }
    expect(keptAround(both, at('08T15:30:00.000'))).toEqual({
      before: at('08T14:59:59.999'),
      after: at('08T15:59:59.999'),
    })
  })

  it('have no version in them that may be dropped, and nothing nearer is as sure (property)', () => {
    // Minutes of three days; what matters happens at the ends of hours and days.
    const start = at('01T00:00:00.000')
    const instant = fc
      .tuple(fc.integer({ min: 0, max: 3 * 24 }), fc.constantFrom(-1, 0, 1, 1_800_000))
      .map(([hour, off]) => start + hour * GRANULES.hourly + off)
    const limit = fc.oneof(fc.constant(NEVER), instant)
    // A state is surely kept where no version that lives in it may be dropped, however short it lives.
    const isKept = (compacted: Compacted, time: number) => !mayBeDropped(compacted, time, time + 1)
    fc.assert(
      fc.property(limit, limit, instant, (day, hour, time) => {
        const compacted = { daily: day, hourly: hour }
        const { before, after } = keptAround(compacted, time)
        expect(before).toBeLessThanOrEqual(time)
        expect(after).toBeGreaterThanOrEqual(time)
        expect([isKept(compacted, before), isKept(compacted, after)]).toEqual([true, true])
        if (isKept(compacted, time)) expect([before, after]).toEqual([time, time])
        for (let other = start - GRANULES.daily - 1; other < time; other += GRANULES.hourly) {
          if (other > before) expect(isKept(compacted, other)).toBe(false)
        }
        for (let other = after - 1; other > time; other -= GRANULES.hourly) {
          expect(isKept(compacted, other)).toBe(false)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

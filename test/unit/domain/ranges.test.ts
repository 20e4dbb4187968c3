import { describe, expect, it } from 'vitest'
import { allocate, rangesHold } from '../../../server/domain/ranges.ts'

const shares = (all: Record<string, number>) =>
  Object.entries(all).map(([variant, percent]) => ({ variant, percent }))

describe('allocate', () => {
  it('starts afresh in listed order from bucket 0', () => {
    expect(allocate(undefined, shares({ on: 25, off: 75 }))).toEqual([
      { variant: 'on', from: 0, to: 25_000 },
      { variant: 'off', from: 25_000, to: 100_000 },
    ])
  })

  it('counts three decimals of a percent', () => {
    expect(allocate(undefined, shares({ on: 33.333 }))).toEqual([{ variant: 'on', from: 0, to: 33_333 }])
  })

  it('leaves out a share of nothing', () => {
    expect(allocate(undefined, shares({ on: 0, off: 10 }))).toEqual([{ variant: 'off', from: 0, to: 10_000 }])
  })

  it('lets a growing share take freed buckets before unallocated ones', () => {
    const previous = [
      { variant: 'a', from: 0, to: 10_000 },
      { variant: 'b', from: 20_000, to: 40_000 },
    ]
    expect(allocate(previous, shares({ a: 25, b: 15 }))).toEqual([
      { variant: 'a', from: 0, to: 20_000 },
      { variant: 'b', from: 20_000, to: 35_000 },
      { variant: 'a', from: 35_000, to: 40_000 },
    ])
  })

  it('takes the highest buckets of a share that shrinks, across its ranges', () => {
    const previous = [
      { variant: 'a', from: 50_000, to: 60_000 },
      { variant: 'a', from: 0, to: 10_000 },
    ]
    expect(allocate(previous, shares({ a: 5 }))).toEqual([{ variant: 'a', from: 0, to: 5_000 }])
    expect(allocate(previous, shares({ a: 12 }))).toEqual([
      { variant: 'a', from: 0, to: 10_000 },
      { variant: 'a', from: 50_000, to: 52_000 },
    ])
  })

  it('serves growers in listed order', () => {
    const previous = [{ variant: 'a', from: 0, to: 100_000 }]
    expect(allocate(previous, shares({ c: 10, a: 70, b: 20 }))).toEqual([
      { variant: 'a', from: 0, to: 70_000 },
      { variant: 'c', from: 70_000, to: 80_000 },
      { variant: 'b', from: 80_000, to: 100_000 },
    ])
  })

  it('gives a renamed variant the buckets that the old one frees, and leaves the others alone', () => {
    const previous = allocate(undefined, shares({ a: 50, b: 50 }))
    expect(allocate(previous, shares({ c: 50, b: 50 }))).toEqual([
      { variant: 'c', from: 0, to: 50_000 },
      { variant: 'b', from: 50_000, to: 100_000 },
    ])
  })

  it('stops when there are no more buckets', () => {
    expect(allocate(undefined, shares({ a: 80, b: 80 }))).toEqual([
      { variant: 'a', from: 0, to: 80_000 },
      { variant: 'b', from: 80_000, to: 100_000 },
    ])
  })
})

describe('rangesHold', () => {
  const range = (from: unknown, to: unknown, variant: unknown = 'a') => ({ variant, from, to })
  it('takes disjoint ranges in any order', () => {
    expect(rangesHold([range(5, 9), range(0, 5)])).toBe(true)
    expect(rangesHold([])).toBe(true)
  })
  it.each([
    ['no list', {}],
    ['an overlap', [range(0, 5), range(4, 9)]],
    ['an empty range', [range(5, 5)]],
    ['a fraction', [range(0, 1.5)]],
    ['more than there is', [range(0, 100_001)]],
    ['less than there is', [range(-1, 5)]],
    ['no variant', [range(0, 5, 7)]],
    ['no range', [null]],
  ])('refuses %s', (_what, ranges) => {
    expect(rangesHold(ranges)).toBe(false)
  })
})

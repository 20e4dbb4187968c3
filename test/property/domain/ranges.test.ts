import type { Range, Share } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocate, BUCKETS, bucketsOf, heldBuckets, rangesHold } from '../../../server/domain/ranges.ts'

const VARIANTS = ['a', 'b', 'c', 'd', 'e']

/** Shares of some of the variants in some order, together at most 100 percent. */
const shares: fc.Arbitrary<Share[]> = fc
  .tuple(
    fc.shuffledSubarray(VARIANTS, { minLength: 1 }),
    fc.array(fc.nat(BUCKETS), { minLength: VARIANTS.length, maxLength: VARIANTS.length }),
    fc.boolean(),
  )
  .map(([variants, cuts, whole]) => {
    const edges = cuts.slice(0, variants.length).sort((a, b) => a - b)
    if (whole) edges[variants.length - 1] = BUCKETS
    return variants.map((variant, index) => ({
      variant,
      percent: (edges[index]! - (edges[index - 1] ?? 0)) / 1_000,
    }))
  })
const history = fc.array(shares, { minLength: 1, maxLength: 8 })

/** The ranges after a history of reweightings. */
const play = (steps: readonly Share[][]): Range[] | undefined =>
  steps.reduce<Range[] | undefined>((previous, step) => allocate(previous, step), undefined)

/** Who has each bucket; undefined for nobody. */
function ownersOf(ranges: readonly Range[]): (string | undefined)[] {
  const owners: (string | undefined)[] = new Array(BUCKETS).fill(undefined)
  for (const { variant, from, to } of ranges) owners.fill(variant, from, to)
  return owners
}

const moved = (before: readonly Range[], after: readonly Range[]): number => {
  const [a, b] = [ownersOf(before), ownersOf(after)]
  return a.reduce<number>((sum, owner, bucket) => sum + (owner === b[bucket] ? 0 : 1), 0)
}

describe('reweighting', () => {
  it('gives every variant exactly its share, in sound ranges merged where adjacent', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const ranges = play(steps)!
        const held = heldBuckets(ranges)
        for (const { variant, percent } of steps.at(-1)!)
          expect(held.get(variant) ?? 0).toBe(bucketsOf(percent))
        expect(rangesHold(ranges)).toBe(true)
        for (const [index, range] of ranges.entries()) {
          const next = ranges[index + 1]
          if (next !== undefined) expect(next.from > range.to || next.variant !== range.variant).toBe(true)
        }
      }),
    )
  })

  it('moves exactly the minimum: the greater of all gains and all losses', () => {
    fc.assert(
      fc.property(history, shares, (steps, next) => {
        const before = play(steps)!
        const [had, has] = [heldBuckets(before), new Map(next.map((s) => [s.variant, bucketsOf(s.percent)]))]
        let gains = 0
        let losses = 0
        for (const variant of VARIANTS) {
          const change = (has.get(variant) ?? 0) - (had.get(variant) ?? 0)
          if (change > 0) gains += change
          else losses -= change
        }
        expect(moved(before, allocate(before, next))).toBe(Math.max(gains, losses))
      }),
      { numRuns: 60 },
    )
  })

  it('never evicts a user when a share is raised from what nobody has', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.integer({ min: 0, max: 4 }), (steps, more, which) => {
        const before = play(steps)!
        const last = steps.at(-1)!
        const chosen = last[which % last.length]!
        const free = BUCKETS - last.reduce((sum, { percent }) => sum + bucketsOf(percent), 0)
        const raised = last.map((share) =>
          share === chosen
            ? { ...share, percent: (bucketsOf(share.percent) + (more % (free + 1))) / 1_000 }
            : share,
        )
        const [a, b] = [ownersOf(before), ownersOf(allocate(before, raised))]
        for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
          if (a[bucket] !== undefined && a[bucket] !== b[bucket])
            throw new Error(`bucket ${bucket} was evicted`)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('keeps every user of a variant whose share is raised at the cost of others', () => {
    fc.assert(
      fc.property(history, shares, (steps, next) => {
        const before = play(steps)!
        const had = heldBuckets(before)
        const [a, b] = [ownersOf(before), ownersOf(allocate(before, next))]
        const grew = new Set(
          next.filter((s) => bucketsOf(s.percent) >= (had.get(s.variant) ?? 0)).map((s) => s.variant),
        )
        for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
          const owner = a[bucket]
          if (owner !== undefined && grew.has(owner) && b[bucket] !== owner)
            throw new Error(`bucket ${bucket} moved`)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('changes nothing when the shares are the same, in whatever order', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const ranges = play(steps)!
        expect(allocate(ranges, [...steps.at(-1)!].reverse())).toEqual(ranges)
      }),
    )
  })
})

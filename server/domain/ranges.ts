/**
 * From shares to ranges of buckets, moving as few users as can be: a split keeps every bucket that it need not
 * give up. Pure arithmetic on half-open intervals; that ranges are disjoint and in bounds is checked elsewhere.
 */
import type { Range, Share } from '@halyard/sdk/core'

export const BUCKETS = 100_000
/** Three decimals of a percent are one bucket. */
const BUCKETS_A_PERCENT = 1_000

/** The buckets of a share. */
export const bucketsOf = (percent: number): number => Math.round(percent * BUCKETS_A_PERCENT)

type Interval = { readonly from: number; readonly to: number }

/**
 * The ranges of new shares, from the previous ranges. A variant that shrinks gives up its highest buckets; one that
 * grows takes freed buckets first (ascending, growers in listed order), unallocated ones next, and no others. So
 * exactly `max(sum of gains, sum of losses)` buckets change, which is the fewest that can.
 *
 * @param previous disjoint ranges, in any order; undefined starts afresh.
 * @param shares at most 100 percent together, each variant once.
 * @returns ascending, merged where adjacent, none empty.
 */
export function allocate(previous: readonly Range[] | undefined, shares: readonly Share[]): Range[] {
  const wanted = new Map(shares.map(({ variant, percent }) => [variant, bucketsOf(percent)]))
  const held = [...(previous ?? [])].sort((a, b) => a.from - b.from)
  const kept: Range[] = []
  const freed: Interval[] = []
  const unallocated: Interval[] = []

  let cursor = 0
  for (const { variant, from, to } of held) {
    if (from > cursor) unallocated.push({ from: cursor, to: from })
    cursor = to
    const open = wanted.get(variant)
    if (open === undefined) {
      freed.push({ from, to })
      continue
    }
    const end = Math.min(to, from + open)
    if (end > from) kept.push({ variant, from, to: end })
    if (end < to) freed.push({ from: end, to })
    wanted.set(variant, open - (end - from))
  }
  unallocated.push({ from: cursor, to: BUCKETS })

  const taken = take([...freed, ...unallocated], wanted)
  return merge([...kept, ...taken].sort((a, b) => a.from - b.from))
}

/** Serves the variants, in their order, what they still want from the pool. */
function take(pool: readonly Interval[], wanted: ReadonlyMap<string, number>): Range[] {
  const taken: Range[] = []
  const rest = pool[Symbol.iterator]()
  let space: Interval = { from: 0, to: 0 }
  for (const [variant, buckets] of wanted) {
    let missing = buckets
    while (missing > 0) {
      if (space.from >= space.to) {
        const next = rest.next()
        if (next.done) return taken
        space = next.value
        continue
      }
      const to = Math.min(space.to, space.from + missing)
      taken.push({ variant, from: space.from, to })
      missing -= to - space.from
      space = { from: to, to: space.to }
    }
  }
  return taken
}

function merge(ascending: readonly Range[]): Range[] {
  const merged: Range[] = []
  for (const range of ascending) {
    const last = merged.at(-1)
    if (last?.variant === range.variant && last.to === range.from) {
      merged[merged.length - 1] = { ...last, to: range.to }
    } else {
      merged.push(range)
    }
  }
  return merged
}

/** How many buckets each variant holds. */
export function heldBuckets(ranges: readonly Range[]): Map<string, number> {
  const held = new Map<string, number>()
  for (const { variant, from, to } of ranges) held.set(variant, (held.get(variant) ?? 0) + to - from)
  return held
}

/** Whether these can be a split's ranges: whole buckets in bounds, no two of them overlapping, none empty. */
export function rangesHold(ranges: unknown): ranges is readonly Range[] {
  if (!Array.isArray(ranges)) return false
  const sorted: { from: number; to: number }[] = []
  for (const range of ranges as readonly (Partial<Range> | null)[]) {
    const { from, to, variant } = range ?? {}
    if (typeof variant !== 'string' || !isBucket(from) || !isBucket(to) || from >= to) return false
    sorted.push({ from, to })
  }
  sorted.sort((a, b) => a.from - b.from)
  return sorted.every(({ from }, index) => from >= (sorted[index - 1]?.to ?? 0))
}

const isBucket = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= BUCKETS

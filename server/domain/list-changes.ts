/**
 * How a list of things with names of their own became another: what went, what came, and the fewest that have to be
 * called moved. What the things are is not known here.
 */
import { countLeading } from './sorted.ts'

/** Indexes: `from` into the list before, `to` into the list after. */
export type Kept = { readonly from: number; readonly to: number; readonly moved: boolean }
export type ListChanges = {
  /** Into the list before, ascending. */
  readonly removed: readonly number[]
  /** Into the list after, ascending. */
  readonly added: readonly number[]
  /** What both lists have, by `to`. */
  readonly kept: readonly Kept[]
}

/** @param before and `after`: names, none twice in one list */
export function listChanges(before: readonly string[], after: readonly string[]): ListChanges {
  const places = new Map(before.map((name, index) => [name, index]))
  const names = new Set(after)
  const added: number[] = []
  const both: { readonly from: number; readonly to: number }[] = []
  for (const [to, name] of after.entries()) {
    const from = places.get(name)
    if (from === undefined) added.push(to)
    else both.push({ from, to })
  }
  const still = longestAscent(both.map(({ from }) => from))
  return {
    removed: [...before.keys()].filter((index) => !names.has(before[index] as string)),
    added,
    kept: both.map((pair) => ({ ...pair, moved: !still.has(pair.from) })),
  }
}

/** The numbers of a longest ascending subsequence (patience sorting): those that need not move. */
function longestAscent(numbers: readonly number[]): ReadonlySet<number> {
  /** The least number that ends an ascent of that length. */
  const ends: number[] = []
  const previous = new Map<number, number | undefined>()
  for (const number of numbers) {
    const less = countLeading(ends, (end) => end < number)
    previous.set(number, ends[less - 1])
    ends[less] = number
  }
  const ascent = new Set<number>()
  for (let number = ends.at(-1); number !== undefined; number = previous.get(number)) ascent.add(number)
  return ascent
}

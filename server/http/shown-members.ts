/** Who came to a segment's lists and who went: counted, the first by name. */
import type { Json } from '@halyard/sdk/core'
import { fieldOf, listOf } from '../domain/reading.ts'

type Chunk = { readonly before: Json | null; readonly after: Json | null }
const LISTS = ['included', 'excluded'] as const

/** @param names how many of each are named */
export function memberChangeOf(chunks: readonly Chunk[], names: number) {
  const [included, excluded] = LISTS.map((list) => {
    const [added, removed]: [string[], string[]] = [[], []]
    const counts = { added: 0, removed: 0 }
    for (const { before, after } of chunks) {
      const [was, is] = [unitsIn(before, list), unitsIn(after, list)]
      counts.added += missingIn(was, is, added, names)
      counts.removed += missingIn(is, was, removed, names)
    }
    return { ...counts, some: { added, removed } }
  })
  return { included, excluded }
}

const unitsIn = (chunk: Json | null, list: string): ReadonlySet<unknown> =>
  new Set(listOf(fieldOf(chunk, list)))

/** How many of `units` `others` lacks; the first of them go to `some`. */
function missingIn(
  others: ReadonlySet<unknown>,
  units: ReadonlySet<unknown>,
  some: string[],
  names: number,
): number {
  let count = 0
  for (const unit of units) {
    if (others.has(unit)) continue
    count += 1
    if (some.length < names) some.push(String(unit))
  }
  return count
}

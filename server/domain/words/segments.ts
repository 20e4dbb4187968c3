/** Segments and their members, in words. Members are counted and never named: there may be a million of them. */
import { sameJson } from '../diff.ts'
import { fieldOf, TARGETING_KEY } from '../reading.ts'
import { conditionChangeInWords, conditionInWords } from './conditions.ts'
import type { Telling } from './fields.ts'
import { attributeInWords, counted, stringsOf } from './phrases.ts'

const whoBelongs = (when: unknown): string =>
  when === null || when === undefined ? 'members alone' : `members, or ${conditionInWords(when)}`

export const SEGMENT: Telling = {
  created: (segment) => {
    const by = fieldOf(segment, 'by')
    const unit = by === undefined || by === TARGETING_KEY ? '' : ` by ${attributeInWords(by)}`
    return `created${unit}: ${whoBelongs(fieldOf(segment, 'when'))}`
  },
  deleted: () => 'deleted',
  fields: {
    when: (before, after) => `condition changed: ${conditionChangeInWords(before, after, 'none')}`,
    by: (before, after) =>
      `members are now by ${attributeInWords(after)} (were by ${attributeInWords(before)})`,
    ignoreCase: (_, after) =>
      after === true ? 'now ignores case of members' : 'no longer ignores case of members',
  },
}

/** One chunk of members before and after a commit; null: there is none. */
export type ChunkChange = { readonly before: unknown; readonly after: unknown }

/**
 * What became of a segment's members, all chunks that a commit changed taken together: `3 members included, 1 no
 * longer excluded`. One sentence; none where nothing changed.
 */
export function membersInWords(chunks: readonly ChunkChange[]): readonly string[] {
  if (chunks.every(({ before, after }) => sameJson(before, after))) return []
  const included = { added: 0, removed: 0 }
  const excluded = { added: 0, removed: 0 }
  for (const { before, after } of chunks) {
    for (const [list, total] of [
      ['included', included],
      ['excluded', excluded],
    ] as const) {
      const [was, is] = [unitsIn(before, list), unitsIn(after, list)]
      if (was === undefined || is === undefined) return ['members changed']
      const both = countBoth(was, is)
      total.added += is.length - both
      total.removed += was.length - both
    }
  }
  const told = (
    [
      [included.added, 'included'],
      [included.removed, 'no longer included'],
      [excluded.added, 'excluded'],
      [excluded.removed, 'no longer excluded'],
    ] as const
  ).filter(([count]) => count > 0)
  const words = told.map(
    ([count, what], index) => `${index === 0 ? counted(count, 'member') : count} ${what}`,
  )
  return [words.length === 0 ? 'members changed' : words.join(', ')]
}

/** A list of a chunk, each unit once and in order, as they are kept; what is kept otherwise is put so first. */
function unitsIn(chunk: unknown, list: string): readonly string[] | undefined {
  const units = stringsOf(chunk === null ? [] : fieldOf(chunk, list))
  const kept = units?.every((unit, index) => index === 0 || (units[index - 1] as string) < unit)
  return kept === false ? [...new Set(units)].sort() : units
}

/** How many units two lists in order have in common: no set of a million strings is made for it. */
function countBoth(left: readonly string[], right: readonly string[]): number {
  let both = 0
  let index = 0
  for (const unit of left) {
    while (index < right.length && (right[index] as string) < unit) index += 1
    if (right[index] === unit) both += 1
  }
  return both
}

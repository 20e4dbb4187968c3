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

/** The segment of a chunk's key, `<segment>/<00..ff>`. */
export const segmentOfChunk = (key: string): string => key.replace(/\/[^/]*$/, '')

/**
 * What became of a segment's members, all chunks that a commit changed taken together: `3 members included, 1 no
 * longer excluded`. One sentence; none where nothing changed.
 */
export function membersInWords(chunks: readonly ChunkChange[]): readonly string[] {
  if (chunks.every(({ before, after }) => sameJson(before, after))) return []
  const total = { included: { added: 0, removed: 0 }, excluded: { added: 0, removed: 0 } }
  for (const { before, after } of chunks) {
    for (const list of ['included', 'excluded'] as const) {
      const [was, is] = [unitsIn(before, list), unitsIn(after, list)]
      if (was === undefined || is === undefined) return ['members changed']
      total[list].added += countMissing(is, was)
      total[list].removed += countMissing(was, is)
    }
  }
  const { included, excluded } = total
  const said = [
    [included.added, 'included'],
    [included.removed, 'no longer included'],
    [excluded.added, 'excluded'],
    [excluded.removed, 'no longer excluded'],
  ] as const
  const told = said.filter(([count]) => count > 0)
  const words = told.map(
    ([count, what], index) => `${index === 0 ? counted(count, 'member') : count} ${what}`,
  )
  return [words.length === 0 ? 'members changed' : words.join(', ')]
}

function unitsIn(chunk: unknown, list: string): ReadonlySet<string> | undefined {
  const units = stringsOf(chunk === null ? [] : fieldOf(chunk, list))
  return units && new Set(units)
}

function countMissing(units: ReadonlySet<string>, from: ReadonlySet<string>): number {
  let count = 0
  for (const unit of units) if (!from.has(unit)) count += 1
  return count
}

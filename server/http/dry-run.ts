/**
 * What a dry run would change: each document before and after, in words and line by line. Members are counted, since
 * there may be a million of them, and of keys it shows what their GET shows.
 */
import { entryOf, type Json } from '@halyard/sdk/core'
import { boundedDiffOf } from '../domain/diff.ts'
import { asJson } from '../domain/documents.ts'
import { countMembers } from '../domain/member-chunks.ts'
import { fieldOf, listOf } from '../domain/reading.ts'
import { type DocumentChange, type Subject, subjectsOf, summaryOf } from '../domain/words/changes.ts'
import type { Held, Live } from '../live/live.ts'
import type { Committed } from '../store/store.ts'
import { SHOWN } from './shown.ts'

/** Of one document's diff; the others are counted. */
const MOST_LINES = 1_000

/** In the order of the commit; all members of a segment where the first of them stand. */
export function diffsOf(live: Live, committed: Committed<unknown>): readonly object[] {
  return [...committed.deltas].flatMap(([log, { entries }]) => {
    const held = live.held(log)
    if (held === undefined) return []
    const documents = entries.map(({ kind, key, definition }): DocumentChange => {
      const before = entryOf(held.state, kind, key)?.definition ?? null
      return { kind, key, before, after: definition }
    })
    return subjectsOf(documents).flatMap((subject) => {
      const sides = subject.kind === 'members' ? countsOf(held, subject) : shownSides(held, subject)
      return sides === undefined ? [] : [diffEntry(held, subject, ...sides)]
    })
  })
}

type Sides = readonly [before: Json, after: Json]

/** undefined for a kind that nobody is shown. */
function shownSides(held: Held, { kind, documents }: Subject): Sides | undefined {
  const show = SHOWN[kind]
  const [document] = documents
  if (show === undefined || document === undefined) return undefined
  const shown = (definition: Json | null): Json =>
    definition === null ? null : asJson(show(document.key, definition, held))
  return [shown(document.before), shown(document.after)]
}

/** How many members the segment has, and how many it would have. */
function countsOf({ state }: Held, { key, documents }: Subject): Sides {
  const counts = countMembers(state, key)
  const grown = (list: 'included' | 'excluded'): number =>
    documents.reduce(
      (sum, { before, after }) => sum + sizeOf(after, list) - sizeOf(before, list),
      counts[list],
    )
  return [counts, { included: grown('included'), excluded: grown('excluded') }]
}

const sizeOf = (chunk: Json | null, list: string): number => listOf(fieldOf(chunk, list)).length

function diffEntry({ state }: Held, { kind, key, documents }: Subject, before: Json, after: Json): object {
  const { environment } = state
  const { lines, leftOff } = boundedDiffOf(before, after, MOST_LINES)
  return {
    kind,
    key,
    ...(environment === '' ? {} : { environment }),
    summary: summaryOf(documents),
    before,
    after,
    diff: lines,
    ...(leftOff === 0 ? {} : { leftOff }),
  }
}

/**
 * An environment as it was, as the management API shows it: configurations, segments and kills by their keys. It can
 * be as large as a ruleset may be, so it is told in pieces.
 */
import type { Entry, Members, Segment, SegmentKey, State } from '@halyard/sdk/core'
import { countMembers, memberChunks } from '../domain/member-chunks.ts'
import type { Past } from '../live/live.ts'
import { inPieces, listText, objectText, type Pieces, textOf } from './pieces.ts'
import { showRedacted } from './standpoint.ts'

/** What is shown of it. With `flag` or `segment`, keys separated by commas: those alone. */
export type Choice = {
  readonly flag?: string | undefined
  readonly segment?: string | undefined
  readonly members?: boolean | undefined
}

export function showState(
  { state, at, by, redacted }: Past,
  { flag, segment, members = false }: Choice,
): Pieces {
  const all = flag === undefined && segment === undefined
  const flags = chosen(flag, all)
  const head = {
    epoch: state.epoch,
    revision: state.revision,
    changedAt: new Date(at).toISOString(),
    changedBy: by,
    ...showRedacted(redacted),
  }
  return inPieces(
    objectText([
      ...Object.entries(head).map(([name, value]) => [name, textOf(value)] as const),
      ['flags', documentsText(state, 'flag', flags)],
      [
        'segments',
        documentsText(state, 'segment', chosen(segment, all), (key, { definition }) =>
          objectText([
            ...Object.entries(definition as unknown as Segment).map(
              ([name, value]) => [name, textOf(value)] as const,
            ),
            ['members', members ? membersText(state, key) : textOf(countMembers(state, key))],
          ]),
        ),
      ],
      ['kills', documentsText(state, 'kill', flags)],
    ]),
  )
}

function chosen(keys: string | undefined, all: boolean): (key: string) => boolean {
  if (all) return () => true
  const named = new Set((keys ?? '').split(',').map((key) => key.trim()))
  return (key) => named.has(key)
}

function* documentsText(
  state: State,
  kind: string,
  shows: (key: string) => boolean,
  show: (key: string, entry: Entry) => Iterable<string> = (_, { definition }) => textOf(definition),
): Iterable<string> {
  const entries = [...(state.entries.get(kind) ?? [])].filter(([key]) => shows(key))
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  yield* objectText(entries.map(([key, entry]) => [key, show(key, entry)]))
}

/** In the order in which they are kept. */
const membersText = (state: State, segment: SegmentKey) =>
  objectText([
    ['included', listText(listsOf(state, segment, 'included'))],
    ['excluded', listText(listsOf(state, segment, 'excluded'))],
  ])

function* listsOf(state: State, segment: SegmentKey, list: keyof Members): Iterable<readonly string[]> {
  for (const members of memberChunks(state, segment)) yield members[list]
}

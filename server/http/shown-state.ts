/** An environment as it was, as the management API shows it: configurations, segments and kills by their keys. */
import type { Entry, Segment, SegmentKey, State } from '@halyard/sdk/core'
import { allMembers, countMembers } from '../domain/member-chunks.ts'
import type { Past } from '../live/live.ts'
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
): object {
  const all = flag === undefined && segment === undefined
  const flags = chosen(flag, all)
  const segments = chosen(segment, all)
  return {
    epoch: state.epoch,
    revision: state.revision,
    changedAt: new Date(at).toISOString(),
    changedBy: by,
    flags: documentsOf(state, 'flag', flags),
    segments: documentsOf(state, 'segment', segments, (key, { definition }) => ({
      ...(definition as unknown as Segment),
      members: members ? membersOf(state, key) : countMembers(state, key),
    })),
    kills: documentsOf(state, 'kill', flags),
    ...showRedacted(redacted),
  }
}

function chosen(keys: string | undefined, all: boolean): (key: string) => boolean {
  if (all) return () => true
  const named = new Set((keys ?? '').split(',').map((key) => key.trim()))
  return (key) => named.has(key)
}

function documentsOf(
  state: State,
  kind: string,
  shows: (key: string) => boolean,
  show: (key: string, entry: Entry) => unknown = (_, { definition }) => definition,
): object {
  const entries = [...(state.entries.get(kind) ?? [])].filter(([key]) => shows(key))
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => [key, show(key, entry)]),
  )
}

/** In the order in which they are kept. */
const membersOf = (state: State, segment: SegmentKey) => ({
  included: [...allMembers(state, segment, 'included')],
  excluded: [...allMembers(state, segment, 'excluded')],
})

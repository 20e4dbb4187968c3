/**
 * The part of a state that some flags depend on: who asks about one flag of a large state that was not compiled need
 * not compile all of it.
 */
import { chunkName } from './bucket.ts'
import { newPool } from './conditions.ts'
import { compileBody } from './flags.ts'
import type { Entry, FlagKey, SegmentKey, State } from './ruleset.ts'
import { EVERY_CHUNK, outlineOf } from './segments.ts'

type Documents = ReadonlyMap<string, Entry>
const NONE: Documents = new Map()

/**
 * The state with these flags, what they require and the segments that they name, directly or through others, and no
 * other documents. Compiled, it gives these flags the answers of the whole state. Its digest is the whole state's.
 */
export function partOf(state: State, flags: Iterable<FlagKey>): State {
  const pool = newPool()
  const named: SegmentKey[] = []
  const required = reach(state.entries.get('flag') ?? NONE, flags, (key, { revision, definition }) => {
    const body = compileBody(key, revision, definition, pool)
    if ('broken' in body) return []
    for (const { facts } of body.rules) named.push(...facts.segments)
    return body.prerequisites.map(({ flag }) => flag)
  })
  const segments = reach(
    state.entries.get('segment') ?? NONE,
    named,
    (_, { definition }) => outlineOf(definition, pool).facts.segments,
  )
  const members = membersOf(state.entries.get('members') ?? NONE, segments.keys())
  const entries = new Map([...state.entries, ['flag', required], ['segment', segments], ['members', members]])
  return { ...state, entries }
}

/** The documents that some keys lead to, theirs included. */
function reach(
  documents: Documents,
  keys: Iterable<string>,
  next: (key: string, entry: Entry) => Iterable<string>,
): Documents {
  const reached = new Map<string, Entry>()
  const open = [...keys]
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    const entry = documents.get(key)
    if (entry === undefined || reached.has(key)) continue
    reached.set(key, entry)
    open.push(...next(key, entry))
  }
  return reached
}

function membersOf(members: Documents, segments: Iterable<SegmentKey>): Documents {
  const found = new Map<string, Entry>()
  for (const segment of segments) {
    for (const index of EVERY_CHUNK) {
      const key = `${segment}/${chunkName(index)}`
      const entry = members.get(key)
      if (entry !== undefined) found.set(key, entry)
    }
  }
  return found
}

/** A segment's members: pages of them, changes as JSON or lines, and the question whether someone is one. */
import { entryOf, foldCase, type Members, memberChunk, type Segment, unitOf } from '@halyard/sdk/core'
import type { Edit } from '../../domain/change.ts'
import { editMembers, type MembersEdited, replaceMembers } from '../../domain/members.ts'
import { Problem } from '../../domain/problem.ts'
import type { Held } from '../../live/live.ts'
import type { Handlers, Lines } from '../call.ts'
import { findEntry, findEnvironment, heldLog } from '../find.ts'
import { readMembers } from '../lines.ts'
import { makeCursor, readCursor } from '../listing.ts'
import { commit, outcomeOf } from '../write.ts'

type List = 'included' | 'excluded'
type Member = { readonly unit: string; readonly list: List }

const PAGE = 1_000
const CHUNKS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

function chunkOf(held: Held, segment: string, chunk: string): Members | undefined {
  return entryOf(held.state, 'members', `${segment}/${chunk}`)?.definition as unknown as Members | undefined
}

/** The members of one chunk, in an order that stays the same while they do. */
function membersOf(held: Held, segment: string, chunk: string): readonly Member[] {
  const members = chunkOf(held, segment, chunk)
  if (members === undefined) return []
  const { included, excluded } = members
  return [
    ...included.map((unit): Member => ({ unit, list: 'included' })),
    ...excluded.map((unit): Member => ({ unit, list: 'excluded' })),
  ].sort((a, b) => (a.unit < b.unit ? -1 : 1))
}

async function editOf(
  environment: string,
  segment: string,
  body: Parameters<typeof editMembers>[2],
  lines: Lines | undefined,
  mode: 'add' | 'replace' | undefined,
) {
  const none = { invalid: [], invalidCount: 0 }
  if (lines === undefined) {
    if (mode !== undefined)
      throw new Problem('invalid-request', 'The query parameter mode is for lines alone.')
    return { edit: editMembers(environment, segment, body), ...none }
  }
  const { included, excluded, ...invalid } = await readMembers(lines)
  const edit: Edit<MembersEdited> =
    mode === 'replace'
      ? replaceMembers(environment, segment, { included, excluded })
      : editMembers(environment, segment, { included: { add: included }, excluded: { add: excluded } })
  return { edit, ...invalid }
}

export const memberHandlers: Handlers<'members.list' | 'members.edit' | 'members.check'> = {
  'members.list': ({ params, query, manager }, { live }) => {
    const { segment } = params
    const held = heldLog(live, findEnvironment(live, manager, params).id)
    findEntry(held, 'segment', segment, 'segment-not-found')
    const { limit = PAGE, list } = query
    const after = query.cursor === undefined ? '' : readCursor(query.cursor)
    const [fromChunk, fromUnit] = [after.slice(0, 2), after.slice(3)]
    const items: Member[] = []
    let last = ''
    for (const chunk of CHUNKS) {
      if (chunk < fromChunk) continue
      for (const member of membersOf(held, segment, chunk)) {
        if (chunk === fromChunk && member.unit <= fromUnit) continue
        if (list !== undefined && member.list !== list) continue
        if (items.length === limit) return { status: 200, body: { items, cursor: makeCursor(last) } }
        items.push(member)
        last = `${chunk}/${member.unit}`
      }
    }
    return { status: 200, body: { items, cursor: null } }
  },

  'members.edit': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { segment } = call.params
    findEntry(heldLog(live, environment.id), 'segment', segment, 'segment-not-found')
    const { edit, invalid, invalidCount } = await editOf(
      environment.id,
      segment,
      call.body,
      call.lines,
      call.query.mode,
    )
    const committed = await commit(live, call, { scope: { path: [environment.id] }, edit, environment })
    const { included, excluded, counts } = committed.result
    const body = {
      key: segment,
      added: included.added + excluded.added,
      present: included.present + excluded.present,
      removed: included.removed + excluded.removed,
      absent: included.absent + excluded.absent,
      members: counts,
      invalid,
      invalidCount,
      ...outcomeOf(live, call, committed, environment.id),
    }
    return { status: 200, body }
  },

  'members.check': ({ params, body, manager }, { live }) => {
    const { segment } = params
    const held = heldLog(live, findEnvironment(live, manager, params).id)
    const { definition } = findEntry(held, 'segment', segment, 'segment-not-found')
    const folded = (definition as unknown as Segment).ignoreCase === true
    const lists = new Map<string, ReadonlyMap<string, List>>()
    const items = body.units.map((asked) => {
      const unit = unitOf(asked)
      if (unit === undefined) return { unit: String(asked), list: null }
      const stored = folded ? foldCase(unit) : unit
      const chunk = memberChunk(stored)
      const known = lists.get(chunk) ?? listsOf(membersOf(held, segment, chunk))
      lists.set(chunk, known)
      return { unit, list: known.get(stored) ?? null }
    })
    return { status: 200, body: { items } }
  },
}

function listsOf(members: readonly Member[]): ReadonlyMap<string, List> {
  return new Map(members.map(({ unit, list }) => [unit, list]))
}

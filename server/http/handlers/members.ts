/** A segment's members: pages of them, changes as JSON or lines, and the question whether someone is one. */
import { foldCase, memberChunk, type Segment, unitOf } from '@halyard/sdk/core'
import type { Endpoints } from '../../contract/index.ts'
import type { Edit } from '../../domain/change.ts'
import { CHUNKS, chunkOf } from '../../domain/member-chunks.ts'
import { editMembers, type MembersEdited, replaceMembers } from '../../domain/members.ts'
import { Problem } from '../../domain/problem.ts'
import type { Held } from '../../live/live.ts'
import type { Call, Handlers } from '../call.ts'
import { findEntry, findEnvironment, heldLog } from '../find.ts'
import { type MemberLines, readMembers } from '../lines.ts'
import { makeCursor, readCursor } from '../listing.ts'
import { commit, outcomeOf } from '../write.ts'

type List = 'included' | 'excluded'
type Member = { readonly unit: string; readonly list: List }

const LISTS: readonly List[] = ['included', 'excluded']
const PAGE = 1_000

/** The members of one chunk, in an order that stays the same while they do. */
function membersOf(held: Held, segment: string, chunk: string): readonly Member[] {
  const { included, excluded } = chunkOf(held.state, segment, chunk)
  return [
    ...included.map((unit): Member => ({ unit, list: 'included' })),
    ...excluded.map((unit): Member => ({ unit, list: 'excluded' })),
  ].sort((a, b) => (a.unit < b.unit ? -1 : 1))
}

type MemberEdit = {
  readonly edit: Edit<MembersEdited>
  /** The lists that the body names; nothing is said of the others. */
  readonly named: readonly List[]
  readonly invalid: MemberLines['invalid']
  readonly invalidCount: number
  readonly explain: (problem: Problem) => Problem
}

/** The edit that a body asks for. Lines that replace are the whole of the lists that they name. */
async function editOf(
  environment: string,
  segment: string,
  { body, lines, query }: Pick<Call<Endpoints['members.edit']>, 'body' | 'lines' | 'query'>,
): Promise<MemberEdit> {
  const { mode } = query
  if (lines === undefined) {
    if (mode !== undefined)
      throw new Problem('invalid-request', 'The query parameter mode is for lines alone.')
    const edit = editMembers(environment, segment, body)
    return { edit, named: LISTS, invalid: [], invalidCount: 0, explain: (problem) => problem }
  }
  const { included, excluded, invalid, invalidCount, inLines } = await readMembers(lines)
  const edit =
    mode === 'replace'
      ? replaceMembers(environment, segment, {
          ...(included.length > 0 && { included }),
          ...(excluded.length > 0 && { excluded }),
        })
      : editMembers(environment, segment, { included: { add: included }, excluded: { add: excluded } })
  const lists = { included, excluded }
  const named = LISTS.filter((list) => lists[list].length > 0)
  return { edit, named, invalid, invalidCount, explain: inLines }
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
    const { edit, named, invalid, invalidCount, explain } = await editOf(environment.id, segment, call)
    const committed = await commit(live, call, {
      scope: { path: [environment.id] },
      edit,
      environment,
    }).catch((error: unknown) => {
      throw error instanceof Problem ? explain(error) : error
    })
    const { result } = committed
    const total = (count: 'added' | 'present' | 'removed' | 'absent') =>
      named.reduce((sum, list) => sum + result[list][count], 0)
    const body = {
      key: segment,
      added: total('added'),
      present: total('present'),
      removed: total('removed'),
      absent: total('absent'),
      members: result.counts,
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

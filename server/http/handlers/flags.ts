/** Flag identities. */
import type { Entry } from '@halyard/sdk/core'
import { withoutReadOnly } from '../../contract/resources.ts'
import { type Identity, identityOf } from '../../domain/documents.ts'
import { etagOf } from '../../domain/expectations.ts'
import { archiveFlag, createFlag, deleteFlag, unarchiveFlag, updateFlag } from '../../domain/identities.ts'
import type { Held } from '../../live/live.ts'
import type { Handlers } from '../call.ts'
import { findProject, heldLog, keysOf } from '../find.ts'
import { chooseFields, pageOf, searchFor, sortedKeys } from '../listing.ts'
import { unknownKey } from '../problems.ts'
import { type Stamp, showFlag, shownEntry } from '../shown.ts'
import { staleness } from '../staleness.ts'
import { commit, outcomeOf, type Target, writtenDocument } from '../write.ts'

const flagAt = (log: string, key: string): Target => ({ log, kind: 'identity', key, show: showFlag })

/** Do the filters of a list let this flag through? */
export function flagFilter(query: {
  readonly query?: string | undefined
  readonly tag?: string | undefined
  readonly owner?: string | undefined
}): (identity: Identity) => boolean {
  const { tag, owner } = query
  const matches = searchFor(query.query)
  return ({ key, description, tags, owner: its }) =>
    (tag === undefined || tags.includes(tag)) &&
    (owner === undefined || its === owner) &&
    matches(key, description)
}

function findFlag(held: Held, key: string): Entry {
  const entry = held.state.entries.get('identity')?.get(key)
  if (entry !== undefined && identityOf(held.state, key) !== undefined) return entry
  const known = keysOf(held, 'identity').filter((flag) => identityOf(held.state, flag) !== undefined)
  throw unknownKey('flag-not-found', 'flag', key, known)
}

export const flagHandlers: Handlers<
  | 'flags.list'
  | 'flags.create'
  | 'flags.get'
  | 'flags.update'
  | 'flags.archive'
  | 'flags.unarchive'
  | 'flags.delete'
> = {
  'flags.list': async ({ params, query, manager }, { live, clock }) => {
    const project = findProject(live, manager, params.project)
    const held = heldLog(live, project.id)
    const { archived = 'false' } = query
    const passes = flagFilter(query)
    const choose = chooseFields(query.fields)
    const staleOf = await staleness({ live, clock }, live.environments(project), held, query)
    const entries = held.state.entries.get('identity')
    const body = pageOf(sortedKeys(entries), query, (key) => {
      const entry = entries?.get(key)
      const identity = identityOf(held.state, key)
      if (entry === undefined || identity === undefined || !passes(identity)) return undefined
      if (archived !== 'any' && (identity.archived !== null) !== (archived === 'true')) return undefined
      const stale = staleOf(identity)
      return stale && choose({ ...shownEntry(showFlag, held, key, entry), ...stale })
    })
    return { status: 200, body }
  },

  'flags.create': async (call, { live }) => {
    const { id } = findProject(live, call.manager, call.params.project)
    const document = flagAt(id, call.body.key)
    const committed = await commit(live, call, {
      scope: { path: [id], descendants: true },
      edit: createFlag(id, call.body),
      document,
    })
    return { status: 201, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'flags.get': ({ params, manager }, { live }) => {
    const held = heldLog(live, findProject(live, manager, params.project).id)
    const body = shownEntry(showFlag, held, params.flag, findFlag(held, params.flag))
    return { status: 200, body, etag: etagOf(body as Stamp) }
  },

  'flags.update': async (call, { live }) => {
    const { id } = findProject(live, call.manager, call.params.project)
    const { flag } = call.params
    const document = flagAt(id, flag)
    const { initial: _, ...patch } = withoutReadOnly(call.body)
    const committed = await commit(live, call, {
      scope: { path: [id] },
      edit: updateFlag(id, flag, patch, call),
      document,
    })
    return { status: 200, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'flags.archive': async (call, { live }) => {
    const { id } = findProject(live, call.manager, call.params.project)
    const { flag } = call.params
    const document = flagAt(id, flag)
    const committed = await commit(live, call, {
      scope: { path: [id], descendants: true },
      edit: archiveFlag(id, flag),
      document,
    })
    return { status: 200, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'flags.unarchive': async (call, { live }) => {
    const { id } = findProject(live, call.manager, call.params.project)
    const { flag } = call.params
    const document = flagAt(id, flag)
    const committed = await commit(live, call, {
      scope: { path: [id], descendants: true },
      edit: unarchiveFlag(id, flag),
      document,
    })
    return { status: 200, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'flags.delete': async (call, { live }) => {
    const { id } = findProject(live, call.manager, call.params.project)
    const { flag } = call.params
    const committed = await commit(live, call, {
      scope: { path: [id] },
      edit: deleteFlag(id, flag, call),
      document: flagAt(id, flag),
    })
    return { status: 200, body: { key: flag, deleted: true, ...outcomeOf(live, call, committed, id) } }
  },
}

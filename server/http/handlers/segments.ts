/** Segments and commits of many documents. */
import { withoutReadOnly } from '../../contract/resources.ts'
import { commitAll } from '../../domain/batch.ts'
import type { LogId } from '../../domain/change.ts'
import { asJson } from '../../domain/documents.ts'
import { etagOf } from '../../domain/expectations.ts'
import { references } from '../../domain/references.ts'
import { deleteSegment, patchSegment, putSegment } from '../../domain/segments.ts'
import type { Handlers } from '../call.ts'
import { findEntry, findEnvironment, heldLog } from '../find.ts'
import { chooseFields, pageOf, searchFor, sortedKeys } from '../listing.ts'
import { type Stamp, shownEntry, showSegment } from '../shown.ts'
import { agreeOnKey, commit, outcomeOf, type Target, writtenDocument } from '../write.ts'

const segmentAt = (log: LogId, key: string): Target => ({ log, kind: 'segment', key, show: showSegment })

export const segmentHandlers: Handlers<
  | 'segments.list'
  | 'segments.get'
  | 'segments.put'
  | 'segments.patch'
  | 'segments.delete'
  | 'segments.references'
> = {
  'segments.list': ({ params, query, manager }, { live }) => {
    const held = heldLog(live, findEnvironment(live, manager, params).id)
    const matches = searchFor(query.query)
    const choose = chooseFields(query.fields)
    const entries = held.state.entries.get('segment')
    const body = pageOf(sortedKeys(entries), query, (key) => {
      const entry = entries?.get(key)
      if (entry === undefined || !matches(key)) return undefined
      return choose(shownEntry(showSegment, held, key, entry))
    })
    return { status: 200, body }
  },

  'segments.get': ({ params, manager }, { live }) => {
    const held = heldLog(live, findEnvironment(live, manager, params).id)
    const entry = findEntry(held, 'segment', params.segment, 'segment-not-found')
    const body = shownEntry(showSegment, held, params.segment, entry)
    return { status: 200, body, etag: etagOf(body as Stamp) }
  },

  'segments.put': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { segment } = call.params
    agreeOnKey(call.body, segment)
    const document = segmentAt(environment.id, segment)
    const committed = await commit(live, call, {
      scope: { path: [environment.id] },
      edit: putSegment(environment.id, segment, withoutReadOnly(call.body), call),
      environment,
      document,
    })
    return {
      status: committed.action === 'segment.create' ? 201 : 200,
      ...writtenDocument(live, call, committed, document, committed.result),
    }
  },

  'segments.patch': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { segment } = call.params
    agreeOnKey(call.body, segment)
    const document = segmentAt(environment.id, segment)
    const committed = await commit(live, call, {
      scope: { path: [environment.id] },
      edit: patchSegment(environment.id, segment, asJson(withoutReadOnly(call.body)), call),
      environment,
      document,
    })
    return { status: 200, ...writtenDocument(live, call, committed, document, committed.result) }
  },

  'segments.delete': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { segment } = call.params
    const committed = await commit(live, call, {
      scope: { path: [environment.id] },
      edit: deleteSegment(environment.id, segment, call),
      environment,
      document: segmentAt(environment.id, segment),
    })
    const outcome = outcomeOf(live, call, committed, environment.id)
    return { status: 200, body: { key: segment, deleted: true, ...outcome } }
  },

  'segments.references': ({ params, manager }, { live }) => {
    const held = heldLog(live, findEnvironment(live, manager, params).id)
    findEntry(held, 'segment', params.segment, 'segment-not-found')
    return { status: 200, body: references(held.state, params.segment) }
  },
}

export const commitHandlers: Handlers<'commits.create'> = {
  'commits.create': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const committed = await commit(live, call, {
      scope: { path: [environment.id] },
      edit: commitAll(environment.id, call.body.changes, { keepRanges: call.query.ranges === 'keep' }),
      environment,
    })
    const outcome = outcomeOf(live, call, committed, environment.id)
    const changes = committed.result.map(({ kind, key }) => ({ kind, key, revision: outcome.revision }))
    return { status: 200, body: { changes, ...outcome } }
  },
}

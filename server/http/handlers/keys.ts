/** Keys of SDKs: each opens one environment. */
import type { SdkKeyDocument } from '../../domain/documents.ts'
import { createSdkKey, revokeSdkKey } from '../../domain/sdk-keys.ts'
import type { Handlers } from '../call.ts'
import { findEnvironment, heldLog } from '../find.ts'
import { chooseFields, pageOf, searchFor, sortedKeys } from '../listing.ts'
import { unknownKey } from '../problems.ts'
import { shownEntry, showSdkKey } from '../shown.ts'
import { commit, outcomeOf, shownOnce, type Target, writtenDocument } from '../write.ts'

export const keyHandlers: Handlers<'keys.list' | 'keys.create' | 'keys.delete'> = {
  'keys.list': ({ params, query, manager }, { live }) => {
    const environment = findEnvironment(live, manager, params)
    const held = heldLog(live, environment.project.id)
    const matches = searchFor(query.query)
    const choose = chooseFields(query.fields, 'id')
    const entries = held.state.entries.get('sdk-key')
    const body = pageOf(sortedKeys(entries), query, (id) => {
      const entry = entries?.get(id)
      const document = entry?.definition as unknown as SdkKeyDocument | undefined
      if (entry === undefined || document?.environment !== environment.id) return undefined
      return matches(id, document.name) ? choose(shownEntry(showSdkKey, held, id, entry)) : undefined
    })
    return { status: 200, body }
  },

  'keys.create': async (call, { live, randomBytes }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { project, id } = environment
    const committed = await commit(live, call, {
      scope: { path: [project.id] },
      edit: createSdkKey(project.id, id, call.body, randomBytes(32)),
      environment,
    })
    const { document, secret } = committed.result
    const target: Target = { log: project.id, kind: 'sdk-key', key: document.id, show: showSdkKey }
    const { body, etag } = writtenDocument(live, call, committed, target, document)
    return { status: 201, body: { ...body, ...shownOnce(call, committed, secret) }, etag }
  },

  'keys.delete': async (call, { live }) => {
    const environment = findEnvironment(live, call.manager, call.params)
    const { project, id } = environment
    const held = heldLog(live, project.id)
    const { id: key } = call.params
    const document = held.state.entries.get('sdk-key')?.get(key)?.definition as unknown as
      | SdkKeyDocument
      | undefined
    // Another environment's key is unknown here: the caller's grant covers this one alone.
    if (document !== undefined && document.environment !== id)
      throw unknownKey('key-not-found', 'key', key, [])
    const committed = await commit(live, call, {
      scope: { path: [project.id] },
      edit: revokeSdkKey(project.id, key),
      environment,
    })
    return { status: 200, body: { key, deleted: true, ...outcomeOf(live, call, committed, project.id) } }
  },
}

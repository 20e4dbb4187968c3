/** Keys of SDKs: each opens one environment. */
import { entryOf } from '@halyard/sdk/core'
import type { KeyDocument, SdkKeyDocument } from '../../domain/documents.ts'
import { etagOf } from '../../domain/expectations.ts'
import { createSdkKey, revokeSdkKey, rotateSdkKey } from '../../domain/sdk-keys.ts'
import type { Environment } from '../../live/live.ts'
import type { Handlers } from '../call.ts'
import { findEnvironment, heldLog } from '../find.ts'
import { withUses } from '../key-use.ts'
import { chooseFields, pageOf, searchFor, sortedKeys } from '../listing.ts'
import { unknownKey } from '../problems.ts'
import { shownEntry, showSdkKey } from '../shown.ts'
import { commit, outcomeOf, shownOnce, type Target, writtenDocument } from '../write.ts'

const keyAt = ({ project }: Environment, id: string): Target => ({
  log: project.id,
  kind: 'sdk-key',
  key: id,
  show: showSdkKey,
})

/** A key that was rotated, as its rotation answers it. */
export const previousOf = ({ id, expiresAt }: KeyDocument) => ({ id, expiresAt })

export const keyHandlers: Handlers<'keys.list' | 'keys.create' | 'keys.get' | 'keys.rotate' | 'keys.delete'> =
  {
    'keys.list': async ({ params, query, manager }, { live }) => {
      const environment = findEnvironment(live, manager, params)
      const held = heldLog(live, environment.project.id)
      const matches = searchFor(query.query)
      const choose = chooseFields(query.fields, 'id')
      const entries = held.state.entries.get('sdk-key')
      const { items, cursor } = pageOf(sortedKeys(entries), query, (id) => {
        const entry = entries?.get(id)
        const document = entry?.definition as unknown as SdkKeyDocument | undefined
        if (entry === undefined || document?.environment !== environment.id) return undefined
        return matches(id, document.name) ? { id, ...shownEntry(showSdkKey, held, id, entry) } : undefined
      })
      const used = await withUses(live, items, query.fields)
      return { status: 200, body: { items: used.map(choose), cursor } }
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
      const { body, etag } = writtenDocument(live, call, committed, keyAt(environment, document.id), document)
      return { status: 201, body: { ...body, ...shownOnce(call, committed, secret) }, etag }
    },

    'keys.get': async ({ params, manager }, { live }) => {
      const environment = findEnvironment(live, manager, params)
      const held = heldLog(live, environment.project.id)
      const entry = entryOf(held.state, 'sdk-key', params.id)
      const document = entry?.definition as unknown as SdkKeyDocument | undefined
      // Another environment's key is unknown here: the caller's grant covers this one alone.
      if (entry === undefined || document?.environment !== environment.id)
        throw unknownKey('key-not-found', 'key', params.id, [])
      const shown = { id: params.id, ...shownEntry(showSdkKey, held, params.id, entry) }
      const [body = shown] = await withUses(live, [shown])
      return { status: 200, body, etag: etagOf(shown) }
    },

    'keys.rotate': async (call, { live, randomBytes }) => {
      const environment = findEnvironment(live, call.manager, call.params)
      const { project, id } = environment
      const input = { graceSeconds: call.body?.graceSeconds }
      const committed = await commit(live, call, {
        scope: { path: [project.id] },
        edit: rotateSdkKey(project.id, id, call.params.id, input, randomBytes(32)),
        environment,
      })
      const { document, secret, previous } = committed.result
      const { body, etag } = writtenDocument(live, call, committed, keyAt(environment, document.id), document)
      const shown = { ...body, ...shownOnce(call, committed, secret), previous: previousOf(previous) }
      return { status: 201, body: shown, etag }
    },

    'keys.delete': async (call, { live }) => {
      const environment = findEnvironment(live, call.manager, call.params)
      const { project, id } = environment
      const { id: key } = call.params
      const committed = await commit(live, call, {
        scope: { path: [project.id] },
        edit: revokeSdkKey(project.id, id, key),
        environment,
      })
      return { status: 200, body: { key, deleted: true, ...outcomeOf(live, call, committed, project.id) } }
    },
  }

/** Keys that manage the service. The configured one is shown among them, and is no document. */
import { entryOf } from '@halyard/sdk/core'
import {
  CONFIGURED_KEY,
  createApiKey,
  type Places,
  revokeApiKey,
  rotateApiKey,
} from '../../domain/api-keys.ts'
import { SYSTEM } from '../../domain/change.ts'
import type { ApiKeyDocument } from '../../domain/documents.ts'
import { etagOf } from '../../domain/expectations.ts'
import { Problem } from '../../domain/problem.ts'
import type { Live } from '../../live/live.ts'
import type { Handlers } from '../call.ts'
import { heldLog } from '../find.ts'
import { withUses } from '../key-use.ts'
import { chooseFields, pageOf, searchFor, sortedKeys } from '../listing.ts'
import { unknownKey } from '../problems.ts'
import { showApiKey, shownEntry } from '../shown.ts'
import { commit, outcomeOf, shownOnce, type Target, writtenDocument } from '../write.ts'
import { previousOf } from './keys.ts'

const scope = { path: [SYSTEM] }
const keyAt = (id: string): Target => ({ log: SYSTEM, kind: 'api-key', key: id, show: showApiKey })
const CONFIGURED = { ...CONFIGURED_KEY, configured: true } as const

const isConfigured = (live: Live, id: string): boolean => live.adminConfigured && id === CONFIGURED_KEY.id

/** @throws Problem `key-configured` */
export function refuseConfigured(live: Live, id: string): void {
  if (!isConfigured(live, id)) return
  throw new Problem(
    'key-configured',
    'This key is in force for as long as HALYARD_ADMIN_KEY is set: unset or change it, and restart.',
  )
}

function placesOf(live: Live): Places {
  const projects = live.projects()
  const named = projects.flatMap((project) =>
    live.environments(project).map((environment) => `${project.key}/${environment.key}`),
  )
  return { projects: new Set(projects.map(({ key }) => key)), environments: new Set(named) }
}

export const apiKeyHandlers: Handlers<
  'api-keys.list' | 'api-keys.create' | 'api-keys.get' | 'api-keys.rotate' | 'api-keys.delete'
> = {
  'api-keys.list': async ({ query }, { live }) => {
    const held = heldLog(live, SYSTEM)
    const matches = searchFor(query.query)
    const choose = chooseFields(query.fields, 'id')
    const entries = held.state.entries.get('api-key')
    const ids = sortedKeys(entries)
    const { items, cursor } = pageOf(
      live.adminConfigured ? [...ids, CONFIGURED.id].sort() : ids,
      query,
      (id) => {
        const entry = entries?.get(id)
        const document = (entry?.definition as unknown as ApiKeyDocument | undefined) ?? CONFIGURED
        if (!matches(id, document.name)) return undefined
        return entry === undefined ? CONFIGURED : { id, ...shownEntry(showApiKey, held, id, entry) }
      },
    )
    const used = await withUses(live, items, query.fields)
    return { status: 200, body: { items: used.map(choose), cursor } }
  },

  'api-keys.create': async (call, { live, randomBytes }) => {
    const committed = await commit(live, call, {
      scope,
      edit: createApiKey(call.body, randomBytes(32), placesOf(live)),
    })
    const { document, secret } = committed.result
    const { body, etag } = writtenDocument(live, call, committed, keyAt(document.id), document)
    return { status: 201, body: { ...body, ...shownOnce(call, committed, secret) }, etag }
  },

  'api-keys.get': async ({ params: { id } }, { live }) => {
    if (isConfigured(live, id)) {
      const [body = CONFIGURED] = await withUses(live, [CONFIGURED])
      return { status: 200, body }
    }
    const held = heldLog(live, SYSTEM)
    const entry = entryOf(held.state, 'api-key', id)
    if (entry === undefined) throw unknownKey('key-not-found', 'key', id, [])
    const shown = { id, ...shownEntry(showApiKey, held, id, entry) }
    const [body = shown] = await withUses(live, [shown])
    return { status: 200, body, etag: etagOf(shown) }
  },

  'api-keys.rotate': async (call, { live, randomBytes }) => {
    const { id } = call.params
    refuseConfigured(live, id)
    const edit = rotateApiKey(id, { graceSeconds: call.body?.graceSeconds }, randomBytes(32))
    const committed = await commit(live, call, { scope, edit })
    const { document, secret, previous } = committed.result
    const { body, etag } = writtenDocument(live, call, committed, keyAt(document.id), document)
    const shown = { ...body, ...shownOnce(call, committed, secret), previous: previousOf(previous) }
    return { status: 201, body: shown, etag }
  },

  'api-keys.delete': async (call, { live }) => {
    const { id } = call.params
    refuseConfigured(live, id)
    const committed = await commit(live, call, { scope, edit: revokeApiKey(id, live) })
    return { status: 200, body: { key: id, deleted: true, ...outcomeOf(live, call, committed, SYSTEM) } }
  },
}

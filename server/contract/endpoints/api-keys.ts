/** The keys that people and their tools manage the service with. */
import { z } from 'zod'
import { endpoint } from '../endpoint.ts'
import { ApiKey, ApiKeyInput, ApiKeyMade, ApiKeyRotated, ConfiguredKey, RotateBody } from '../keys.ts'
import {
  bodied,
  commentHeaders,
  describeList,
  dryRun,
  listQuery,
  listSearch,
  managed,
  NONE,
  noHeaders,
  writeHeaders,
} from '../parts.ts'
import { Deleted, pageOf } from '../resources.ts'

const write = z.strictObject(dryRun)
const list = '/api/v1/api-keys'
const one = `${list}/:id`
const atKey = z.strictObject({ id: z.string() })
/** To know whose keys there are, and for what, is an administrator's matter too. */
const access = { by: 'management', on: 'service', to: 'administer' } as const

export const apiKeyEndpoints = {
  'api-keys.list': endpoint({
    id: 'api-keys.list',
    group: 'Management keys',
    method: 'GET',
    path: list,
    access,
    summary: 'List management keys',
    description: `Without their secrets, which are kept nowhere. Where \`HALYARD_ADMIN_KEY\` is set, that key is listed under the id \`admin\`. ${describeList}`,
    params: NONE,
    query: listQuery(1_000).extend(listSearch),
    headers: noHeaders,
    body: undefined,
    answers: {
      200: {
        description: 'A page of keys',
        body: pageOf(z.union([ConfiguredKey.partial(), ApiKey.partial()])),
      },
    },
    problems: managed,
  }),
  'api-keys.create': endpoint({
    id: 'api-keys.create',
    group: 'Management keys',
    method: 'POST',
    path: list,
    access,
    summary: 'Make a management key',
    description:
      'It may do what any of its grants allows: a role, over some projects or environments or, where none are named, over all. Grants go by name; one that names what is not there yet gives a warning. The secret is shown this once.',
    params: NONE,
    query: write,
    headers: writeHeaders,
    body: {
      json: ApiKeyInput,
      size: 'management',
      example: {
        name: 'release pipeline',
        grants: [{ role: 'editor', environments: ['default/staging'] }],
        expiresAt: '2036-01-01T00:00:00Z',
      },
    },
    answers: { 201: { description: 'The key, with its secret', body: ApiKeyMade } },
    problems: [...managed, ...bodied],
  }),
  'api-keys.get': endpoint({
    id: 'api-keys.get',
    group: 'Management keys',
    method: 'GET',
    path: one,
    access,
    summary: 'Read a management key',
    description: '',
    params: atKey,
    query: NONE,
    headers: noHeaders,
    body: undefined,
    answers: { 200: { description: 'The key', body: z.union([ConfiguredKey, ApiKey]) } },
    problems: [...managed, 'key-not-found'],
  }),
  'api-keys.rotate': endpoint({
    id: 'api-keys.rotate',
    group: 'Management keys',
    method: 'POST',
    path: `${one}/rotate`,
    access,
    summary: 'Rotate a management key',
    description:
      'A new key that may do the same: its secret is shown this once. The old one is good until the end of the grace, so that everything that uses it can be given the new one first; then its requests are refused. A key with an expiry hands on its lifetime: of one made for 90 days, the new one has 90 days.',
    params: atKey,
    query: write,
    headers: writeHeaders,
    body: { json: RotateBody, size: 'management', optional: true, example: { graceSeconds: 3_600 } },
    answers: { 201: { description: 'The new key, with its secret', body: ApiKeyRotated } },
    problems: [...managed, ...bodied, 'key-not-found', 'key-rotated', 'key-expired', 'key-configured'],
  }),
  'api-keys.delete': endpoint({
    id: 'api-keys.delete',
    group: 'Management keys',
    method: 'DELETE',
    path: one,
    access,
    summary: 'Revoke a management key',
    description:
      'Requests with it are refused from now on. The last key that administers the service stays, unless one is configured.',
    params: atKey,
    query: write,
    headers: writeHeaders,
    body: undefined,
    answers: { 200: { description: 'It is gone', body: Deleted } },
    problems: [...managed, 'key-not-found', 'last-admin-key', 'key-configured'],
  }),
  'keys.revoke-self': endpoint({
    id: 'keys.revoke-self',
    group: 'Management keys',
    method: 'DELETE',
    path: '/api/v1/keys/self',
    access: { by: 'self', keys: ['management', 'server'] },
    summary: 'Revoke the key of this request',
    description:
      'Whoever finds a key where it should not be can end it with it, whatever its role. Not a client key: it may be public, and any visitor of a page could end it.',
    params: NONE,
    query: write,
    headers: commentHeaders,
    body: undefined,
    answers: { 200: { description: 'It is gone', body: Deleted } },
    problems: [...managed, 'last-admin-key', 'key-configured'],
  }),
} as const

/** The keys that SDKs use, each for one environment. */
import { z } from 'zod'
import { endpoint } from '../endpoint.ts'
import { RotateBody, SdkKey, SdkKeyInput, SdkKeyMade, SdkKeyRotated } from '../keys.ts'
import {
  bodied,
  describeList,
  dryRun,
  environmentParam,
  inEnvironment,
  listQuery,
  listSearch,
  managed,
  NONE,
  noHeaders,
  writeHeaders,
} from '../parts.ts'
import { Deleted, pageOf } from '../resources.ts'

const write = z.strictObject(dryRun)
const list = '/api/v1/projects/:project/environments/:env/keys'
const one = `${list}/:id`
const atKey = inEnvironment.extend({ id: z.string() })

export const sdkKeyEndpoints = {
  'keys.list': endpoint({
    id: 'keys.list',
    group: 'SDK keys',
    method: 'GET',
    path: list,
    access: { by: 'management', on: 'environment', to: 'read' },
    summary: 'List SDK keys',
    description: `Without their secrets, which are kept nowhere. ${describeList}`,
    params: inEnvironment,
    query: listQuery(1_000).extend(listSearch),
    headers: noHeaders,
    body: undefined,
    answers: { 200: { description: 'A page of keys', body: pageOf(SdkKey.partial()) } },
    problems: [...managed, ...environmentParam],
  }),
  'keys.create': endpoint({
    id: 'keys.create',
    group: 'SDK keys',
    method: 'POST',
    path: list,
    access: { by: 'management', on: 'environment', to: 'administer' },
    summary: 'Make an SDK key',
    description:
      'A `server` key reads the environment’s whole ruleset; a `client` key evaluates its client-visible flags, and may be public. The secret is shown this once.',
    params: inEnvironment,
    query: write,
    headers: writeHeaders,
    body: { json: SdkKeyInput, size: 'management', example: { kind: 'server', name: 'shop backend' } },
    answers: { 201: { description: 'The key, with its secret', body: SdkKeyMade } },
    problems: [...managed, ...bodied, ...environmentParam],
  }),
  'keys.get': endpoint({
    id: 'keys.get',
    group: 'SDK keys',
    method: 'GET',
    path: one,
    access: { by: 'management', on: 'environment', to: 'read' },
    summary: 'Read an SDK key',
    description: '',
    params: atKey,
    query: NONE,
    headers: noHeaders,
    body: undefined,
    answers: { 200: { description: 'The key', body: SdkKey } },
    problems: [...managed, ...environmentParam, 'key-not-found'],
  }),
  'keys.rotate': endpoint({
    id: 'keys.rotate',
    group: 'SDK keys',
    method: 'POST',
    path: `${one}/rotate`,
    access: { by: 'management', on: 'environment', to: 'administer' },
    summary: 'Rotate an SDK key',
    description:
      'A new key that may do the same: its secret is shown this once. The old one is good until the end of the grace, so that everything that uses it can be given the new one first; then its requests are refused and its open streams are cut. A key with an expiry hands on its lifetime: of one made for 90 days, the new one has 90 days.',
    params: atKey,
    query: write,
    headers: writeHeaders,
    body: { json: RotateBody, size: 'management', optional: true, example: { graceSeconds: 3_600 } },
    answers: { 201: { description: 'The new key, with its secret', body: SdkKeyRotated } },
    problems: [...managed, ...bodied, ...environmentParam, 'key-not-found', 'key-rotated', 'key-expired'],
  }),
  'keys.delete': endpoint({
    id: 'keys.delete',
    group: 'SDK keys',
    method: 'DELETE',
    path: one,
    access: { by: 'management', on: 'environment', to: 'administer' },
    summary: 'Revoke an SDK key',
    description: 'Requests with it are refused, and its open streams are cut.',
    params: atKey,
    query: write,
    headers: writeHeaders,
    body: undefined,
    answers: { 200: { description: 'It is gone', body: Deleted } },
    problems: [...managed, ...environmentParam, 'key-not-found'],
  }),
} as const

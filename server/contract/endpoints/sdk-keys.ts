/** The keys that SDKs use, each for one environment. */
import { z } from 'zod'
import { endpoint } from '../endpoint.ts'
import { SdkKey, SdkKeyInput, SdkKeyMade } from '../keys.ts'
import {
  bodied,
  describeList,
  dryRun,
  environmentParam,
  inEnvironment,
  listQuery,
  listSearch,
  managed,
  noHeaders,
  writeHeaders,
} from '../parts.ts'
import { Deleted, pageOf } from '../resources.ts'

const write = z.strictObject(dryRun)
const list = '/api/v1/projects/:project/environments/:env/keys'

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
  'keys.delete': endpoint({
    id: 'keys.delete',
    group: 'SDK keys',
    method: 'DELETE',
    path: `${list}/:id`,
    access: { by: 'management', on: 'environment', to: 'administer' },
    summary: 'Revoke an SDK key',
    description: 'Requests with it are refused, and its open streams are cut.',
    params: inEnvironment.extend({ id: z.string() }),
    query: write,
    headers: writeHeaders,
    body: undefined,
    answers: { 200: { description: 'It is gone', body: Deleted } },
    problems: [...managed, ...environmentParam, 'key-not-found'],
  }),
} as const

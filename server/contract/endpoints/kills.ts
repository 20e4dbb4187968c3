/** The kill switch: what on-call people reach for. It needs no If-Match and waits for no rate limit. */
import { z } from 'zod'
import { endpoint } from '../endpoint.ts'
import {
  atConfiguration,
  bodied,
  dryRun,
  environmentParam,
  flagParam,
  managed,
  writeHeaders,
} from '../parts.ts'
import { ActionBody, Killed, Unkilled } from '../resources.ts'

const path = '/api/v1/projects/:project/environments/:env/flags/:flag/kill'
const write = z.strictObject(dryRun)

/** A kill is taken however full the key's rate limit is. */
const unlimited = managed.filter((type) => type !== 'too-many-requests')
const shared = {
  group: 'Kill switches',
  path,
  params: atConfiguration,
  query: write,
  headers: writeHeaders,
} as const
const kill = {
  ...shared,
  access: { by: 'management', on: 'environment', to: 'kill' },
  summary: 'Kill a flag',
  description:
    'It serves its off variant to everyone, whatever its rules say and even if they are broken. The answer says what apps get now, and which other flags are off with it. Killing a killed flag answers the first kill.',
  body: { json: ActionBody, size: 'management', optional: true, example: { comment: 'Payments fail' } },
  answers: { 200: { description: 'It is killed', body: Killed } },
  problems: [...unlimited, ...bodied, ...environmentParam, ...flagParam, 'flag-archived'],
} as const

export const killEndpoints = {
  'kills.put': endpoint({ id: 'kills.put', method: 'PUT', ...kill }),
  'kills.post': endpoint({
    id: 'kills.post',
    method: 'POST',
    ...kill,
    summary: 'Kill a flag (the same by POST)',
  }),
  'kills.delete': endpoint({
    ...shared,
    id: 'kills.delete',
    method: 'DELETE',
    access: { by: 'management', on: 'environment', to: 'edit' },
    summary: 'Un-kill a flag',
    description: 'Removes exactly the kill; the configuration decides again.',
    body: undefined,
    answers: { 200: { description: 'It is no longer killed', body: Unkilled } },
    problems: [...managed, ...environmentParam, ...flagParam, 'flag-archived', 'not-killed'],
  }),
} as const

/**
 * The kill switch: what on-call people reach for. It needs no If-Match, has a rate limit of its own, and says how far
 * it has come.
 */
import { z } from 'zod'
import { endpoint } from '../endpoint.ts'
import { Killed, KilledGroup, KillGroupBody, KillStatus, Unkilled } from '../kills.ts'
import {
  atConfiguration,
  bodied,
  dryRun,
  environmentParam,
  flagParam,
  inEnvironment,
  managed,
  truth,
  writeHeaders,
} from '../parts.ts'
import { ActionBody } from '../resources.ts'

const path = '/api/v1/projects/:project/environments/:env/flags/:flag/kill'
const unkill = z.strictObject({
  ...dryRun,
  kill: z
    .string()
    .max(64)
    .meta({
      description:
        'The id of the kill to end, of several in one the last; where absent, the one that is served when this arrives',
    })
    .optional(),
  acceptEdits: truth.meta({ description: 'End it although what it holds back was edited since' }).optional(),
})

const LONGEST_WAIT_MS = 60_000
/** As people write durations: `500ms`, `2s`; a bare number is milliseconds. */
const Duration = z
  .string()
  .regex(/^\d{1,6}(?:ms|s)?$/, 'a duration is written as 500ms or 2s')
  .transform((text) => Number.parseInt(text, 10) * (/\ds$/.test(text) ? 1_000 : 1))
  .refine((ms) => ms <= LONGEST_WAIT_MS, 'at most 60s')
const waits = z.strictObject({
  ...dryRun,
  wait: z
    .enum(['servers', 'sdks', 'none'])
    .meta({
      description:
        'Answer when all instances, or all connected SDKs too, have applied it. `servers` where absent',
    })
    .optional(),
  timeout: Duration.meta({
    description: 'How long to wait at most; where absent, so long that the answer comes within a second',
  }).optional(),
})

/** How far a kill has come is told however full the key's rate limit is. */
const unlimited = managed.filter((type) => type !== 'too-many-requests')
const shared = {
  group: 'Kill switches',
  path,
  params: atConfiguration,
  headers: writeHeaders,
} as const
const kill = {
  ...shared,
  query: waits,
  access: { by: 'management', on: 'environment', to: 'kill' },
  limit: 'kills',
  summary: 'Kill a flag',
  description:
    'It serves its off variant to everyone, whatever its rules say and even if they are broken. The answer says what apps get now, which other flags are off with it, and which instances and SDKs have applied it by now. Killing a killed flag answers the first kill.',
  body: { json: ActionBody, size: 'management', optional: true, example: { comment: 'Payments fail' } },
  answers: {
    200: { description: 'It is killed, and all that was waited for have applied it', body: Killed },
    202: {
      description: 'It is killed, and not everyone who was waited for has said so in time: ask at `status`',
      body: Killed,
    },
  },
  problems: [...managed, ...bodied, ...environmentParam, ...flagParam, 'flag-archived'],
} as const

export const killEndpoints = {
  'kills.put': endpoint({ id: 'kills.put', method: 'PUT', ...kill }),
  'kills.post': endpoint({
    id: 'kills.post',
    method: 'POST',
    ...kill,
    summary: 'Kill a flag (the same by POST)',
  }),
  'kills.short': endpoint({
    id: 'kills.short',
    method: 'POST',
    ...kill,
    path: '/kill/:project/:env/:flag',
    summary: 'Kill a flag (the same, at an address for the memory)',
  }),
  'kills.group': endpoint({
    ...kill,
    id: 'kills.group',
    method: 'POST',
    path: '/api/v1/projects/:project/environments/:env/kills',
    params: inEnvironment,
    summary: 'Kill all flags of a tag, or of the environment',
    description:
      'As one revision, and however broken any of them is. `expect` says how many flags that is, so that none is killed that nobody thought of: a dry run tells. Archived flags are left out.',
    body: {
      json: KillGroupBody,
      size: 'management',
      example: { tag: 'payments', expect: 2, comment: 'Payments fail' },
    },
    answers: {
      200: { description: 'They are killed, and all that was waited for have applied it', body: KilledGroup },
      202: {
        description:
          'They are killed, and not everyone who was waited for has said so in time: ask at `status`',
        body: KilledGroup,
      },
    },
    problems: [...managed, ...bodied, ...environmentParam, ...flagParam, 'kill-count-differs'],
  }),
  'kills.status': endpoint({
    id: 'kills.status',
    group: 'Kill switches',
    method: 'GET',
    path: '/api/v1/projects/:project/environments/:env/kills/:kill',
    access: { by: 'management', on: 'environment', to: 'read-kills' },
    summary: 'How far a kill has come',
    description:
      'Which instances and SDKs have applied it, and who is waited for. For ten minutes after it as it is now, later as it was at the end. With `Accept: text/event-stream` an event `status` at each change, until all have applied it.',
    params: inEnvironment.extend({ kill: z.string().max(64) }),
    query: z.strictObject({}),
    headers: z.object({ accept: z.string().optional() }),
    body: undefined,
    answers: { 200: { description: 'The status', body: KillStatus } },
    problems: [...unlimited, ...environmentParam, 'kill-not-found'],
  }),
  'kills.delete': endpoint({
    ...shared,
    query: unkill,
    id: 'kills.delete',
    method: 'DELETE',
    access: { by: 'management', on: 'environment', to: 'unkill' },
    summary: 'Un-kill a flag',
    description:
      'Ends exactly one kill; the configuration decides again. Where the flag, or a segment that it uses, was edited since the kill, it is refused unless `acceptEdits=true`. A key that may only kill ends what it killed itself within the last hour.',
    body: undefined,
    answers: { 200: { description: 'It is no longer killed', body: Unkilled } },
    problems: [
      ...managed,
      ...environmentParam,
      ...flagParam,
      'flag-archived',
      'not-killed',
      'kill-changed',
      'edited-while-killed',
    ],
  }),
} as const

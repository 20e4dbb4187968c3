/** What SDKs call: remote evaluation (OFREP 0.3) for browsers and other languages, rulesets for server SDKs. */
import { z } from 'zod'
import type { ProblemType } from '../../domain/problem.ts'
import { Json } from '../documents.ts'
import { type Access, endpoint } from '../endpoint.ts'
import { callerHeaders, NONE, noHeaders } from '../parts.ts'

const either: Access = { by: 'sdk', keys: ['server', 'client'] }
const server: Access = { by: 'sdk', keys: ['server'] }
const keyed: readonly ProblemType[] = [
  'too-many-requests',
  'unauthenticated',
  'forbidden',
  'secret-key-in-browser',
  'internal',
  'unavailable',
]

const EvaluationContext = z
  .looseObject({ targetingKey: z.union([z.string(), z.number()]).optional() })
  .meta({ description: '16 KiB, depth 8 and 256 attributes at most' })
const EvaluationRequest = z.looseObject({ context: EvaluationContext })

const Metadata = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).meta({
  description:
    'epoch and revision (the state’s; a restored database goes on in a new epoch), version (the flag’s), flagSetId (project/environment), killed; to server keys also rule and prerequisite',
})
const EvaluationSuccess = z.strictObject({
  key: z.string(),
  value: Json.meta({ description: 'Absent with variant: the code default' }).optional(),
  variant: z.string().optional(),
  reason: z.enum(['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT', 'DISABLED']),
  metadata: Metadata.optional(),
})
const errorCode = z.enum(['PARSE_ERROR', 'TARGETING_KEY_MISSING', 'INVALID_CONTEXT', 'GENERAL'])
const EvaluationFailure = z.strictObject({
  key: z.string(),
  errorCode,
  errorDetails: z.string().optional(),
  metadata: Metadata.optional(),
})
const FlagNotFound = z.strictObject({
  key: z.string(),
  errorCode: z.literal('FLAG_NOT_FOUND'),
  errorDetails: z.string().optional(),
})
const BulkFailure = z.strictObject({ errorCode, errorDetails: z.string().optional() })
const BulkAnswer = z.strictObject({
  flags: z.array(z.union([EvaluationSuccess, EvaluationFailure])),
  metadata: Metadata,
  eventStreams: z.array(
    z.strictObject({
      type: z.literal('sse'),
      endpoint: z.strictObject({ requestUri: z.string() }),
      inactivityDelaySec: z.int(),
    }),
  ),
})

export const Acknowledgement = z.strictObject({
  epoch: z.int().nonnegative(),
  revision: z.int().nonnegative(),
  afterMs: z
    .number()
    .nonnegative()
    .max(600_000)
    .meta({ description: 'Since it was applied, milliseconds' })
    .optional(),
  kills: z
    .array(z.string().max(64))
    .max(100)
    .meta({ description: 'Ids of applied kills that have no revision yet' })
    .optional(),
  closing: z.literal(true).meta({ description: 'This process will hold nothing any more' }).optional(),
})

const request = {
  json: EvaluationRequest,
  size: 'context',
  example: { context: { targetingKey: 'user-1', plan: 'pro' } },
} as const
const bodied = ['too-large', 'unsupported-media-type'] as const
const malformed = (body: z.ZodType) => ({
  description:
    'The body is not JSON, or its context is missing or breaks a limit; or the flag could not be evaluated',
  body,
})
const events = (description: string) => ({
  200: { description, mediaType: 'text/event-stream', body: z.string() },
})

const bulkQuery = z.looseObject({
  flagConfigEtag: z
    .string()
    .meta({ description: 'The state that an event named: this instance catches up to it before it answers' })
    .optional(),
})

export const evaluationEndpoints = {
  'ofrep.evaluate': endpoint({
    id: 'ofrep.evaluate',
    group: 'Evaluation',
    method: 'POST',
    path: '/ofrep/v1/evaluate/flags/:key',
    access: either,
    summary: 'Evaluate a flag',
    description:
      'OpenFeature Remote Evaluation Protocol. A client key sees the flags with client visibility alone; any other is unknown to it.',
    params: z.strictObject({ key: z.string() }),
    query: NONE,
    headers: callerHeaders,
    body: request,
    answers: {
      200: {
        description: 'The evaluation',
        body: EvaluationSuccess,
        example: {
          key: 'checkout',
          value: true,
          variant: 'on',
          reason: 'TARGETING_MATCH',
          metadata: { flagSetId: 'default/production', epoch: 1_800_000_000, revision: 12, version: 9 },
        },
      },
      400: malformed(EvaluationFailure),
      404: { description: 'There is no such flag for this key', body: FlagNotFound },
    },
    problems: [...keyed, ...bodied],
  }),
  'ofrep.evaluate-all': endpoint({
    id: 'ofrep.evaluate-all',
    group: 'Evaluation',
    method: 'POST',
    path: '/ofrep/v1/evaluate/flags',
    access: either,
    summary: 'Evaluate every flag',
    description:
      'OpenFeature Remote Evaluation Protocol. The ETag changes with the flags, with the attributes that they read, and with time where a dated rule turns.',
    params: NONE,
    query: bulkQuery,
    headers: callerHeaders.extend({
      'if-none-match': z.string().optional(),
      'halyard-instance': z
        .string()
        .meta({ description: 'Tells a page from others: it counts among the pollers of a kill' })
        .optional(),
    }),
    body: request,
    answers: {
      200: {
        description: 'The evaluations',
        body: BulkAnswer,
        headers: {
          'Retry-After':
            'To pages, for a minute after a kill that they can see: in how many seconds to ask again, with what they hold by then in If-None-Match, so that whoever killed knows',
        },
      },
      304: { description: 'As the ETag in If-None-Match says' },
      400: malformed(BulkFailure),
    },
    problems: [...keyed, ...bodied],
  }),
  'ofrep.stream': endpoint({
    id: 'ofrep.stream',
    group: 'Evaluation',
    method: 'GET',
    path: '/ofrep/v1/stream',
    access: { by: 'stream-token' },
    summary: 'Hear of changes',
    description:
      'Server-sent events: `{"type": "refetchEvaluation", "etag", "lastModified"}` after each change that can alter an answer. The address stands in `eventStreams` of a bulk answer.',
    params: NONE,
    query: z.looseObject({ token: z.string().optional() }),
    headers: noHeaders,
    body: undefined,
    answers: events('Events, until the key ends'),
    problems: ['unauthenticated', 'too-many-requests', 'internal', 'unavailable'],
  }),
  'sdk.ruleset': endpoint({
    id: 'sdk.ruleset',
    group: 'Server SDKs',
    method: 'GET',
    path: '/sdk/v1/ruleset',
    access: server,
    summary: 'Download the ruleset',
    description: 'The whole state of the key’s environment, as server SDKs evaluate it.',
    params: NONE,
    query: NONE,
    headers: callerHeaders.extend({
      'if-none-match': z.string().optional(),
      'accept-encoding': z.string().optional(),
    }),
    body: undefined,
    answers: {
      200: {
        description: 'The ruleset',
        body: z.looseObject({ schema: z.int(), bucketing: z.string() }),
        headers: {
          ETag: 'Names the state and the encoding',
          'Unencoded-Digest':
            '`sha-256=:<base64>:` of the JSON before it was compressed, so that whoever decoded it can tell that nothing was damaged on the way',
        },
      },
      304: { description: 'As the ETag in If-None-Match says' },
    },
    problems: keyed,
  }),
  'sdk.acks': endpoint({
    id: 'sdk.acks',
    group: 'Server SDKs',
    method: 'POST',
    path: '/sdk/v1/acks',
    access: either,
    summary: 'Acknowledge a kill',
    description:
      'Says that this process has applied the kills of a state, within the time that the delta named (`ackWithinMs`), so that whoever killed knows; or that it closes. Also in answer to the event `ask`.',
    params: NONE,
    query: NONE,
    headers: callerHeaders.extend({
      'halyard-instance': z
        .string()
        .meta({ description: 'Tells a process from others of the same app; needed' })
        .optional(),
    }),
    body: {
      json: Acknowledgement,
      size: 'context',
      example: { epoch: 1_795_000_000, revision: 812, afterMs: 40 },
    },
    answers: { 204: { description: 'It is noted' } },
    problems: [...keyed, ...bodied, 'invalid-request', 'malformed-json', 'invalid-document'],
  }),
  'sdk.stream': endpoint({
    id: 'sdk.stream',
    group: 'Server SDKs',
    method: 'GET',
    path: '/sdk/v1/stream',
    access: server,
    summary: 'Follow the ruleset',
    description:
      'Server-sent events: `delta`, `reload`, `pending`, `heartbeat` (every 15 s), `ask` (acknowledge what you hold) and `goodbye`, from the state that Last-Event-ID names.',
    params: NONE,
    query: NONE,
    headers: callerHeaders.extend({ 'last-event-id': z.string().optional() }),
    body: undefined,
    answers: events('Events, until the key ends'),
    problems: keyed,
  }),
} as const

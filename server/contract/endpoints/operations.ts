/** What operators and their tools call. None needs a key, and none tells what a flag or a key is named. */
import { z } from 'zod'
import { endpoint } from '../endpoint.ts'
import { NONE, noHeaders } from '../parts.ts'

const open = {
  group: 'Operations',
  method: 'GET',
  access: { by: 'anyone' },
  params: NONE,
  query: z.object({}),
  headers: noHeaders,
  body: undefined,
} as const

const position = z.strictObject({ epoch: z.int(), revision: z.int() })
const Readiness = z.strictObject({
  status: z.enum(['ready', 'degraded', 'starting', 'draining']),
  version: z.string(),
  store: z.strictObject({
    ok: z.boolean(),
    readOnly: z.literal(true).optional().meta({
      description:
        'The database refused the last write, since it takes none: a standby, or set so. Absent where it takes them',
    }),
  }),
  redis: z.strictObject({ ok: z.boolean() }).optional().meta({ description: 'Absent without Redis' }),
  environments: z.array(
    z.strictObject({
      environment: z.string(),
      ok: z.boolean(),
      epoch: z.int(),
      revision: z.int(),
      source: z.enum(['database', 'redis', 'disk']).optional().meta({
        description:
          'Where the held state was read from. `redis` and `disk`: from a snapshot, which the database has not confirmed yet. Absent where none is held',
      }),
      wentBack: z.strictObject({ seen: position, found: position }).optional().meta({
        description:
          'Within the last day the database was found at an older state than one that had been seen: a backup was restored. What came after `found` is lost, kills excepted; this epoch was opened then',
      }),
      flagsInError: z.int().meta({ description: 'How many flags answer PARSE_ERROR' }),
    }),
  ),
})

export const operationEndpoints = {
  'health.live': endpoint({
    ...open,
    id: 'health.live',
    path: '/health/live',
    summary: 'Does the process run?',
    description: '',
    answers: {
      200: { description: 'It does', body: z.strictObject({ status: z.literal('ok'), version: z.string() }) },
    },
    problems: [],
  }),
  'health.ready': endpoint({
    ...open,
    id: 'health.ready',
    path: '/health/ready',
    summary: 'Can it serve?',
    description:
      '503 only before the first state was loaded and while draining. A dependency that fails shows as `degraded`: held states serve on, after a start those of the newest snapshots.',
    answers: {
      200: { description: 'ready or degraded', body: Readiness },
      503: { description: 'starting or draining', body: Readiness },
    },
    problems: ['internal'],
  }),
  metrics: endpoint({
    ...open,
    id: 'metrics',
    path: '/metrics',
    summary: 'Metrics for Prometheus',
    description: '',
    answers: { 200: { description: 'Text exposition format', mediaType: 'text/plain', body: z.string() } },
    problems: ['internal'],
  }),
  openapi: endpoint({
    ...open,
    id: 'openapi',
    path: '/openapi.json',
    summary: 'This interface as OpenAPI 3.1',
    description: '',
    answers: { 200: { description: 'The document', body: z.looseObject({ openapi: z.string() }) } },
    problems: [],
  }),
  docs: endpoint({
    ...open,
    id: 'docs',
    path: '/docs',
    summary: 'This interface as a page',
    description: '',
    answers: { 200: { description: 'The page', mediaType: 'text/html', body: z.string() } },
    problems: [],
  }),
} as const

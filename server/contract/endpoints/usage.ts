/** What apps tell of their evaluations, and what is known of a flag by that. */
import { z } from 'zod'
import { Instant, Key } from '../documents.ts'
import { endpoint } from '../endpoint.ts'
import {
  atConfiguration,
  bodied,
  callerHeaders,
  environmentParam,
  flagParam,
  managed,
  NONE,
  noHeaders,
} from '../parts.ts'

export const TELEMETRY_BYTES = 128 * 1024
const MOST_COUNTS = 1_000
const MOST_COUNT = 2 ** 31
/** Beyond it a sum of such would not be a number any more. */
const MOST_SUM = 1e15

const count = {
  variant: Key.nullable().meta({ description: 'null: the code default' }),
  version: z
    .int()
    .min(0)
    .nullable()
    .meta({ description: 'The flag’s own revision, as the metadata of an evaluation has it' }),
  minute: z.int().min(0).meta({
    description: 'Since the epoch; more than an hour ago or five minutes ahead counts as just that',
  }),
  count: z.int().min(1).max(MOST_COUNT),
}
const told = z.string().max(512)

const Telemetry = z.strictObject({
  batch: z.uuid().meta({ description: 'A batch that comes again under the same id is not counted again' }),
  counts: z.array(z.strictObject({ flag: Key, ...count })).max(MOST_COUNTS),
  events: z
    .array(
      z.strictObject({
        event: z
          .string()
          .regex(/^[^\p{C}\p{Zl}\p{Zp}]{1,100}$/u, 'one to 100 visible characters are expected')
          .meta({ description: 'Its name' }),
        flag: Key.nullable().meta({
          description: 'That the app had read, one of these for each. null: none, and nothing is counted',
        }),
        ...count,
        sum: z.number().min(-MOST_SUM).max(MOST_SUM).meta({ description: 'Of the events’ values' }),
      }),
    )
    .max(MOST_COUNTS)
    .default([]),
  key: z
    .string()
    .max(512)
    .meta({ description: 'A client key, from senders that cannot set headers (navigator.sendBeacon)' })
    .optional(),
  app: told.meta({ description: 'As the header Halyard-App' }).optional(),
  instance: told.meta({ description: 'As the header Halyard-Instance' }).optional(),
  sdk: told.meta({ description: 'As the header Halyard-SDK' }).optional(),
})

/** Steps of time, in minutes. */
export const USAGE_STEPS = { '1m': 1, '5m': 5, '15m': 15, '1h': 60, '6h': 360, '1d': 1_440 } as const

const time = Instant.meta({ examples: ['2026-07-25T00:00:00Z'] })
const usageQuery = z.strictObject({
  from: time.meta({ description: 'Without it: a day before `to`' }).optional(),
  to: time.meta({ description: 'Without it: now' }).optional(),
  step: z
    .enum(Object.keys(USAGE_STEPS) as [keyof typeof USAGE_STEPS])
    .meta({ description: 'How much time goes together; 1,500 steps at most. Without it: some 200 of them' })
    .optional(),
})
const variant = Key.nullable().meta({ description: 'null: the code default' })
const counted = z.int().min(0)
const variants = z.array(z.strictObject({ variant, count: counted }))

const FlagUsage = z.strictObject({
  flag: Key,
  from: Instant.meta({ description: 'Where the first step begins' }),
  to: Instant,
  step: usageQuery.shape.step.unwrap(),
  lastEvaluatedAt: Instant.nullable().meta({ description: 'To the minute, whenever it was; null: never' }),
  evaluations: z.strictObject({
    total: counted,
    variants,
    series: z
      .array(z.strictObject({ at: Instant, variants }))
      .meta({ description: 'Steps in which there were any' }),
  }),
  apps: z
    .array(
      z.strictObject({
        app: z.string().nullable(),
        version: z.string().nullable(),
        evaluations: counted.meta({ description: 'Within the time that was asked for' }),
        lastEvaluatedAt: Instant,
      }),
    )
    .meta({ description: 'Who reads it: 100 at most, the newest first. null: it did not tell its name' }),
  fetched: z
    .strictObject({ total: counted, series: z.array(z.strictObject({ at: Instant, count: counted })) })
    .meta({ description: 'Answers of all flags that would hold this one as it is now, read or not' }),
  events: z
    .array(
      z.strictObject({
        event: z.string(),
        variants: z.array(z.strictObject({ variant, count: counted, sum: z.number(), mean: z.number() })),
      }),
    )
    .meta({ description: 'Of apps, by the variant that was served to whom they happened' }),
})

export const usageEndpoints = {
  'flags.usage': endpoint({
    id: 'flags.usage',
    group: 'Usage',
    method: 'GET',
    path: '/api/v1/projects/:project/environments/:env/flags/:flag/usage',
    access: { by: 'management', on: 'environment', to: 'read' },
    summary: 'See how a flag is used',
    description:
      'Evaluations by variant over time, who reads it and when it was read last, and events by variant, as apps tell of them: ten to twenty seconds late. Counts are kept for as long as the service is set to.',
    params: atConfiguration,
    query: usageQuery,
    headers: noHeaders,
    body: undefined,
    answers: { 200: { description: 'Its usage', body: FlagUsage } },
    problems: [...managed, ...environmentParam, ...flagParam],
  }),
  'sdk.telemetry': endpoint({
    id: 'sdk.telemetry',
    group: 'Usage',
    method: 'POST',
    path: '/sdk/v1/telemetry',
    access: { by: 'sdk', keys: ['server', 'client'] },
    summary: 'Tell what was evaluated',
    description:
      'How often an app evaluated which flag to which variant, in which minute, and events of its own by the variants that were served: numbers alone, never contexts or targeting keys. Of flags that the key does not see nothing is counted. It is the first to be refused under pressure (503 with Retry-After); then send it again later, or drop it.',
    params: NONE,
    query: NONE,
    headers: callerHeaders,
    body: {
      json: Telemetry,
      texts: ['text/plain'],
      size: 'telemetry',
      example: {
        batch: '4f7a2a52-2c1c-4b7e-9a57-0b1c5a3f1e11',
        counts: [{ flag: 'checkout', variant: 'on', version: 812, minute: 29_403_911, count: 41 }],
        events: [
          {
            ...{ event: 'purchase', flag: 'checkout', variant: 'on', version: 812, minute: 29_403_911 },
            ...{ count: 3, sum: 59.7 },
          },
        ],
      },
    },
    answers: { 202: { description: 'It is counted, soon', body: z.strictObject({}) } },
    problems: [
      ...(['invalid-request', 'too-many-requests', 'unauthenticated', 'forbidden'] as const),
      ...(['secret-key-in-browser', 'internal', 'unavailable'] as const),
      ...bodied,
    ],
  }),
} as const

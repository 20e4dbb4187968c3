/** What apps tell of their evaluations. */
import { z } from 'zod'
import { Key } from '../documents.ts'
import { endpoint } from '../endpoint.ts'
import { bodied, callerHeaders, NONE } from '../parts.ts'

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

export const usageEndpoints = {
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

/** Who is connected: whom a kill would have to reach. */
import { z } from 'zod'
import { endpoint } from '../endpoint.ts'
import { DeliveryNow } from '../kills.ts'
import { environmentParam, inEnvironment, managed, noHeaders } from '../parts.ts'

const MOST_LISTED = 1_000

export const deliveryEndpoints = {
  'delivery.get': endpoint({
    id: 'delivery.get',
    group: 'Kill switches',
    method: 'GET',
    path: '/api/v1/projects/:project/environments/:env/delivery',
    access: { by: 'management', on: 'environment', to: 'read-kills' },
    summary: 'See who is connected',
    description:
      'Which instances serve an environment and which processes of which apps follow it now, each with the state that it holds. All are asked: it takes a second or two, four at most. Who does not answer is named.',
    params: inEnvironment,
    query: z.strictObject({
      limit: z.coerce
        .number()
        .int()
        .min(0)
        .max(MOST_LISTED)
        .meta({ description: 'Processes to list; 100 without it' })
        .optional(),
    }),
    headers: noHeaders,
    body: undefined,
    answers: { 200: { description: 'Who is there', body: DeliveryNow } },
    problems: [...managed, ...environmentParam],
  }),
} as const

/**
 * The parts that endpoints share: parameters, query, headers and the problems that come with them. Each part
 * brings its problems along, so that an endpoint can't take If-Match and forget to declare 412.
 */
import { z } from 'zod'
import type { ProblemType } from '../domain/problem.ts'
import { Key } from './documents.ts'

/** `true` or `false`, as text in an address. */
export const truth = z.enum(['true', 'false']).transform((text) => text === 'true')

export const NONE = z.strictObject({})

export const inProject = z.strictObject({ project: Key })
export const inEnvironment = inProject.extend({ env: Key })
export const atFlag = inProject.extend({ flag: Key })
export const atConfiguration = inEnvironment.extend({ flag: Key })
export const atSegment = inEnvironment.extend({ segment: Key })

export const dryRun = {
  dryRun: truth.meta({ description: 'Answer what would happen, and change nothing' }).optional(),
}
export const keepRanges = {
  ranges: z.literal('keep').meta({ description: 'Write the ranges that the body gives' }).optional(),
}

/** A list's query: pages by `limit` and `cursor`; `fields` chooses what each item shows besides its key. */
export function listQuery(mostItems: number) {
  return z.strictObject({
    limit: z.coerce.number().int().min(1).max(mostItems).meta({ description: 'Items a page' }).optional(),
    cursor: z.string().meta({ description: 'As the page before answered it' }).optional(),
  })
}
const search = {
  query: z.string().meta({ description: 'In the key, name or description; case is ignored' }).optional(),
}
export const fields = {
  fields: z.string().meta({ description: 'Names of the fields to answer, separated by commas' }).optional(),
}
export const flagFilters = {
  ...search,
  ...fields,
  tag: z.string().optional(),
  owner: z.string().optional(),
  stale: z
    .enum(['true', 'false', 'expired', 'unread', 'one-variant'])
    .meta({ description: 'Flags that nobody needs any more, for any reason or for this one' })
    .optional(),
}
export const listSearch = { ...search, ...fields }
export const archivedFilter = {
  archived: z.enum(['true', 'false', 'any']).meta({ description: 'Without it: false' }).optional(),
}

const repeatable = {
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'one to 255 printable ASCII characters are expected')
    .meta({
      description:
        'Makes the write safe to send again: the same request under the same key is done once, and answered as the first time (a key’s secret aside)',
      examples: ['0d2b1c5e-9f0c-4a53-8f1b-2f6b6d2c8f11'],
    })
    .optional(),
}
const comment = {
  'halyard-comment': z.string().max(2_000).meta({ description: 'Why: kept with the change' }).optional(),
}
const ifMatch = {
  'if-match': z
    .string()
    .max(2_000)
    .meta({ description: 'The ETag of the document that was read, or *' })
    .optional(),
}
/** Of a write that can't come again. */
export const commentHeaders = z.object(comment)
export const writeHeaders = z.object({ ...comment, ...repeatable })
export const guardedHeaders = z.object({ ...comment, ...repeatable, ...ifMatch })
export const noHeaders = z.object({})
/** Any request with a key may carry these; SDKs do. Whatever stands in them is never an error. */
export const callerHeaders = z.object({
  'halyard-app': z
    .string()
    .meta({
      description: '`name/version` of the app: keys show who used them last',
      examples: ['shop/2.4.0'],
    })
    .optional(),
  'halyard-sdk': z
    .string()
    .meta({ examples: ['node/0.1.0'] })
    .optional(),
  'halyard-stream': z
    .string()
    .meta({ description: 'Which of the streams that the process ever opened is open, counted from 1' })
    .optional(),
})

// --- problems, by what brings them

/** Any endpoint that a key opens. */
const keyed = ['invalid-request', 'unauthenticated', 'secret-key-in-browser', 'too-many-requests'] as const
const always = ['internal', 'unavailable'] as const

export const managed: readonly ProblemType[] = [...keyed, 'forbidden', ...always]
export const bodied: readonly ProblemType[] = [
  'malformed-json',
  'too-large',
  'unsupported-media-type',
  'invalid-document',
]
export const guarded: readonly ProblemType[] = ['stale', 'precondition-required']
export const projectParam: readonly ProblemType[] = ['project-not-found']
export const environmentParam: readonly ProblemType[] = ['project-not-found', 'environment-not-found']
export const flagParam: readonly ProblemType[] = ['flag-not-found']
/** What names a state of the past. */
export const pastParam: readonly ProblemType[] = ['revision-not-found', 'history-compacted']

export const describeList = 'Sorted by key. `cursor` of one page is the `cursor` of the next request.'

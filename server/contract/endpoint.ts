/**
 * What an endpoint is, as data: everything that routing, validation, OpenAPI, the docs page and the tests need
 * to know of it. Knows nothing of the framework that serves it.
 */
import type { z } from 'zod'
import type { ProblemType } from '../domain/problem.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What a management key's role must allow. `read-kills`: which flags there are, and which of them are killed. */
export type Power = 'read' | 'read-kills' | 'kill' | 'unkill' | 'edit' | 'administer'

/** Who may call. There is no default: an endpoint without it can't be written down. */
export type Access =
  | { readonly by: 'anyone' }
  /** `on`: what the grant must cover. For `read` a grant over a part is enough, and the answer shows that part. */
  | {
      readonly by: 'management'
      readonly on: 'service' | 'project' | 'environment'
      readonly to: Power
      /** Fields of the body, dotted where they are inside, that name environments of the project, and what a grant must cover there as well. */
      readonly named?: Readonly<Record<string, Power>>
    }
  /** Whatever the key may do else: it is asked for itself. A client key is public, so it is never among these. */
  | { readonly by: 'self'; readonly keys: readonly ('management' | 'server')[] }
  | { readonly by: 'sdk'; readonly keys: readonly ('server' | 'client')[] }
  | { readonly by: 'stream-token' }
  | { readonly by: 'kill-link' }

export type Answer = {
  readonly description: string
  /** Absent: no body. */
  readonly body?: z.ZodType
  /** Without it: application/json. */
  readonly mediaType?: string
  /** What the headers of this answer say, by their names as documents write them. */
  readonly headers?: Readonly<Record<string, string>>
  readonly example?: unknown
}

/** `lines`: media types that are read as a stream of lines, besides JSON. `texts`: those that are read as that JSON. */
export type Body = {
  readonly json: z.ZodType
  readonly lines?: readonly string[]
  readonly texts?: readonly string[]
  /** Without it a body is needed. */
  readonly optional?: true
  /** What body a guard allows: `management` 8 MiB and depth 64, `context` 16 KiB and depth 8, `telemetry` 128 KiB and depth 4, `alert` 1 MiB of anything. */
  readonly size: 'management' | 'context' | 'telemetry' | 'alert'
  readonly example?: unknown
}

export type Group = (typeof GROUPS)[number]
export const GROUPS = [
  'Projects',
  'Environments',
  'Flags',
  'Configurations',
  'Kill switches',
  'Segments',
  'Commits',
  'History',
  'Reverts and promotions',
  'SDK keys',
  'Management keys',
  'Evaluation',
  'Server SDKs',
  'Usage',
  'Operations',
] as const

export type Endpoint = {
  readonly id: string
  readonly group: Group
  readonly method: Method
  /** As routers write it: `/projects/:project`. */
  readonly path: string
  readonly access: Access
  /** Which of a key's limits it asks. Without it: that of all requests, where `too-many-requests` is among the problems. */
  readonly limit?: 'kills'
  readonly summary: string
  readonly description: string
  readonly params: z.ZodObject
  readonly query: z.ZodObject
  /** Request headers that mean something here, in lower case; others are not looked at. */
  readonly headers: z.ZodObject
  readonly body: Body | undefined
  readonly answers: Readonly<Record<number, Answer>>
  /** Every problem that this endpoint can answer with; no other may escape. */
  readonly problems: readonly ProblemType[]
}

/** Keeps an endpoint's own types, so that its handler is checked against them. What headers bring, is added. */
export function endpoint<const E extends Endpoint>(definition: E): E {
  const problems = new Set<ProblemType>(definition.problems)
  if ('idempotency-key' in definition.headers.shape) problems.add('idempotency-key-reused')
  return { ...definition, problems: [...problems] }
}

/**
 * The catalogue of problems: every error that a user can meet, in one table. Domain code throws `Problem`;
 * the HTTP edge renders it as RFC 9457 `application/problem+json`.
 */
import type { Json } from '@halyard/sdk/core'

/** type → status and title. `type` on the wire is `https://halyard.dev/problems/<type>`. */
export const PROBLEMS = {
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'invalid-request': { status: 400, title: 'The request does not have the right shape' },
  unauthenticated: { status: 401, title: 'A valid key is needed' },
  forbidden: { status: 403, title: 'This key may not do that' },
  'cross-site': { status: 403, title: 'A page of another site may not do that' },
  'secret-key-in-browser': { status: 403, title: 'A secret key was sent from a browser' },
  'route-not-found': { status: 404, title: 'There is nothing at this address' },
  'project-not-found': { status: 404, title: 'There is no such project' },
  'environment-not-found': { status: 404, title: 'There is no such environment' },
  'flag-not-found': { status: 404, title: 'There is no such flag' },
  'variant-not-found': { status: 404, title: 'The flag has no such variant' },
  'rule-not-found': { status: 404, title: 'The flag has no such rule' },
  'segment-not-found': { status: 404, title: 'There is no such segment' },
  'key-not-found': { status: 404, title: 'There is no such key' },
  'revision-not-found': { status: 404, title: 'There is no such revision' },
  'kill-not-found': { status: 404, title: 'There is no such kill' },
  'link-not-found': { status: 404, title: 'There is no such link' },
  'method-not-allowed': { status: 405, title: 'This address does not take that method' },
  'already-exists': { status: 409, title: 'Something of that key exists already' },
  'flag-archived': { status: 409, title: 'The flag is archived' },
  'flag-not-archived': { status: 409, title: 'Only an archived flag can be deleted' },
  'flag-required': { status: 409, title: 'Another flag requires this one' },
  'segment-referenced': { status: 409, title: 'A flag or a segment names this segment' },
  'kill-count-differs': { status: 409, title: 'Another number of flags matches than the one expected' },
  'kill-changed': { status: 409, title: 'Another kill than the one named is in force' },
  'edited-while-killed': { status: 409, title: 'The flag was edited while it was killed' },
  'not-killed': { status: 409, title: 'The flag is not killed' },
  'idempotency-key-reused': { status: 409, title: 'The Idempotency-Key was used before' },
  'plan-stale': { status: 409, title: 'The plan is of states that have changed since' },
  'last-admin-key': { status: 409, title: 'Nobody could administer the service any more' },
  'key-configured': { status: 409, title: 'The key is part of the configuration' },
  'key-rotated': { status: 409, title: 'The key was rotated before' },
  'key-expired': { status: 409, title: 'The key has expired' },
  'revision-conflict': { status: 409, title: 'A document has another revision than the one expected' },
  'link-ended': { status: 410, title: 'This link is no longer in force' },
  'history-compacted': { status: 410, title: 'The history no longer has this state' },
  stale: { status: 412, title: 'The document was changed since it was read' },
  'too-large': { status: 413, title: 'The request is too large' },
  'unsupported-media-type': { status: 415, title: 'The body has a media type that is not understood here' },
  'invalid-document': { status: 422, title: 'The document breaks a rule of the model' },
  'precondition-required': { status: 428, title: 'If-Match is needed' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  unavailable: { status: 503, title: 'A dependency is not available' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemType = keyof typeof PROBLEMS
/** `pointer`: JSON Pointer (RFC 6901) into the request's body; `''` is the whole. */
export type Fault = { readonly pointer: string; readonly message: string }

/** What was edited since a flag's kill: its configuration, or a segment that it uses, or that segment's members. */
export type EditedWhileKilled = {
  readonly kind: 'flag' | 'segment' | 'members'
  /** The flag's, or the segment's. */
  readonly key: string
  readonly revision: number
  /** When and by whom, where that is known. */
  readonly at?: string
  readonly by?: string
}

export type ProblemDetails = {
  readonly errors?: readonly Fault[]
  /** The nearest known key, where a key is unknown. */
  readonly didYouMean?: string | undefined
  /** `stale`: the document as it is now, with its ETag. */
  readonly current?: { readonly revision: number; readonly epoch: number; readonly definition: Json }
  /** `kill-count-differs`: how many flags match, and the first hundred of them. */
  readonly matching?: { readonly count: number; readonly flags: readonly string[] }
  /** `edited-while-killed` */
  readonly editedWhileKilled?: readonly EditedWhileKilled[]
  /** Seconds. */
  readonly retryAfter?: number
  /** A refusal that is counted where it is made: thousands may come at once, and none is worth a line in the log. */
  readonly routine?: true
  readonly cause?: unknown
}

/** The one error that domain code throws. `detail` says, in a sentence, what is wrong and what to do. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly type: ProblemType
  readonly details: ProblemDetails

  constructor(type: ProblemType, detail: string, details: ProblemDetails = {}) {
    const { stackTraceLimit } = Error
    // Nobody reads where a refusal was made, and a trace is the dearest part of it.
    if (details.routine) Error.stackTraceLimit = 0
    super(detail, details.cause === undefined ? undefined : { cause: details.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.type = type
    this.details = details
  }

  get status(): number {
    return PROBLEMS[this.type].status
  }
}

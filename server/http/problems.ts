/**
 * Errors on the wire: whatever is thrown becomes one problem of the catalogue, rendered as RFC 9457. Faults of our
 * own say nothing of the inside; what happened stands in the log, under the id in `instance`.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { problemUri } from '../contract/problems.ts'
import { etagOf } from '../domain/expectations.ts'
import { nearest, quote } from '../domain/faults.ts'
import { type Fault, PROBLEMS, Problem, type ProblemType } from '../domain/problem.ts'
import { discardRest } from './connections.ts'
import { pointerStep } from './json-body.ts'

/** Seconds; where a problem does not say it itself. */
const RETRY_AFTER = 1
const MOST_FAULTS = 100

/** Fastify's own errors, by their code. */
const FRAMEWORK: Readonly<Record<string, readonly [ProblemType, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['too-large', 'The body is larger than this address takes.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported-media-type',
    'Send the body as application/json, with that Content-Type.',
  ],
  FST_ERR_CTP_EMPTY_TYPE: ['unsupported-media-type', 'Send a Content-Type with the body: application/json.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid-request', 'The body is not as long as Content-Length says.'],
  FST_ERR_BAD_URL: ['invalid-request', 'The address is not well-formed: check its percent-encoding.'],
  FST_ERR_ASYNC_CONSTRAINT: ['invalid-request', 'The request can’t be routed.'],
}

/** The problem that an error is. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { code, statusCode, message } = (error ?? {}) as {
    code?: unknown
    statusCode?: unknown
    message?: unknown
  }
  const known = typeof code === 'string' ? FRAMEWORK[code] : undefined
  if (known !== undefined) return new Problem(known[0], known[1], { cause: error })
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new Problem('invalid-request', String(message), { cause: error })
  }
  return new Problem('internal', 'It is logged, under the id in `instance`.', { cause: error })
}

/** A problem's body. `instance` names the request as the log does. */
export function problemBody(problem: Problem, instance: string): Record<string, unknown> {
  const { type, details } = problem
  const { status, title } = PROBLEMS[type]
  const { errors, didYouMean, current, matching, editedWhileKilled } = details
  return {
    type: problemUri(type),
    title,
    status,
    detail: problem.message,
    instance,
    ...(errors === undefined ? {} : { errors: errors.slice(0, MOST_FAULTS) }),
    ...(didYouMean === undefined ? {} : { didYouMean }),
    ...(current === undefined ? {} : { current: current.definition }),
    ...(matching === undefined ? {} : { matching }),
    ...(editedWhileKilled === undefined ? {} : { editedWhileKilled }),
  }
}

export function instanceOf(request: FastifyRequest): string {
  return `urn:halyard:request:${request.id}`
}

/** Answers with a problem. `body` replaces the usual one, for protocols with errors of their own; a text is a page. */
export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: Problem,
  body: Record<string, unknown> | string = problemBody(problem, instanceOf(request)),
): FastifyReply {
  const { type, status, details } = problem
  const isPage = typeof body === 'string'
  const mediaType = isPage ? 'text/html' : 'application/problem+json'
  reply.code(status).header('content-type', `${mediaType}; charset=utf-8`)
  reply.header('cache-control', 'no-store')
  if (type === 'unauthenticated') reply.header('www-authenticate', 'Bearer realm="halyard"')
  if (type === 'unavailable' || type === 'too-many-requests') {
    reply.header('retry-after', String(Math.max(1, Math.ceil(details.retryAfter ?? RETRY_AFTER))))
  }
  if (!request.raw.complete) {
    // Fastify would close it under a body that is still being sent.
    reply.removeHeader('connection')
    discardRest(request.raw)
  }
  if (details.current !== undefined) {
    reply.header('etag', etagOf(details.current))
  }
  return reply.send(isPage ? body : JSON.stringify(body))
}

type Issue = z.core.$ZodIssue

/** The faults that a schema found. In a union, those of the branch that was meant. */
function faultsOf(issues: readonly Issue[], prefix: readonly PropertyKey[] = []): Fault[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path]
    if (issue.code === 'invalid_union') return faultsOf(meantBranch(issue.errors), path)
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((name) => ({
        pointer: pointerAt([...path, name]),
        message: 'There is no such field here.',
      }))
    }
    return [{ pointer: pointerAt(path), message: sentence(issue.message) }]
  })
}

/** The branch that fits best: the one that is wrong deepest inside, and there in the fewest places. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const score = (issues: readonly Issue[]) =>
    issues.reduce(
      (sum, { path, code }) => sum + (path.length > 1 ? 1 : code === 'unrecognized_keys' ? 8 : 6),
      0,
    )
  const [best = []] = [...branches].sort((a, b) => score(a) - score(b))
  return best
}

function pointerAt(path: readonly PropertyKey[]): string {
  return path.map((step) => pointerStep(String(step))).join('')
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`
}

/** A body that has the wrong shape. */
export function misshapen(issues: readonly Issue[]): Problem {
  const errors = faultsOf(issues)
  const [first] = errors
  const where = first === undefined || first.pointer === '' ? 'The body' : first.pointer
  return new Problem('invalid-request', `${where}: ${first?.message ?? 'It has the wrong shape.'}`, {
    errors,
  })
}

/** Query parameters or headers that are wrong: a pointer leads into bodies alone, so the message names them. */
export function misaddressed(what: 'query parameter' | 'header', issues: readonly Issue[]): Problem {
  const errors = faultsOf(issues).map(({ pointer, message }) => ({
    pointer: '',
    message: `The ${what} ${pointer.slice(1) || '(all)'}: ${message}`,
  }))
  return new Problem('invalid-request', errors[0]?.message ?? `A ${what} is wrong.`, { errors })
}

/** More keys than this are not gone through for the nearest one. */
const MOST_COMPARED = 20_000

/** A problem of an unknown key, with the nearest known one. */
export function unknownKey(type: ProblemType, what: string, key: string, known: readonly string[]): Problem {
  const didYouMean = known.length > MOST_COMPARED ? undefined : nearest(key, known)
  return new Problem(type, `There is no ${what} ${quote(key)} here.`, { didYouMean })
}

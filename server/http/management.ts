/**
 * The management API: one function binds every endpoint of the contract to its handler: parse, authorise, call,
 * serialise. An endpoint without a handler, or a handler without one, is a type error.
 */
import { Readable } from 'node:stream'
import { LIMITS } from '@halyard/sdk/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Endpoint } from '../contract/endpoint.ts'
import { endpoints } from '../contract/index.ts'
import { PROBLEMS, Problem } from '../domain/problem.ts'
import { authorise, authoriseNamed, type Gate, identify } from './authorise.ts'
import { bodyOf, MANAGEMENT_BYTES, readBodies } from './bodies.ts'
import type { Answer, Call, Handlers, ManagementId, Manager, World } from './call.ts'
import { ENVELOPE_BYTES } from './contexts.ts'
import { apiKeyHandlers } from './handlers/api-keys.ts'
import { configurationHandlers } from './handlers/configurations.ts'
import { deliveryHandlers } from './handlers/delivery.ts'
import { explainHandlers } from './handlers/explain.ts'
import { flagHandlers } from './handlers/flags.ts'
import { historyHandlers } from './handlers/history.ts'
import { keyHandlers } from './handlers/keys.ts'
import { killLinkHandlers } from './handlers/kill-links.ts'
import { killHandlers } from './handlers/kills.ts'
import { memberHandlers } from './handlers/members.ts'
import { moveHandlers } from './handlers/moves.ts'
import { environmentHandlers, projectHandlers } from './handlers/projects.ts'
import { commitHandlers, segmentHandlers } from './handlers/segments.ts'
import { selfHandlers } from './handlers/self.ts'
import { usageHandlers } from './handlers/usage.ts'
import { repeatable } from './idempotency.ts'
import { noteUse } from './key-use.ts'
import type { Metrics } from './metrics.ts'
import { isPieces } from './pieces.ts'
import { misaddressed } from './problems.ts'
import { queuedMsOf } from './turns.ts'
import type { Log } from './types.ts'

const handlers: Handlers = {
  ...projectHandlers,
  ...environmentHandlers,
  ...flagHandlers,
  ...configurationHandlers,
  ...killHandlers,
  ...deliveryHandlers,
  ...killLinkHandlers,
  ...segmentHandlers,
  ...memberHandlers,
  ...commitHandlers,
  ...moveHandlers,
  ...historyHandlers,
  ...explainHandlers,
  ...usageHandlers,
  ...keyHandlers,
  ...apiKeyHandlers,
  ...selfHandlers,
}

export type Management = World &
  Gate & {
    readonly metrics: Metrics
    readonly log: Log
  }

type AnyHandler = (call: Call, world: World) => Answer | Promise<Answer>

export function serveManagement(scope: FastifyInstance, management: Management): void {
  readBodies(scope)
  for (const id of Object.keys(handlers) as ManagementId[]) {
    // The table is checked handler by handler; here every call is made from the endpoint that its handler is for.
    bind(scope, endpoints[id], handlers[id] as unknown as AnyHandler, management)
  }
}

/** Binds an endpoint to its handler. */
function bind(scope: FastifyInstance, endpoint: Endpoint, handler: AnyHandler, management: Management): void {
  const { live, metrics, log, limits, randomBytes, clock } = management
  const world: World = { live, randomBytes, clock }
  const kills = endpoint.limit === 'kills'
  const limited = !kills && endpoint.problems.includes('too-many-requests')
  scope.route({
    method: endpoint.method,
    url: endpoint.path,
    bodyLimit: endpoint.body?.size === 'context' ? LIMITS.contextBytes + ENVELOPE_BYTES : MANAGEMENT_BYTES,
    config: { endpoint },
    onRequest: async (request) => {
      const principal = await identify(management, request, limited)
      request.principal = principal
      noteUse(live, principal.keyId, request.headers)
      authorise(principal, endpoint.access, request.params)
      if (kills) limits.kill(principal.keyId)
      if (limited) await limits.management(principal.keyId)
    },
    handler: async (request, reply) => {
      const call = callOf(endpoint, request)
      authoriseNamed(call.manager, endpoint.access, call.params, call.body)
      const { status, body, etag, mediaType = 'application/json' } = await handler(call, world)
      reply.code(status).header('content-type', `${mediaType}; charset=utf-8`)
      reply.header('cache-control', 'no-store')
      if (etag !== undefined) reply.header('etag', etag)
      return reply.send(isPieces(body) ? Readable.from(body) : JSON.stringify(body))
    },
    onResponse: async (request: FastifyRequest, reply: FastifyReply) => {
      metrics.answered(endpoint.id, reply.statusCode, reply.elapsedTime / 1_000)
      // A caller's own excess is counted: with a line each, the log would have the flood as well.
      if (reply.statusCode === PROBLEMS['too-many-requests'].status) return
      const { method, id, principal } = request
      log.info(
        {
          request: id,
          endpoint: endpoint.id,
          method,
          path: request.url.split('?', 1)[0],
          status: reply.statusCode,
          milliseconds: Math.round(reply.elapsedTime),
          key: principal?.keyId,
          address: request.ip,
        },
        'management request',
      )
    },
  })
}

/** The request as the contract describes it. @throws Problem where it is not as described */
function callOf(endpoint: Endpoint, request: FastifyRequest): Call {
  const query = endpoint.query.safeParse({ ...(request.query as object) })
  if (!query.success) throw misaddressed('query parameter', query.error.issues)
  const headers = endpoint.headers.safeParse(request.headers)
  if (!headers.success) throw misaddressed('header', headers.error.issues)
  const params = endpoint.params.safeParse({ ...(request.params as object) })
  if (!params.success) throw new Problem('invalid-request', 'The address is not well-formed.')
  const { body, lines } = bodyOf(endpoint, request.body)
  const {
    'if-match': ifMatch,
    'halyard-comment': comment,
    'idempotency-key': key,
    accept,
  } = headers.data as {
    accept?: string
    'if-match'?: string
    'halyard-comment'?: string
    'idempotency-key'?: string
  }
  const repeats = key === undefined ? undefined : repeatable(key, request, lines ? null : request.body, lines)
  return {
    params: params.data,
    query: query.data,
    body: body as undefined,
    lines: repeats?.lines ?? lines,
    manager: request.principal as Manager,
    ifMatch,
    comment: commentIn(body) ?? (comment === undefined ? undefined : utf8Of(comment)),
    dryRun: query.data.dryRun === true,
    origin: originOf(request),
    accept,
    queuedMs: queuedMsOf(request.raw),
    idempotency: repeats?.idempotency,
  }
}

/** As proxies tell it that may: what the host's name is, is the caller's word. */
function originOf({ protocol, host }: FastifyRequest): string | undefined {
  const origin = `${protocol}://${host}`
  return URL.canParse(origin) ? new URL(origin).origin : undefined
}

/** An action's or a commit's own comment. */
function commentIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'comment')) return undefined
  const { comment } = body as { comment: unknown }
  return typeof comment === 'string' ? comment : undefined
}

/** Header bytes come as Latin-1, and people type UTF-8. */
function utf8Of(header: string): string {
  const bytes = Buffer.from(header, 'latin1')
  const text = bytes.toString('utf8')
  return text.includes('\ufffd') ? header : text
}

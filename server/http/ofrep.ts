/**
 * The OpenFeature Remote Evaluation Protocol. Its routes are the service's hottest: a body is parsed and looked over
 * once, the answer comes as bytes, and nothing else happens in between.
 */
import { type Context, compareStates, LIMITS } from '@halyard/sdk/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { endpoints } from '../contract/index.ts'
import { Problem } from '../domain/problem.ts'
import type { Caller } from '../live/key-uses.ts'
import type { BulkAnswer, Live, SdkPrincipal } from '../live/live.ts'
import { callerIn, notePage } from './acks.ts'
import { accept, authorise, type Gate, keyIn } from './authorise.ts'
import { CONTEXT_LIMITS, ENVELOPE_BYTES, refuseLarge } from './contexts.ts'
import { answerPreflights, corsHeaders, corsHeadersOfAny } from './cors.ts'
import { inspect, JSON_TYPES, mayHoldUnfitText, parse } from './json-body.ts'
import { noteStream, noteUse } from './key-use.ts'
import type { Metrics } from './metrics.ts'
import { instanceOf, problemBody, problemOf, sendProblem } from './problems.ts'
import type { Refuse } from './refusals.ts'
import { stream } from './sse.ts'

export type Edge = Gate & {
  readonly metrics: Metrics
  readonly clock: { now(): number }
  readonly onProblem: (request: FastifyRequest, problem: Problem) => void
  readonly refuse: Refuse
}

type Answering<R> = (request: R, reply: FastifyReply, by: SdkPrincipal) => void
type OneRoute = { Params: { key: string } }
type AllRoute = { Querystring: { flagConfigEtag?: unknown } }
type OneRequest = FastifyRequest<OneRoute>
type AllRequest = FastifyRequest<AllRoute>

const JSON_TYPE = 'application/json; charset=utf-8'
/** A named state is looked for in the store at most this often an environment, milliseconds. */
const CATCH_UP_APART_MS = 100

export function serveOfrep(scope: FastifyInstance, edge: Edge): void {
  const { live, metrics, clock, limits, onProblem, refuse } = edge
  const caughtUpAt = new Map<string, number>()

  // The body stays text: OFREP has its own answer to what is no JSON, with the flag's key in it.
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(JSON_TYPES, { parseAs: 'string' }, (_request, body, done) => done(null, body))
  scope.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    onProblem(request, problem)
    const { origin } = request.headers
    if (origin !== undefined && !reply.hasHeader('vary')) reply.headers(corsHeadersOfAny(live, origin))
    const body = problemBody(problem, instanceOf(request))
    refuse(problem, () => sendProblem(request, reply, problem, { ...body, errorDetails: problem.message }))
  })
  answerPreflights(scope, live, '/ofrep/v1')

  /**
   * A handler behind its key. Not a hook, and no promise for a key that is known: on these routes that is percents
   * of the whole. The body that waits meanwhile is small, and not parsed before its sender is known.
   */
  function behindKey<R extends FastifyRequest>(answer: Answering<R>) {
    return (request: R, reply: FastifyReply): void => {
      const key = keyIn(request.headers)
      const known = live.recognise(key)
      if (known !== undefined) within(answer, request, reply, admit(known, request, reply))
      else {
        live
          .authenticate(key, () => limits.unknownKey(request.ip))
          .then((principal) => within(answer, request, reply, admit(principal, request, reply)))
          .catch((error: unknown) => reply.send(error))
      }
    }
  }

  /** Answers whom the limit lets through: at once, unless somebody has to be asked. */
  function within<R extends FastifyRequest>(
    answer: Answering<R>,
    request: R,
    reply: FastifyReply,
    by: SdkPrincipal,
  ): void {
    const asked = limits.evaluation?.(by.keyId, request.ip)
    if (asked === undefined) answer(request, reply, by)
    else asked.then(() => answer(request, reply, by)).catch((error: unknown) => reply.send(error))
  }

  function admit(
    principal: Awaited<ReturnType<Live['authenticate']>>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): SdkPrincipal {
    const { headers } = request
    const admitted = accept(principal, headers, edge.onSecretInBrowser)
    request.caller = noteUse(live, admitted.keyId, headers)
    authorise(admitted, endpoints['ofrep.evaluate'].access, undefined)
    const by = admitted as SdkPrincipal
    if (headers.origin !== undefined) reply.headers(corsHeaders(by.environment, headers.origin))
    return by
  }

  /** Another instance told this client of a newer state than the one held here. Held states serve on if it fails. */
  async function catchUp(environment: string, named: string): Promise<void> {
    const asked = /^"?(\d{1,15})-(\d{1,15})(?:\+\w+)?"?$/.exec(named)
    const held = live.live(environment)?.state
    if (asked === null || held === undefined) return
    if (compareStates({ epoch: Number(asked[1]), revision: Number(asked[2]) }, held) <= 0) return
    const last = caughtUpAt.get(environment) ?? Number.NEGATIVE_INFINITY
    if (clock.now() - last < CATCH_UP_APART_MS) return
    try {
      await live.catchUp(environment)
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== 'unavailable') throw error
    } finally {
      caughtUpAt.set(environment, clock.now())
    }
  }

  const bodyLimit = LIMITS.contextBytes + ENVELOPE_BYTES

  scope.post<OneRoute>(
    endpoints['ofrep.evaluate'].path,
    { bodyLimit, config: { endpoint: endpoints['ofrep.evaluate'] } },
    behindKey<OneRequest>((request, reply, { environment, kind }) => {
      const { key } = request.params
      reply.header('content-type', JSON_TYPE)
      const context = contextOf(request.body as string | undefined)
      if (typeof context === 'string') {
        metrics.evaluations.refused++
        reply.code(400).send(JSON.stringify({ key, errorCode: 'INVALID_CONTEXT', errorDetails: context }))
        return
      }
      const answer = live.answer(environment.id, kind, key, context, countedFor(request))
      metrics.evaluations.single++
      reply.code(answer.status).send(answer.body)
    }),
  )

  scope.post<AllRoute>(
    endpoints['ofrep.evaluate-all'].path,
    { bodyLimit, config: { endpoint: endpoints['ofrep.evaluate-all'] } },
    behindKey<AllRequest>((request, reply, principal) => {
      // Whoever holds an answer can live with it for a while; a page that has none is answered.
      if (request.headers['if-none-match'] !== undefined) live.pressure.refuse('bulk')
      const context = contextOf(request.body as string | undefined)
      if (typeof context === 'string') {
        metrics.evaluations.refused++
        reply.code(400).header('content-type', JSON_TYPE)
        reply.send(JSON.stringify({ errorCode: 'INVALID_CONTEXT', errorDetails: context }))
        return
      }
      const { flagConfigEtag } = request.query
      if (typeof flagConfigEtag !== 'string') {
        answerAll(request, reply, principal, context)
        return
      }
      catchUp(principal.environment.id, flagConfigEtag)
        .then(() => answerAll(request, reply, principal, context))
        .catch((error: unknown) => reply.send(error))
    }),
  )

  function answerAll(
    request: FastifyRequest,
    reply: FastifyReply,
    principal: SdkPrincipal,
    context: Context,
  ): void {
    const { environment, kind, keyId } = principal
    const known = request.headers['if-none-match']
    if (request.caller !== undefined) live.usage.fetched(environment.id, kind, request.caller)
    // Who holds the answer already is told so before anything is computed.
    const knows = known === undefined ? undefined : (etag: string) => matchesEtag(known, etag)
    const page = callerIn(principal, request.headers)
    const state = page && live.live(environment.id)?.state
    const send = (answer: BulkAnswer): void => {
      const current = knows?.(answer.etag) === true
      if (page !== undefined) notePage(live, principal, page, current ? state : undefined, reply)
      sendAll(reply, answer, current)
    }
    const answer = live.evaluateAll(environment.id, { scope: kind, keyId }, context, knows)
    if (answer instanceof Promise) answer.then(send).catch((error: unknown) => reply.send(error))
    else send(answer)
  }

  function sendAll(reply: FastifyReply, { body, etag, from }: BulkAnswer, current: boolean): void {
    reply.header('etag', etag)
    if (current) {
      metrics.evaluations.notModified++
      reply.code(304).send()
      return
    }
    metrics.evaluations.bulk++
    reply.header('content-type', JSON_TYPE).header('x-evaluation-cache', from).send(body)
  }

  scope.get<{ Querystring: { token?: unknown } }>(
    endpoints['ofrep.stream'].path,
    { config: { endpoint: endpoints['ofrep.stream'] } },
    (request, reply) => {
      const { token } = request.query
      const bearer = typeof token === 'string' ? live.verifyStreamToken(token) : undefined
      if (bearer === undefined) {
        limits.unknownKey(request.ip)
        throw new Problem(
          'unauthenticated',
          'This token is not known here, or past its time. Evaluate again: the answer names a new one.',
        )
      }
      const { environment, keyId, scope: sees } = bearer
      const lastEventId = request.headers['last-event-id']
      stream(reply, streamCors(environment, request.headers.origin), (sink) =>
        noteStream(
          live,
          keyId,
          request.headers,
          live.openRefetchStream(
            environment,
            keyId,
            sees,
            sink,
            typeof lastEventId === 'string' ? lastEventId : undefined,
          ),
        ),
      )
    },
  )

  function streamCors(id: string, origin: string | undefined): Readonly<Record<string, string>> {
    const state = live.live(id)?.state
    if (origin === undefined || state === undefined) return {}
    const environment = live.environment(state.project, state.environment)
    return environment === undefined ? {} : corsHeaders(environment, origin)
  }
}

/** Whose evaluation is counted here: SDKs of ours tell themselves what apps read of the answers that they hold. */
function countedFor({ caller, headers }: FastifyRequest): Caller | undefined {
  return headers['halyard-sdk'] === undefined ? caller : undefined
}

/** Whether If-None-Match names this ETag (RFC 9110, 13.1.2: weakly compared). */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header === etag) return true
  return header.split(',').some((candidate) => {
    const tag = candidate.trim()
    return tag === '*' || tag === etag || tag === `W/${etag}`
  })
}

/**
 * The context of an evaluation's body, or what is wrong with it.
 * @throws Problem `too-large`
 */
function contextOf(text: string | undefined): Context | string {
  if (text === undefined || text.length === 0) return NO_CONTEXT
  let body: unknown
  try {
    body = parse(text)
  } catch (error) {
    if (error instanceof Problem) return error.message
    throw error
  }
  const context: unknown =
    typeof body === 'object' && body !== null && Object.hasOwn(body, 'context')
      ? (body as { context: unknown }).context
      : undefined
  if (typeof context !== 'object' || context === null || Array.isArray(context)) return NO_CONTEXT
  const fault = inspect(context, CONTEXT_LIMITS, mayHoldUnfitText(text))
  if (fault !== undefined) return `/context${fault.pointer}: ${fault.message}`
  if (text.length > LIMITS.contextBytes / 3) refuseLarge(context)
  return context as Context
}
const NO_CONTEXT = 'Send {"context": {…}}: the context is missing, or no object.'

/**
 * The HTTP edge: a Fastify instance that does not listen yet. Every route comes from the contract, and a route that
 * does not say who may call it can't be registered.
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyRequest, type RouteOptions } from 'fastify'
import { PROBLEMS, Problem } from '../domain/problem.ts'
import { LONGEST_TOKEN } from '../live/kill-link.ts'
import type { Principal } from '../live/live.ts'
import { createLocalQuota } from '../live/quota.ts'
import { serveAcks } from './acks.ts'
import { methodsAt } from './addresses.ts'
import { MANAGEMENT_BYTES } from './bodies.ts'
import { watchUnusedConnections } from './connections.ts'
import { serveKillLinks } from './kill-links.ts'
import { createLimits } from './limits.ts'
import { serveManagement } from './management.ts'
import { createMetrics } from './metrics.ts'
import { type Edge, serveOfrep } from './ofrep.ts'
import { serveOperations } from './operations.ts'
import { servePeers } from './peers.ts'
import { problemBody, problemOf, sendProblem } from './problems.ts'
import { createRefusals } from './refusals.ts'
import { serveSdks } from './sdk.ts'
import { serveTelemetry } from './telemetry.ts'
import { createTurns } from './turns.ts'
import type { HttpDeps } from './types.ts'

export { keepNoConnections } from './connections.ts'
export { createTurns } from './turns.ts'
export type { HttpDeps, Log } from './types.ts'

/** How long a client may take to send a request, milliseconds. Streams are requests that were sent long ago. */
const REQUEST_TIMEOUT_MS = 120_000
/** A proxy's idle connections should end at the proxy first. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000
const CLOSING_KEEP_ALIVE_MS = 100

export function createHttp(deps: HttpDeps): FastifyInstance {
  const { live, config, clock, log, turns = createTurns(), version } = deps
  const metrics = createMetrics(live)
  const refusals = createRefusals(clock)
  const boot = randomBytes(6).toString('hex')
  let requests = 0

  const http = fastify({
    logger: false,
    trustProxy: trustOf(config.trustProxy),
    bodyLimit: MANAGEMENT_BYTES,
    serverFactory: (listener) =>
      createServer(
        { requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS },
        turns.of(listener),
      ).on('connection', turns.connected),
    // A request that comes while we are closing is answered: nobody sees a restart.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: LONGEST_TOKEN },
    genReqId: () => `${boot}-${(++requests).toString(36)}`,
    frameworkErrors: (error, request, reply) => {
      const problem = problemOf(error)
      onProblem(request, problem)
      sendProblem(request, reply, problem)
    },
    clientErrorHandler: answerClientError,
  })

  function onProblem(request: FastifyRequest, problem: Problem): void {
    metrics.problem(problem.type)
    const { endpoint } = request.routeOptions?.config ?? {}
    const fields = { request: request.id, endpoint: endpoint?.id, type: problem.type }
    if (problem.type === 'internal')
      log.error({ ...fields, err: problem.cause ?? problem }, 'a request failed')
    else if (problem.type === 'unavailable' && !problem.details.routine) {
      log.warn({ ...fields, detail: problem.message, err: problem.cause }, 'a request could not be served')
    }
    if (endpoint !== undefined && !endpoint.problems.includes(problem.type)) {
      log.error(fields, 'the contract does not declare this problem for this endpoint')
    }
  }

  function onSecretInBrowser({ kind, keyId }: Principal): void {
    metrics.secretInBrowser()
    log.warn({ kind, key: keyId }, 'a secret key was sent from a browser: revoke it')
  }

  http.decorateRequest('principal', undefined)
  http.decorateRequest('caller', undefined)
  http.decorateRequest('killLink', undefined)
  http.addHook('onRoute', denyByDefault)
  http.removeAllContentTypeParsers()
  http.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    onProblem(request, problem)
    refusals.refuse(problem, () => sendProblem(request, reply, problem))
  })
  http.setNotFoundHandler((request, reply) => {
    if (isForDocs(request)) return reply.redirect('/docs')
    const problem = missingRoute(request)
    metrics.problem(problem.type)
    const methods = methodsAt(request.url)
    if (problem.type === 'method-not-allowed') reply.header('allow', methods.join(', '))
    return sendProblem(request, reply, problem)
  })
  const endUnused = watchUnusedConnections(http.server)
  http.addHook('preClose', async () => {
    // A connection that is busy now is not kept for another request, or its peer would hold close() as long.
    http.server.keepAliveTimeout = CLOSING_KEEP_ALIVE_MS
    // So would streams, for ever.
    await live.drain()
    refusals.end()
    endUnused()
  })

  const quota = deps.quota ?? ((_name, perSecond) => createLocalQuota(perSecond, clock))
  const limits = createLimits({ config, clock, quota, counts: metrics.limited })
  const edge: Edge = { live, metrics, clock, limits, onProblem, onSecretInBrowser, refuse: refusals.refuse }
  const management = { live, metrics, clock, log, limits, onSecretInBrowser, randomBytes }
  http.register(async (scope) => serveManagement(scope, management))
  http.register(async (scope) => serveKillLinks(scope, { ...management, onProblem }))
  http.register(async (scope) => serveOfrep(scope, edge))
  http.register(async (scope) => serveSdks(scope, edge))
  http.register(async (scope) => serveTelemetry(scope, edge))
  http.register(async (scope) => serveAcks(scope, edge))
  http.register(async (scope) => servePeers(scope, live))
  http.register(async (scope) => serveOperations(scope, { live, metrics, version }))
  return http
}

/**
 * A number is how many proxies stand before the service: that many of the last addresses are theirs. Whoever sets
 * it says that nobody reaches the service around them.
 */
function trustOf(setting: boolean | number | string) {
  return typeof setting === 'number' ? (_address: string, hop: number) => hop < setting : setting
}

/** Refuses to start with a route that does not say who may call it. */
function denyByDefault({ method, url, config }: RouteOptions): void {
  if (config?.endpoint === undefined && config?.open === undefined) {
    throw new Error(`${String(method)} ${url} declares no access: describe it in the contract first.`)
  }
}

/** What people open to see what is here. */
function isForDocs({ method, url }: FastifyRequest): boolean {
  return (method === 'GET' || method === 'HEAD') && /^\/(docs\/)?(\?|$)/.test(url)
}

function missingRoute({ method, url }: FastifyRequest): Problem {
  const methods = methodsAt(url)
  if (methods.length === 0) {
    return new Problem(
      'route-not-found',
      'There is nothing at this address. The interface is described at /docs.',
    )
  }
  return new Problem('method-not-allowed', `${method} is not for this address: use ${methods.join(', ')}.`)
}

/** What is no HTTP at all never becomes a request. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const problem = tooLarge
    ? new Problem('too-large', 'The headers are too large.')
    : new Problem('invalid-request', 'This is not a well-formed HTTP request.')
  const { status } = PROBLEMS[problem.type]
  const body = JSON.stringify(problemBody(problem, 'urn:halyard:request:none'))
  const head = `HTTP/1.1 ${status} ${tooLarge ? 'Content Too Large' : 'Bad Request'}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`
  socket.end(head + body)
}

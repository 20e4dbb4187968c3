/**
 * What apps tell of their evaluations: by any SDK with its key in a header, and by pages that are about to go, whose
 * beacons can carry neither headers nor another type than text. The first to be refused under pressure.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { TELEMETRY_BYTES } from '../contract/endpoints/usage.ts'
import { endpoints } from '../contract/index.ts'
import { Problem } from '../domain/problem.ts'
import type { SdkPrincipal } from '../live/live.ts'
import { accept, authorise, credentialOf, identify, keyIn } from './authorise.ts'
import { answerPreflights, corsHeaders, corsHeadersOfAny } from './cors.ts'
import { JSON_TYPES, parseJson } from './json-body.ts'
import { noteUse } from './key-use.ts'
import type { Edge } from './ofrep.ts'
import { misaddressed, misshapen, problemOf, sendProblem } from './problems.ts'

const ENDPOINT = endpoints['sdk.telemetry']
const DEPTH = 4
type Told = z.output<(typeof ENDPOINT)['body']['json']>

export function serveTelemetry(scope: FastifyInstance, edge: Edge): void {
  const { live, limits, onProblem, onSecretInBrowser, refuse } = edge

  // What it holds is looked at when its sender is known.
  scope.removeAllContentTypeParsers()
  for (const type of [JSON_TYPES, /^text\/plain\b/i]) {
    scope.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  }
  scope.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    onProblem(request, problem)
    const { origin } = request.headers
    if (origin !== undefined && !reply.hasHeader('vary')) reply.headers(corsHeadersOfAny(live, origin))
    refuse(problem, () => sendProblem(request, reply, problem))
  })
  answerPreflights(scope, live, '/sdk/v1')

  async function admit(request: FastifyRequest): Promise<void> {
    live.pressure.refuse('telemetry')
    if (credentialOf(request.headers) === undefined) return
    const principal = await identify(edge, request, true)
    authorise(principal, ENDPOINT.access, undefined)
    request.principal = principal
  }

  /** A key in a body is a beacon's: one that may be public, or nothing. */
  async function senderOf(request: FastifyRequest, told: Told): Promise<SdkPrincipal> {
    if (request.principal !== undefined) return request.principal as SdkPrincipal
    const key = keyIn(told.key === undefined ? {} : { 'x-api-key': told.key })
    const found = await live.authenticate(key, () => limits.unknownKey(request.ip))
    const principal = accept(found, request.headers, onSecretInBrowser)
    if (principal.kind === 'client') return principal
    throw new Problem(
      'forbidden',
      'A body may carry a client key (hly_pub_…) alone: send this one as Authorization: Bearer ….',
    )
  }

  scope.post(
    ENDPOINT.path,
    { onRequest: admit, bodyLimit: TELEMETRY_BYTES, config: { endpoint: ENDPOINT } },
    async (request, reply) => {
      const query = ENDPOINT.query.safeParse({ ...(request.query as object) })
      if (!query.success) throw misaddressed('query parameter', query.error.issues)
      const told = toldIn(request)
      const { kind, keyId, environment } = await senderOf(request, told)
      const { origin } = request.headers
      if (origin !== undefined) reply.headers(corsHeaders(environment, origin))
      const held = live.live(environment.id)
      if (held === undefined) {
        throw new Problem('unavailable', 'The state of this environment is not loaded yet. Try again.')
      }
      const caller = noteUse(live, keyId, {
        ...(told.app !== undefined && { 'halyard-app': told.app }),
        ...(told.sdk !== undefined && { 'halyard-sdk': told.sdk }),
        ...request.headers,
      })
      live.usage.take(held, kind, caller, told)
      return reply.code(202).send({})
    },
  )

  function toldIn(request: FastifyRequest): Told {
    const { body } = request
    if (request.headers['content-encoding'] !== undefined) {
      throw new Problem('unsupported-media-type', 'Send the body without Content-Encoding.')
    }
    const value = Buffer.isBuffer(body) ? parseJson(body, { depth: DEPTH }) : undefined
    const parsed = ENDPOINT.body.json.safeParse(value)
    if (parsed.success) return parsed.data
    // Who sends no key at all hears of that first.
    if (request.principal === undefined) keyIn(keyOf(value))
    throw misshapen(parsed.error.issues)
  }
}

function keyOf(value: unknown): { readonly 'x-api-key'?: string } {
  const key = typeof value === 'object' && value !== null ? (value as { key?: unknown }).key : undefined
  return typeof key === 'string' ? { 'x-api-key': key } : {}
}

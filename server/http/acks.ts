/** Who applied what: SDKs acknowledge kills, so that whoever killed knows. */
import { LIMITS, type State } from '@halyard/sdk/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Acknowledgement } from '../contract/endpoints/evaluation.ts'
import { endpoints } from '../contract/index.ts'
import { Problem } from '../domain/problem.ts'
import { callerNames, instanceName } from '../live/caller.ts'
import type { Caller } from '../live/delivery/roster.ts'
import { stateOfEventId } from '../live/frames.ts'
import type { Live, SdkPrincipal, StreamHandle } from '../live/live.ts'
import { authorise, identify } from './authorise.ts'
import { ENVELOPE_BYTES } from './contexts.ts'
import { corsHeaders } from './cors.ts'
import { JSON_TYPES, parseJson } from './json-body.ts'
import { noteUse } from './key-use.ts'
import type { Edge } from './ofrep.ts'
import { misshapen } from './problems.ts'

type Headers = FastifyRequest['headers']

const DEPTH = 4

/** The process that asks, as it names itself; undefined where it does not. */
export function callerIn({ keyId, kind }: SdkPrincipal, headers: Headers): Caller | undefined {
  const instance = instanceName(headers['halyard-instance'] as string | undefined)
  if (instance === undefined) return undefined
  const [app, sdk, stream] = ['halyard-app', 'halyard-sdk', 'halyard-stream'].map(
    (name) => headers[name],
  ) as (string | undefined)[]
  const number = /^[1-9]\d{0,8}$/.test(stream ?? '') ? Number(stream) : 0
  return { keyId, instance, page: kind === 'client', stream: number, ...callerNames(app ?? '', sdk ?? '') }
}

/** A stream whose caller is known to follow for as long as it is open. */
export function followed(
  { delivery }: Live,
  principal: SdkPrincipal,
  headers: Headers,
  stream: StreamHandle,
): StreamHandle {
  const caller = callerIn(principal, headers)
  if (caller === undefined) return stream
  const lastEventId = headers['last-event-id']
  const holds = stateOfEventId(typeof lastEventId === 'string' ? lastEventId : undefined)
  const left = delivery.opened(principal.environment.id, caller, holds)
  return {
    close() {
      left()
      stream.close()
    },
  }
}

/** A request for the whole state by one who may hold a state already. */
export function noteAsked({ delivery }: Live, principal: SdkPrincipal, headers: Headers): void {
  const caller = callerIn(principal, headers)
  if (caller === undefined) return
  const [, held] = /"(\d{1,15}-\d{1,15})/.exec(headers['if-none-match'] ?? '') ?? []
  delivery.asked(principal.environment.id, caller, stateOfEventId(held))
}

/**
 * A page asked for its answers. Who has those of a state holds its kills; others are asked to come back soon after a
 * kill, with what they hold by then.
 */
export function notePage(
  { delivery }: Live,
  { environment }: SdkPrincipal,
  page: Caller,
  holds: State | undefined,
  reply: FastifyReply,
): void {
  const pending = holds === undefined ? [] : [...holds.pending.values()].flat()
  delivery.asked(
    environment.id,
    page,
    holds,
    pending.map(({ id }) => id),
  )
  const againMs = holds === undefined ? delivery.againMs(environment.id) : undefined
  if (againMs !== undefined) reply.header('retry-after', Math.ceil(againMs / 1_000))
}

export function serveAcks(scope: FastifyInstance, edge: Edge): void {
  const { live } = edge
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (_request, bytes, done) => {
    try {
      done(null, parseJson(bytes as Buffer, { depth: DEPTH }))
    } catch (error) {
      done(error as Error)
    }
  })
  scope.post(
    endpoints['sdk.acks'].path,
    {
      bodyLimit: LIMITS.contextBytes + ENVELOPE_BYTES,
      config: { endpoint: endpoints['sdk.acks'] },
      onRequest: async (request, reply) => {
        const principal = await identify(edge, request, true)
        noteUse(live, principal.keyId, request.headers)
        authorise(principal, endpoints['sdk.acks'].access, undefined)
        request.principal = principal
        const { origin } = request.headers
        if (origin !== undefined) {
          reply.headers(corsHeaders((principal as SdkPrincipal).environment, origin))
        }
      },
    },
    async (request, reply) => {
      const principal = request.principal as SdkPrincipal
      const { environment } = principal
      const caller = callerIn(principal, request.headers)
      if (caller === undefined) {
        throw new Problem('invalid-request', 'Say which process this is: send the header Halyard-Instance.')
      }
      const parsed = Acknowledgement.safeParse(request.body)
      if (!parsed.success) throw misshapen(parsed.error.issues)
      const { closing, afterMs = 0, kills = [], ...at } = parsed.data
      if (closing) live.delivery.gone(environment.id, caller)
      else live.delivery.acknowledged(environment.id, caller, { ...at, afterMs, kills })
      return reply.code(204).header('cache-control', 'no-store').send()
    },
  )
}

/** What server SDKs call: the ruleset as one precompressed buffer, and the stream of its changes. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { endpoints } from '../contract/index.ts'
import { Problem } from '../domain/problem.ts'
import type { Encoded, SdkPrincipal } from '../live/live.ts'
import { rulesetEtag } from '../live/ruleset-download.ts'
import { followed, noteAsked } from './acks.ts'
import { authorise, identify } from './authorise.ts'
import { noteStream, noteUse } from './key-use.ts'
import { type Edge, matchesEtag } from './ofrep.ts'
import { stream } from './sse.ts'

export function serveSdks(
  scope: FastifyInstance,
  edge: Pick<Edge, 'live' | 'metrics' | 'limits' | 'onSecretInBrowser'>,
): void {
  const { live, metrics } = edge

  async function admit(request: FastifyRequest): Promise<void> {
    const principal = await identify(edge, request, true)
    noteUse(live, principal.keyId, request.headers)
    authorise(principal, endpoints['sdk.ruleset'].access, undefined)
    request.principal = principal
  }

  scope.get(
    endpoints['sdk.ruleset'].path,
    { onRequest: admit, config: { endpoint: endpoints['sdk.ruleset'] } },
    async (request, reply) => {
      const principal = request.principal as SdkPrincipal
      const { environment } = principal
      noteAsked(live, principal, request.headers)
      const encoding = bestEncoding(request.headers['accept-encoding'])
      reply.header('vary', 'Accept-Encoding').header('cache-control', 'no-store')
      const held = live.live(environment.id)
      if (held === undefined) {
        throw new Problem('unavailable', 'The state of this environment is not loaded yet. Try again.')
      }
      const known = rulesetEtag(held.state, encoding)
      if (matchesEtag(request.headers['if-none-match'], known)) {
        metrics.rulesets.notModified++
        return reply.code(304).header('etag', known).send()
      }
      if (request.headers['if-none-match'] !== undefined) live.pressure.refuse('rulesets')
      const { body, etag, sha256 } = await live.ruleset(environment.id, encoding)
      metrics.rulesets.sent++
      reply
        .header('content-type', 'application/json; charset=utf-8')
        .header('etag', etag)
        .header('unencoded-digest', `sha-256=:${sha256}:`)
      if (encoding !== 'identity') reply.header('content-encoding', encoding)
      return reply.send(body)
    },
  )

  scope.get(
    endpoints['sdk.stream'].path,
    { onRequest: admit, config: { endpoint: endpoints['sdk.stream'] } },
    (request, reply) => {
      const principal = request.principal as SdkPrincipal
      const { environment, keyId } = principal
      const { headers } = request
      const lastEventId = typeof headers['last-event-id'] === 'string' ? headers['last-event-id'] : undefined
      stream(reply, {}, (sink) => {
        const opened = live.openStream(environment.id, keyId, lastEventId, sink)
        return noteStream(live, keyId, headers, followed(live, principal, headers, opened))
      })
    },
  )
}

/** The smallest encoding that a client takes (RFC 9110, 12.5.3). */
function bestEncoding(header: string | string[] | undefined): Encoded['encoding'] {
  const weights = new Map<string, number>()
  for (const part of String(header ?? '').split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))
    weights.set(name, quality === undefined ? 1 : Number(quality.slice(2)))
  }
  const takes = (name: string) => (weights.get(name) ?? weights.get('*') ?? 0) > 0
  if (takes('br')) return 'br'
  return takes('gzip') ? 'gzip' : 'identity'
}

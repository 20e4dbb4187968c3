/**
 * Which pages may call, for the routes that browsers use: each environment names its origins. A preflight carries no
 * key, so it is answered by the union of all environments.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { corsAllows } from '../domain/cors.ts'
import type { Environment, Live } from '../live/live.ts'

const ALLOWED_HEADERS =
  'Authorization, Content-Type, If-None-Match, X-API-Key, Halyard-App, Halyard-Instance, Halyard-SDK'
const EXPOSED_HEADERS = 'ETag, Retry-After'
/** Seconds that a browser may remember a preflight. */
const MAX_AGE = '600'

/** Headers that let a page read the answer, if the environment names its origin. */
export function corsHeaders(
  environment: Pick<Environment, 'settings'>,
  origin: string,
): Readonly<Record<string, string>> {
  if (!corsAllows(environment.settings.corsOrigins, origin)) return VARIES
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED_HEADERS,
    vary: 'Origin',
  }
}
const VARIES = { vary: 'Origin' } as const

/** The same where the environment is not known, as for a key that is none: a page has to read its error. */
export function corsHeadersOfAny(live: Live, origin: string): Readonly<Record<string, string>> {
  for (const project of live.projects()) {
    for (const environment of live.environments(project)) {
      if (corsAllows(environment.settings.corsOrigins, origin)) return corsHeaders(environment, origin)
    }
  }
  return VARIES
}

/** Answers preflights of everything under a path. */
export function answerPreflights(http: FastifyInstance, live: Live, path: string): void {
  http.options(
    `${path}/*`,
    { config: { open: 'A CORS preflight carries no key, and its answer tells nothing but who may ask.' } },
    (request, reply): FastifyReply => {
      const { origin } = request.headers
      if (origin !== undefined) {
        const headers = corsHeadersOfAny(live, origin)
        reply.headers(headers)
        if ('access-control-allow-origin' in headers) {
          reply.header('access-control-allow-methods', 'GET, POST')
          reply.header('access-control-allow-headers', ALLOWED_HEADERS)
          reply.header('access-control-max-age', MAX_AGE)
        }
      }
      return reply.code(204).send()
    },
  )
}

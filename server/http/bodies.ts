/**
 * Bodies of management requests: JSON is read whole and looked over, lines are handed on as they come, anything else is
 * refused. Hides how Fastify is told.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Endpoint } from '../contract/endpoint.ts'
import { Problem } from '../domain/problem.ts'
import type { Lines } from './call.ts'
import { JSON_TYPES, parseJson } from './json-body.ts'
import { misshapen } from './problems.ts'

export const MANAGEMENT_BYTES = 8 * 1024 * 1024
const MANAGEMENT_DEPTH = 64

class LineBody implements Lines {
  readonly mediaType: string
  readonly bytes: AsyncIterable<Buffer>
  constructor(mediaType: string, bytes: AsyncIterable<Buffer>) {
    this.mediaType = mediaType
    this.bytes = bytes
  }
}

/** Teaches the scope to read bodies, each as its endpoint takes them. */
export function readBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (request, bytes, done) => {
    try {
      refuseEncoded(request)
      const ignored = request.routeOptions.config.endpoint?.body === undefined
      done(null, ignored ? undefined : parseJson(bytes as Buffer, { depth: MANAGEMENT_DEPTH }))
    } catch (error) {
      done(error as Error)
    }
  })
  scope.addContentTypeParser('*', (request, payload, done) => {
    const { body } = request.routeOptions.config.endpoint ?? {}
    const mediaType = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
    if (body === undefined) {
      payload.resume()
      done(null, undefined)
    } else if (body.lines?.includes(mediaType)) {
      try {
        refuseEncoded(request)
        // An iteration that ends early must leave the connection alone: the answer goes out on it.
        done(null, new LineBody(mediaType, payload.iterator({ destroyOnReturn: false })))
      } catch (error) {
        done(error as Error)
      }
    } else {
      const known = ['application/json', ...(body.lines ?? [])].join(', ')
      done(new Problem('unsupported-media-type', `Send the body as ${known}, and say so in Content-Type.`))
    }
  })
}

/** A compressed body could be any size once it is inflated, so none is taken. */
export function refuseEncoded(request: FastifyRequest): void {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return
  throw new Problem('unsupported-media-type', 'Send the body without Content-Encoding.')
}

/** What was read, as the endpoint describes it. @throws Problem where it is not as described */
export function bodyOf(endpoint: Endpoint, given: unknown): { body: unknown; lines: Lines | undefined } {
  if (endpoint.body === undefined) return { body: undefined, lines: undefined }
  if (given instanceof LineBody) return { body: undefined, lines: given }
  if (given === undefined) {
    if (endpoint.body.optional) return { body: undefined, lines: undefined }
    throw new Problem(
      'invalid-request',
      'A body is needed: send JSON, with Content-Type: application/json.',
      {
        errors: [{ pointer: '', message: 'The body is missing.' }],
      },
    )
  }
  const parsed = endpoint.body.json.safeParse(given)
  if (!parsed.success) throw misshapen(parsed.error.issues)
  return { body: parsed.data, lines: undefined }
}

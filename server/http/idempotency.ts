/**
 * `Idempotency-Key` (after draft-ietf-httpapi-idempotency-key-header): a write that comes again is recognised by its
 * key, and by the digest of all that it asks. Hides what counts as asking the same.
 */
import { createHash, type Hash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { canonical } from '../domain/canonical.ts'
import type { Idempotency } from '../store/store.ts'
import type { Lines } from './call.ts'

export type Repeatable = {
  /** The lines of a body, counted in as they are read. */
  readonly lines: Lines | undefined
  /** Complete once the lines are read. */
  readonly idempotency: () => Idempotency
}

/**
 * @param key the header's value
 * @param body the JSON that was sent, undefined for none
 */
export function repeatable(
  key: string,
  request: Pick<FastifyRequest, 'method' | 'url' | 'headers'>,
  body: unknown,
  lines: Lines | undefined,
): Repeatable {
  const hash = createHash('sha256').update(canonical(askedBy(request, body ?? null)))
  return {
    lines: lines && { mediaType: lines.mediaType, bytes: hashed(lines.bytes, hash) },
    idempotency: () => ({ key, digest: hash.copy().digest('hex') }),
  }
}

/** A dry run asks what the write would do, so it is the same request. */
function askedBy(
  { method, url, headers }: Pick<FastifyRequest, 'method' | 'url' | 'headers'>,
  body: unknown,
) {
  const [path = '', query = ''] = url.split('?', 2)
  const parameters = new URLSearchParams(query)
  parameters.delete('dryRun')
  parameters.sort()
  const {
    'if-match': ifMatch = null,
    'halyard-comment': comment = null,
    'content-type': type = null,
  } = headers
  return { method, path, query: parameters.toString(), ifMatch, comment, type, body }
}

async function* hashed(bytes: AsyncIterable<Buffer>, hash: Hash): AsyncIterable<Buffer> {
  for await (const chunk of bytes) {
    hash.update(chunk)
    yield chunk
  }
}

/** Canonical JSON (RFC 8785): the one text of a document, which is kept, compared, counted and hashed. */
import canonicalize from 'canonicalize'

// The package is CommonJS with an ES type file: what arrives is the function itself.
const serialize = canonicalize as unknown as (json: unknown) => string

/**
 * The canonical text of a JSON value.
 * @throws where a number is not finite.
 */
export function canonical(json: unknown): string {
  return serialize(json)
}

/** Bytes of the canonical text in UTF-8. The order of names, all that RFC 8785 adds to ECMAScript's own, weighs nothing. */
export function canonicalBytes(json: unknown): number {
  return Buffer.byteLength(String(JSON.stringify(json)))
}

/**
 * A context reduced to what a ruleset reads, as text for a cache key: two contexts with the same projection get the
 * same answers. Types are kept apart (`1` and `"1"` are two attributes); unrelated attributes leave no trace.
 */
import { type AttributePath, type Context, readerOf } from '@halyard/sdk/core'

export type Project = (context: Context) => string | undefined

/** What no request carries; beyond it a context has no key, and its answer is computed. */
const MOST_DEPTH = 64

/**
 * Prepares the projection on these paths, which are the ruleset's, in their order.
 *
 * @returns undefined from the function where the context is nested too deep to be a key
 */
export function projectionOn(reads: readonly AttributePath[]): Project {
  const readers = reads.map(readerOf)
  return (context) => {
    let text = ''
    for (const read of readers) {
      const part = encode(read(context), 0)
      if (part === undefined) return undefined
      text += part
    }
    return text
  }
}

/** Each value tells where it ends, by its length or a mark, so no two lists of values have one text. */
function encode(value: unknown, depth: number): string | undefined {
  switch (typeof value) {
    case 'string':
      return `s${value.length}:${value}`
    case 'number':
      return `n${value};`
    case 'boolean':
      return value ? 't' : 'f'
    case 'object':
      if (value === null) return '-'
      return depth === MOST_DEPTH ? undefined : encodeAll(value, depth + 1)
    default:
      return '-'
  }
}

function encodeAll(value: object, depth: number): string | undefined {
  let text = Array.isArray(value) ? '[' : '{'
  for (const [name, member] of Object.entries(value)) {
    const part = encode(member, depth)
    if (part === undefined) return undefined
    text += Array.isArray(value) ? part : `${name.length}:${name}${part}`
  }
  return `${text};`
}

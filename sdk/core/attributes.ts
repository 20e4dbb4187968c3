/**
 * Finding an attribute in a context: own properties only, whatever the context is. Names beginning with `$` are the
 * evaluator's, and never looked up.
 */
import type { AttributePath } from './ruleset.ts'

/** A context as the evaluator sees it. */
export type Attributes = { readonly [name: string]: unknown }

/** Gives the attribute as found; undefined where it is missing (null is missing too, which tests know). */
export type Reader = (context: Attributes) => unknown

/** The evaluation time, as an attribute. */
export const NOW = '$now'

const NOTHING: Attributes = Object.freeze(Object.create(null))

/** What can be asked for attributes; anything but an object has none. */
export function attributesOf(context: unknown): Attributes {
  return typeof context === 'object' && context !== null && !Array.isArray(context)
    ? (context as Attributes)
    : NOTHING
}

/**
 * Prepares the reading of an attribute, with the path split once. A dotted path leads into nested objects; an
 * attribute literally named with the dot wins; arrays are not indexed.
 *
 * @param path one that `isReadable` accepts
 */
export function readerOf(path: AttributePath): Reader {
  if (!path.includes('.')) return (context) => ownAttribute(context, path)
  const steps = path.split('.')
  return (context) => ownAttribute(context, path) ?? nested(context, steps)
}

/** Whether a context can hold an attribute of this path. */
export function isReadable(path: unknown): path is AttributePath {
  return typeof path === 'string' && path !== '' && !path.startsWith('$')
}

/** The attribute of exactly this name. */
export function ownAttribute(attributes: Attributes, name: string): unknown {
  return Object.hasOwn(attributes, name) ? attributes[name] : undefined
}

function nested(context: Attributes, steps: readonly string[]): unknown {
  let found: unknown = context
  for (const step of steps) {
    if (typeof found !== 'object' || found === null || Array.isArray(found)) return undefined
    found = ownAttribute(found as Attributes, step)
  }
  return found
}

/** JSON Merge Patch, RFC 7396. */
import type { Json } from '@halyard/sdk/core'
import { isObject, startReading } from './reading.ts'

/**
 * The target with the patch applied: null removes a member, an object merges, anything else replaces.
 * @throws Problem `invalid-document` for a patch that is too deep to be followed, or holds text that cannot be kept.
 */
export function mergePatch(target: unknown, patch: Json): unknown {
  startReading(patch).faults.refuse()
  return merge(target, patch)
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const result = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name)
    else if (value !== undefined) result.set(name, merge(result.get(name), value))
  }
  return Object.fromEntries(result)
}

/** JSON Merge Patch, RFC 7396. Depth is the patch's own, which is bounded before it comes here. */
import type { Json } from '@halyard/sdk/core'
import { isObject } from './reading.ts'

/** The target with the patch applied: null removes a member, an object merges, anything else replaces. */
export function mergePatch(target: unknown, patch: Json | undefined): unknown {
  if (!isObject(patch)) return patch
  const result = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name)
    else result.set(name, mergePatch(result.get(name), value as Json))
  }
  return Object.fromEntries(result)
}

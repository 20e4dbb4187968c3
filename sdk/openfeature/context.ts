/**
 * An OpenFeature context as the evaluator reads one. OpenFeature allows dates, JSON has none: they become texts, as on
 * their way to a server.
 */
import type { Context } from '../core/index.ts'

/** A context that is nested deeper is beyond the limits anyway. */
const DEEPEST = 8

/** @returns the very context where nothing in it is a date, which is nearly always */
export function contextOf(context: object): Context {
  return withoutDates(context, DEEPEST, new Map()) as Context
}

/** @param seen each object once: among those that hold each other there are more ways than a caller can wait for */
function withoutDates(value: unknown, depth: number, seen: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toJSON()
  if (depth === 0) return value
  if (seen.has(value)) return seen.get(value)
  seen.set(value, value)
  const plain = Array.isArray(value) ? listed(value, depth, seen) : named(value, depth, seen)
  seen.set(value, plain)
  return plain
}

function listed(list: readonly unknown[], depth: number, seen: Map<object, unknown>): readonly unknown[] {
  const plain = list.map((inner) => withoutDates(inner, depth - 1, seen))
  return plain.some((inner, index) => inner !== list[index]) ? plain : list
}

function named(object: object, depth: number, seen: Map<object, unknown>): object {
  let plain: Record<string, unknown> | undefined
  for (const [name, inner] of Object.entries(object)) {
    const kept = withoutDates(inner, depth - 1, seen)
    if (kept === inner) continue
    plain ??= { ...object }
    plain[name] = kept
  }
  return plain ?? object
}

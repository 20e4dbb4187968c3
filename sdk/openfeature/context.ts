/**
 * An OpenFeature context as the evaluator reads one. OpenFeature allows dates, JSON has none: they become texts, as on
 * their way to a server.
 */
import type { Context } from '../core/index.ts'

/** A context that is nested deeper is beyond the limits anyway; one that holds itself must not hang the caller. */
const DEEPEST = 8

/** @returns the very context where nothing in it is a date, which is nearly always */
export function contextOf(context: object): Context {
  return withoutDates(context, DEEPEST) as Context
}

function withoutDates(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toJSON()
  if (depth === 0) return value
  if (Array.isArray(value)) {
    const plain = value.map((inner) => withoutDates(inner, depth - 1))
    return plain.some((inner, index) => inner !== value[index]) ? plain : value
  }
  let plain: Record<string, unknown> | undefined
  for (const [name, inner] of Object.entries(value)) {
    const kept = withoutDates(inner, depth - 1)
    if (kept === inner) continue
    plain ??= { ...value }
    plain[name] = kept
  }
  return plain ?? value
}

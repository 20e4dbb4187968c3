/**
 * Looking at JSON that may have any shape: type guards and own-property reads, and freezing without recursion.
 */
import type { Json } from './ruleset.ts'

export type JsonObject = { readonly [key: string]: Json }

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An own property, or undefined: what a prototype offers is never data. */
export function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** Whether a number is an integer of 0 or more that JSON carries exactly. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Freezes a value and all that it holds, however deep, and returns it. */
export function deepFreeze<T extends Json>(value: T): T {
  const seen = new Set<object>()
  const open: Json[] = [value]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null || seen.has(next)) continue
    seen.add(next)
    Object.freeze(next)
    for (const inner of Object.values(next)) open.push(inner)
  }
  return value
}

/** A value of a document in a message, cut where it is long. Nested values are not written out: they may be deep. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const text = String(JSON.stringify(value))
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

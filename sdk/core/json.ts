/**
 * Looking at JSON that may have any shape: type guards and own-property reads, and freezing and writing of any depth.
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

/**
 * What `JSON.stringify` gives, for a value of any depth: it runs out of stack where `JSON.parse` did not, and one
 * document must not keep all others from being written.
 */
export function jsonText(value: Json): string {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    return deepText(value)
  }
}

type Level = {
  readonly steps: readonly (readonly [name: string, inner: Json])[]
  readonly end: string
  next: number
}

function deepText(value: Json): string {
  const open: Level[] = []
  let text = ''
  const begin = (one: Json): void => {
    if (Array.isArray(one)) {
      text += '['
      open.push({ steps: one.map((inner) => ['', inner]), end: ']', next: 0 })
    } else if (isObject(one)) {
      text += '{'
      const given = Object.entries(one).filter(([, inner]) => inner !== undefined)
      const steps = given.map(([name, inner]) => [`${JSON.stringify(name)}:`, inner] as const)
      open.push({ steps, end: '}', next: 0 })
    } else text += JSON.stringify(one)
  }
  begin(value)
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    const step = level.steps[level.next]
    if (step === undefined) {
      text += level.end
      open.pop()
      continue
    }
    text += level.next === 0 ? step[0] : `,${step[0]}`
    level.next += 1
    begin(step[1])
  }
  return text
}

/** A value of a document in a message, cut where it is long. Nested values are not written out: they may be deep. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const text = String(JSON.stringify(value))
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

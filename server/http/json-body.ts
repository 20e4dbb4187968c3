/**
 * Reads a JSON body and looks it over before anything walks it: iteratively, so that no depth of nesting costs
 * stack, and with a pointer to the place that is wrong. Hides JSON.parse and its leniencies.
 */
import { isUtf8 } from 'node:buffer'
import { at } from '../domain/faults.ts'
import { isText } from '../domain/json-text.ts'
import { type Fault, Problem } from '../domain/problem.ts'

export type BodyLimits = {
  /** Levels of objects and arrays; the body itself is the first. */
  readonly depth: number
  /** Members of all objects together. */
  readonly members?: number
}

/** What is wrong with a parsed body, and whether its shape or its text is at fault. */
export type BodyFault = Fault & { readonly kind: 'shape' | 'text' }

/** Media types that are read as JSON: merge patches and problem details are, too. */
export const JSON_TYPES = /^application\/(?:[\w.-]+\+)?json\b/i

const BOM = 0xfeff
/**
 * Parses a body.
 * @returns undefined for an empty body
 * @throws Problem `malformed-json`, `invalid-request` or `invalid-document`
 */
export function parseJson(bytes: Buffer, limits: BodyLimits): unknown {
  if (bytes.length === 0) return undefined
  const text = decode(bytes)
  const value = parse(text)
  const fault = inspect(value, limits, mayHoldUnfitText(text))
  if (fault === undefined) return value
  throw new Problem(fault.kind === 'text' ? 'invalid-document' : 'invalid-request', fault.message, {
    errors: [{ pointer: fault.pointer, message: fault.message }],
  })
}

/** @throws Problem `malformed-json` where the bytes are not UTF-8 */
function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new Problem('malformed-json', 'The body is not UTF-8.')
  const text = bytes.toString('utf8')
  return text.charCodeAt(0) === BOM ? text.slice(1) : text
}

/** @throws Problem `malformed-json` */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem('malformed-json', `The body is not JSON: ${(cause as SyntaxError).message}.`, { cause })
  }
}

/** In valid UTF-8, JSON can bring unfit text by an escape alone. */
export function mayHoldUnfitText(text: string): boolean {
  return text.includes('\\u')
}

type Level = { readonly node: object; readonly names: readonly string[] | undefined; next: number }

/**
 * Finds the first fault of a parsed value: nesting too deep, a member that poisons prototypes, a number that is not
 * finite, too many members, unfit text.
 * @param texts whether strings have to be looked at
 */
export function inspect(root: unknown, limits: BodyLimits, texts: boolean): BodyFault | undefined {
  const path: Level[] = []
  let members = 0
  const most = limits.members ?? Number.POSITIVE_INFINITY

  const fault = (kind: BodyFault['kind'], message: string, ...last: string[]): BodyFault => ({
    kind,
    pointer: pointerOf(path, last),
    message,
  })
  const poisons = (name: string, value: unknown): boolean =>
    name === '__proto__' ||
    (name === 'constructor' &&
      typeof value === 'object' &&
      value !== null &&
      Object.hasOwn(value, 'prototype'))

  let current: unknown = root
  for (;;) {
    if (typeof current === 'number') {
      if (!Number.isFinite(current)) return fault('shape', 'This number is too large to be kept.')
    } else if (typeof current === 'string') {
      if (texts && !isText(current)) return fault('text', UNFIT_TEXT)
    } else if (typeof current === 'object' && current !== null) {
      if (path.length >= limits.depth) {
        return fault('shape', `This is nested more than ${limits.depth} levels deep.`)
      }
      const names = Array.isArray(current) ? undefined : Object.keys(current)
      if (names !== undefined) {
        members += names.length
        if (members > most) return fault('shape', `There are more than ${most} members in all.`)
        for (const name of names) {
          if (poisons(name, (current as Record<string, unknown>)[name])) {
            path.push({ node: current, names, next: 0 })
            return fault('shape', 'A member may not have this name.', name)
          }
          if (texts && !isText(name)) {
            path.push({ node: current, names, next: 0 })
            return fault('text', UNFIT_TEXT, name)
          }
        }
      }
      path.push({ node: current, names, next: 0 })
    }
    // On to the next value, out of every level that is done.
    let level = path.at(-1)
    while (level !== undefined && level.next >= sizeOf(level)) {
      path.pop()
      level = path.at(-1)
    }
    if (level === undefined) return undefined
    const place = level.next++
    current =
      level.names === undefined
        ? (level.node as readonly unknown[])[place]
        : (level.node as Record<string, unknown>)[level.names[place] as string]
  }
}

/** What is wrong with text that Postgres can't keep or UTF-8 can't carry. */
export const UNFIT_TEXT = 'This text holds a NUL character or half of a surrogate pair.'

function sizeOf({ node, names }: Level): number {
  return names === undefined ? (node as readonly unknown[]).length : names.length
}

/** The JSON Pointer (RFC 6901) of the value that a path has come to. */
function pointerOf(path: readonly Level[], last: readonly string[]): string {
  const steps = path.filter(({ next }) => next > 0)
  const names = steps.map(
    ({ names, next }) => (names === undefined ? String(next - 1) : names[next - 1]) ?? '',
  )
  return [...names, ...last].map(pointerStep).join('')
}

/** One step of a JSON Pointer; of a long name its beginning. */
export function pointerStep(name: string | number): string {
  return at('', String(name).slice(0, 200))
}

/**
 * Reads untrusted JSON into documents: each reader adds a fault where the value is not what it should be, and then
 * gives back a stand-in, so that the rest is read too. A document with faults never leaves this room.
 */
import type { AttributePath } from '@halyard/sdk/core'
import { at, collectFaults, type Faults, quote } from './faults.ts'
import { checkJson } from './json-text.ts'
import { READ_ONLY_FIELDS } from './read-only.ts'

export type Fields = { readonly [name: string]: unknown }

/** Where a value stands, and who collects what is wrong with it. */
export type Reading = { readonly faults: Faults; readonly pointer: string }

/**
 * Begins to read what came from outside. Text that cannot be kept, wherever it stands, is a fault already.
 * @param faults who collects them, where pointers have to be told otherwise
 * @throws Problem at once for what is no JSON or too deep
 */
export function startReading(input: unknown, faults = collectFaults()): Reading {
  checkJson(input, faults)
  return { faults, pointer: '' }
}

export const inside = (reading: Reading, step: string | number): Reading => ({
  ...reading,
  pointer: at(reading.pointer, step),
})

/** What GET adds to a document, to look names up in. */
export const READ_ONLY: ReadonlySet<string> = new Set(READ_ONLY_FIELDS)

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A list, or none: for what may be broken already. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** An object's fields, none of them unknown. */
export function readFields(
  value: unknown,
  { faults, pointer }: Reading,
  what: string,
  known: readonly string[],
  ignored: ReadonlySet<string> = NOTHING,
): Fields {
  if (!isObject(value)) {
    faults.add(pointer, `${what} is an object.`)
    return {}
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name) && !ignored.has(name) && value[name] !== undefined) {
      faults.add(at(pointer, name), `${quote(name)} is not a field of ${lower(what)}.`, {
        key: name,
        candidates: known,
      })
    }
  }
  return value
}
const NOTHING: ReadonlySet<string> = new Set()
const lower = (what: string): string => what.charAt(0).toLowerCase() + what.slice(1)

/** A list, absent being empty; cut to `limit`. */
export function readList(
  value: unknown,
  { faults, pointer }: Reading,
  what: string,
  limit: number,
): readonly unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) {
    faults.add(pointer, `${what} are a list.`)
    return []
  }
  if (value.length <= limit) return value
  faults.add(pointer, `${what} are at most ${limit}; there are ${value.length}.`)
  return value.slice(0, limit)
}

/** A string of bounded length. */
export function readText(
  value: unknown,
  { faults, pointer }: Reading,
  what: string,
  { least = 0, most }: { readonly least?: number; readonly most: number },
): string {
  if (typeof value === 'string' && value.length >= least && value.length <= most) return value
  faults.add(pointer, `${what} is a string of ${least} to ${most} characters.`)
  return ''
}

/** Keys of projects, environments, flags, variants, segments and rules. */
export const KEY_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** A key of that form. */
export function readKey(value: unknown, { faults, pointer }: Reading, what: string): string {
  if (typeof value === 'string' && KEY_PATTERN.test(value)) return value
  faults.add(
    pointer,
    `${what} is 1 to 128 characters: letters, digits, dot, underscore and hyphen, the first a letter or digit.`,
  )
  return ''
}

/** Keys, each once; absent being none. */
export function readKeys(value: unknown, reading: Reading, what: string, limit: number): readonly string[] {
  const keys = new Set<string>()
  for (const [index, item] of readList(value, reading, what, limit).entries()) {
    const here = inside(reading, index)
    const key = readKey(item, here, 'A key')
    if (keys.has(key)) reading.faults.add(here.pointer, `${quote(key)} is named twice.`)
    keys.add(key)
  }
  return [...keys]
}

/** true or false. */
export function readBoolean(value: unknown, { faults, pointer }: Reading, what: string): boolean {
  if (typeof value === 'boolean') return value
  faults.add(pointer, `${what} is true or false.`)
  return false
}

/** One of a few words. */
export function readWord<W extends string>(
  value: unknown,
  { faults, pointer }: Reading,
  what: string,
  words: readonly [W, ...W[]],
): W {
  const word = words.find((candidate) => candidate === value)
  if (word !== undefined) return word
  const unknown = typeof value === 'string' ? { key: value, candidates: words } : undefined
  faults.add(pointer, `${what} is one of ${words.join(', ')}.`, unknown)
  return words[0]
}

const LONGEST_ATTRIBUTE = 256
export const TARGETING_KEY: AttributePath = 'targetingKey'

/** An attribute's name or dotted path; the evaluator's own names (`$…`) only where they are listed. */
export function readAttribute(value: unknown, reading: Reading, own: readonly string[] = []): AttributePath {
  const name = readText(value, reading, 'An attribute', { least: 1, most: LONGEST_ATTRIBUTE })
  if (name.startsWith('$') && !own.includes(name)) {
    const may = own.length === 0 ? 'none can stand here' : `here it can be ${own.join(', ')}`
    reading.faults.add(reading.pointer, `Names beginning with $ are the evaluator's own: ${may}.`)
  }
  return name
}

/** RFC 3339 with a zone, as its canonical form in UTC. */
export function readInstant(value: unknown, { faults, pointer }: Reading, what: string): string {
  const [text = '', year, month, day] = (typeof value === 'string' && RFC_3339.exec(value)) || []
  const instant = Date.parse(text.toUpperCase())
  // Date.parse makes the 30th of February the 2nd of March.
  const isDay = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day)
  if (isDay && !Number.isNaN(instant)) return new Date(instant).toISOString()
  faults.add(pointer, `${what} is a time in RFC 3339 with its zone, such as 2027-01-31T12:00:00Z.`)
  return ''
}
const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})T(?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/i

/** An own field of a document that may be broken. */
export const fieldOf = (document: unknown, name: string): unknown =>
  isObject(document) && Object.hasOwn(document, name) ? document[name] : undefined

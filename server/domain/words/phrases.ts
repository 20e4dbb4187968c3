/**
 * The small parts of sentences: names, values, lists, percentages. They take anything, and each is one line of bounded
 * length that no text of a user can break out of.
 */
import { boundedDiffOf, type DiffLine } from '../diff.ts'
import { asText } from '../json-text.ts'
import { BUCKETS, bucketsOf } from '../ranges.ts'
import { fieldOf, isObject, KEY_PATTERN } from '../reading.ts'

const LONGEST_NAME = 80
/** How many things of a list are named; the others are counted. */
const NAMED = 3

/** A text as part of a line: without line breaks, or marks that turn what follows around. */
const inLine = (text: string): string => asText(text).replace(/[\s\p{Cc}\u202A-\u202E\u2066-\u2069]+/gu, ' ')

/** Cut where it is longer, between characters. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** A text of a user, without quotes: a comment. */
export const textInWords = (text: string, most: number): string => shortened(inLine(text), most)

export const quoted = (text: string, most = LONGEST_NAME): string => JSON.stringify(textInWords(text, most))

/** A key as it is, anything else quoted. */
export function named(value: unknown): string {
  return typeof value === 'string' && KEY_PATTERN.test(value) ? value : valueInWords(value)
}

/** An attribute's name or path. */
export function attributeInWords(path: unknown): string {
  return typeof path === 'string' && /^[\w$.-]{1,80}$/.test(path) ? path : valueInWords(path)
}

/** A JSON value, or none; what is nested is not written out. */
export function valueInWords(value: unknown): string {
  if (value === undefined) return 'none'
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return String(value)
}

/** RFC 3339 to the second. */
export const instantInWords = (value: unknown): string =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)
    ? value.replace(/\.000Z$/, 'Z')
    : valueInWords(value)

/** `25 %`: of buckets, three decimals at most. */
export const percentInWords = (buckets: number): string => `${buckets / (BUCKETS / 100)} %`

/** The buckets of what should be a percentage. */
export const bucketsIn = (percent: unknown): number | undefined =>
  typeof percent === 'number' && Number.isFinite(percent) ? bucketsOf(percent) : undefined

/** `1 member`, `2 members`. */
export const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`

/** `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`. */
export function listed(items: readonly string[], conjunction = 'and', most = NAMED): string {
  const shown = items.slice(0, most)
  const rest = items.length - shown.length
  const last = rest > 0 ? `${rest} more` : (shown.pop() ?? 'none')
  return shown.length === 0 ? last : `${shown.join(', ')} ${rest > 0 ? 'and' : conjunction} ${last}`
}

/** The first sentences, and how many there are besides. */
export function firstOf(sentences: readonly string[], most: number): readonly string[] {
  return sentences.length <= most
    ? sentences
    : [...sentences.slice(0, most - 1), `and ${sentences.length - most + 1} more`]
}

/** `changed from 1 to 2`; what is nested, by the places at which it differs. */
export function changeInWords(before: unknown, after: unknown): string {
  if (!isObject(before) || !isObject(after)) {
    return `changed from ${valueInWords(before)} to ${valueInWords(after)}`
  }
  const { lines, leftOff } = boundedDiffOf(before as never, after as never, NAMED)
  const places = lines.map(placeInWords)
  if (leftOff > 0) places.push(`${leftOff} more`)
  return `changed: ${listed(places, 'and', NAMED + 1)}`
}

function placeInWords(line: DiffLine): string {
  const place = shortened(inLine(line.pointer), LONGEST_NAME)
  if (line.from !== undefined) return `${place} moved`
  if (line.before === undefined) return `${place} added`
  if (line.after === undefined) return `${place} removed`
  return `${place} from ${valueInWords(line.before)} to ${valueInWords(line.after)}`
}

/** A text that is there and not empty. */
export function textOf(document: unknown, field: string): string | undefined {
  const value = fieldOf(document, field)
  return typeof value === 'string' && value !== '' ? value : undefined
}

export const stringsOf = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined

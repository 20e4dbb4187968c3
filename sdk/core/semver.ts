/**
 * Versions as Semantic Versioning 2.0.0 (semver.org) orders them, read without regular expressions. Widened in two
 * ways: a leading `v` or `V`, and `2` and `2.1` for `2.0.0` and `2.1.0` where there is no prerelease.
 */

/** A number, or the digits of one that a double does not hold exactly. */
type Numeric = number | string

export type Version = {
  readonly major: Numeric
  readonly minor: Numeric
  readonly patch: Numeric
  /** The identifiers, empty for a release. Build metadata is not kept: it does not order. */
  readonly prerelease: readonly string[]
}

const EXACT_DIGITS = 15
const RELEASE: readonly string[] = []
const ZERO = 48
const NINE = 57
const DOT = 46
const DASH = 45

let lastText = ''
let lastVersion: Version | undefined

/**
 * Reads a version. The last one read is remembered: one context is asked about many flags.
 *
 * @returns undefined where the text is no version
 */
export function parseVersion(text: string): Version | undefined {
  if (text === lastText) return lastVersion
  lastVersion = scan(text)
  lastText = text
  return lastVersion
}

function scan(text: string): Version | undefined {
  const first = text.charCodeAt(0)
  let from = first === 118 || first === 86 ? 1 : 0
  let to = endOfNumber(text, from)
  if (to < 0) return undefined
  const major = numeric(text, from, to)
  let minor: Numeric = 0
  let patch: Numeric = 0
  let whole = false
  if (text.charCodeAt(to) === DOT) {
    from = to + 1
    to = endOfNumber(text, from)
    if (to < 0) return undefined
    minor = numeric(text, from, to)
    if (text.charCodeAt(to) === DOT) {
      from = to + 1
      to = endOfNumber(text, from)
      if (to < 0) return undefined
      patch = numeric(text, from, to)
      whole = true
    }
  }
  if (to === text.length) return { major, minor, patch, prerelease: RELEASE }
  return withSuffix(text, to, whole, major, minor, patch)
}

/** What follows the numbers: a prerelease only after all three, build metadata after any. */
function withSuffix(
  text: string,
  at: number,
  whole: boolean,
  major: Numeric,
  minor: Numeric,
  patch: Numeric,
): Version | undefined {
  const plus = text.indexOf('+', at)
  const end = plus < 0 ? text.length : plus
  if (plus >= 0 && identifiers(text.slice(plus + 1), false) === undefined) return undefined
  if (end === at) return { major, minor, patch, prerelease: RELEASE }
  if (!whole || text.charCodeAt(at) !== DASH) return undefined
  const prerelease = identifiers(text.slice(at + 1, end), true)
  return prerelease && { major, minor, patch, prerelease }
}

/** The index after a number without leading zeros, -1 where there is none. */
function endOfNumber(text: string, from: number): number {
  let to = from
  while (isDigit(text.charCodeAt(to))) to++
  if (to === from || (to > from + 1 && text.charCodeAt(from) === ZERO)) return -1
  return to
}

function numeric(text: string, from: number, to: number): Numeric {
  if (to - from > EXACT_DIGITS) return text.slice(from, to)
  let value = 0
  for (let i = from; i < to; i++) value = value * 10 + text.charCodeAt(i) - ZERO
  return value
}

function identifiers(text: string, ordered: boolean): readonly string[] | undefined {
  const parts = text.split('.')
  for (const part of parts) {
    if (part === '') return undefined
    for (let i = 0; i < part.length; i++) if (!isIdentifier(part.charCodeAt(i))) return undefined
    if (ordered && part.length > 1 && part.charCodeAt(0) === ZERO && isNumeric(part)) return undefined
  }
  return parts
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE
}

function isIdentifier(code: number): boolean {
  return isDigit(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === DASH
}

function isNumeric(identifier: string): boolean {
  for (let i = 0; i < identifier.length; i++) if (!isDigit(identifier.charCodeAt(i))) return false
  return true
}

/** Negative where `a` comes before `b`, 0 where neither does, positive where it comes after. */
export function compareVersions(a: Version, b: Version): number {
  return (
    compareNumeric(a.major, b.major) ||
    compareNumeric(a.minor, b.minor) ||
    compareNumeric(a.patch, b.patch) ||
    comparePrerelease(a.prerelease, b.prerelease)
  )
}

function compareNumeric(a: Numeric, b: Numeric): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : compareDigits(String(a), String(b))
}

function compareDigits(a: string, b: string): number {
  return a.length - b.length || compareText(a, b)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function comparePrerelease(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length
  for (const [i, left] of a.entries()) {
    const right = b[i]
    if (right === undefined) return 1
    const order = compareIdentifiers(left, right)
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareIdentifiers(a: string, b: string): number {
  const numbers = isNumeric(a)
  if (numbers !== isNumeric(b)) return numbers ? -1 : 1
  return numbers ? compareDigits(a, b) : compareText(a, b)
}

/** One text for all spellings of a version that are equal in order. */
export function canonicalVersion({ major, minor, patch, prerelease }: Version): string {
  return `${major}.${minor}.${patch}-${prerelease.join('.')}`
}

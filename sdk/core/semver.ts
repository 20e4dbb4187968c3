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

/** Where reading stands. Versions are read one at a time, and this saves a pair of results for each number. */
let at = 0

function scan(text: string): Version | undefined {
  const first = text.charCodeAt(0)
  at = first === 118 || first === 86 ? 1 : 0
  const major = readNumber(text)
  let minor: Numeric | undefined = 0
  let patch: Numeric | undefined = 0
  let whole = false
  if (text.charCodeAt(at) === DOT) {
    at++
    minor = readNumber(text)
    if (text.charCodeAt(at) === DOT) {
      at++
      patch = readNumber(text)
      whole = true
    }
  }
  if (major === undefined || minor === undefined || patch === undefined) return undefined
  const prerelease = at === text.length ? RELEASE : readSuffix(text, whole)
  return prerelease && { major, minor, patch, prerelease }
}

/** A number without leading zeros. */
function readNumber(text: string): Numeric | undefined {
  const from = at
  let value = 0
  for (let code = text.charCodeAt(at); isDigit(code); code = text.charCodeAt(++at))
    value = value * 10 + code - ZERO
  const digits = at - from
  if (digits === 0 || (digits > 1 && text.charCodeAt(from) === ZERO)) return undefined
  return digits > EXACT_DIGITS ? text.slice(from, at) : value
}

/** What follows the numbers: a prerelease only after all three, build metadata after any. */
function readSuffix(text: string, whole: boolean): readonly string[] | undefined {
  const plus = text.indexOf('+', at)
  const end = plus < 0 ? text.length : plus
  if (plus >= 0 && identifiers(text.slice(plus + 1), false) === undefined) return undefined
  if (end === at) return RELEASE
  return whole && text.charCodeAt(at) === DASH ? identifiers(text.slice(at + 1, end), true) : undefined
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

/**
 * Instants as RFC 3339 writes them (a zone is required), or as epoch milliseconds, brought to epoch milliseconds.
 */

const ZERO = 48
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
/** The Gregorian calendar repeats after 400 years; Date.UTC reads years below 100 as of the 1900s. */
const CYCLE_YEARS = 400
const CYCLE_MS = 146_097 * 86_400_000

/**
 * Brings an attribute or operand to an instant. A leap second is the last millisecond of its minute; digits after
 * the milliseconds are cut off.
 *
 * @param value an RFC 3339 date-time (`t` and `z` may be lower case), or a finite number of epoch milliseconds
 * @returns epoch milliseconds, or undefined where the value is no instant
 */
export function instantOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  return typeof value === 'string' ? parseDateTime(value) : undefined
}

/** `YYYY-MM-DDTHH:MM:SS`, then a fraction perhaps, then the zone. */
function parseDateTime(text: string): number | undefined {
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':' || text[16] !== ':') return undefined
  if (text[10] !== 'T' && text[10] !== 't') return undefined
  const year = number(text, 0, 4)
  const month = number(text, 5, 7)
  const day = number(text, 8, 10)
  const minutes = clock(text, 11)
  const second = number(text, 17, 19)
  if (!(year >= 0 && month >= 1 && day >= 1 && day <= daysIn(year, month) && minutes >= 0 && second <= 60))
    return undefined
  let at = 19
  let milliseconds = 0
  if (text[at] === '.') {
    const from = at + 1
    at = from
    while (isDigit(text.charCodeAt(at))) at++
    if (at === from) return undefined
    milliseconds = number(text.slice(from, at).padEnd(3, '0'), 0, 3)
  }
  const offset = zone(text, at)
  if (offset === undefined) return undefined
  const minute = Date.UTC(year + CYCLE_YEARS, month - 1, day, 0, minutes - offset) - CYCLE_MS
  return minute + (second === 60 ? 59_999 : second * 1000 + milliseconds)
}

/** The offset from UTC in minutes; undefined where the text does not end in a zone. */
function zone(text: string, at: number): number | undefined {
  const sign = text[at]
  if (sign === 'Z' || sign === 'z') return at + 1 === text.length ? 0 : undefined
  if ((sign !== '+' && sign !== '-') || text.length !== at + 6 || text[at + 3] !== ':') return undefined
  const minutes = clock(text, at + 1)
  if (!(minutes >= 0)) return undefined
  return sign === '+' ? minutes : -minutes
}

/** `HH:MM` in minutes, NaN where it is no time of day. */
function clock(text: string, at: number): number {
  const hours = number(text, at, at + 2)
  const minutes = number(text, at + 3, at + 5)
  return hours <= 23 && minutes <= 59 ? hours * 60 + minutes : Number.NaN
}

function daysIn(year: number, month: number): number {
  if (month === 2 && (year % 4 !== 0 || (year % 100 === 0 && year % 400 !== 0))) return 28
  return DAYS[month - 1] ?? 0
}

/** NaN where a character is no digit, and past the end. */
function number(text: string, from: number, to: number): number {
  let value = 0
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i)
    value = isDigit(code) ? value * 10 + code - ZERO : Number.NaN
  }
  return value
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= 57
}

/**
 * One table: operator -> (operands) -> (attribute) -> boolean. Operands are prepared once, when a ruleset is
 * compiled; an attribute of the wrong type is false, an array matches when any element does.
 */
import { networksOf } from './cidr.ts'
import { instantOf } from './dates.ts'
import { foldCase } from './folding.ts'
import { shown } from './json.ts'
import { LIMITS } from './limits.ts'
import { searchOf } from './regex.ts'
import type { Operator } from './ruleset.ts'
import { canonicalVersion, compareVersions, parseVersion, type Version } from './semver.ts'

/** Whether an attribute matches, as found in a context: undefined and null are a missing one. Total. */
export type AttributeTest = (found: unknown) => boolean

/** The test for these operands (one or more), or why they are not understood. */
type Prepare = (values: readonly unknown[], ignoreCase: boolean) => AttributeTest | string

/** How a kind of operand or attribute is read, and what to write where one is expected. */
type Operand<T> = { readonly read: (value: unknown) => T | undefined; readonly expected: string }

const SCALAR: Operand<string | number | boolean> = {
  read: (value) => (isScalar(value) ? value : undefined),
  expected: 'a string, a finite number or a boolean',
}
const TEXT: Operand<string> = {
  read: (value) => (typeof value === 'string' ? value : undefined),
  expected: 'a string',
}
const NUMBER: Operand<number> = {
  read: (value) => (Number.isFinite(value) ? (value as number) : undefined),
  expected: 'a finite number',
}
const INSTANT: Operand<number> = {
  read: instantOf,
  expected: 'a date-time of RFC 3339 with its zone, or epoch milliseconds',
}
const VERSION: Operand<Version> = {
  read: (value) => (typeof value === 'string' ? parseVersion(value) : undefined),
  expected: 'a semantic version such as "2.3.1"',
}

/** The orders that an operator accepts of found and operand: -1 for below, 0 for equal, 1 for above. */
type Orders = { readonly from: -1 | 0 | 1; readonly to: -1 | 0 | 1 }
const BELOW: Orders = { from: -1, to: -1 }
const NOT_ABOVE: Orders = { from: -1, to: 0 }
const NOT_BELOW: Orders = { from: 0, to: 1 }
const ABOVE: Orders = { from: 1, to: 1 }

const TABLE: ReadonlyMap<string, Prepare> = new Map<Operator, Prepare>([
  ['in', (values, ignoreCase) => prepare(values, SCALAR, (list) => membership(list, ignoreCase))],
  ['notIn', (values, ignoreCase) => prepare(values, SCALAR, (list) => absence(list, ignoreCase))],
  ['startsWith', textual((text, part) => text.startsWith(part))],
  ['endsWith', textual((text, part) => text.endsWith(part))],
  ['contains', textual((text, part) => text.includes(part))],
  ['matches', searching],
  ['lt', numeric(NUMBER, BELOW)],
  ['lte', numeric(NUMBER, NOT_ABOVE)],
  ['gt', numeric(NUMBER, ABOVE)],
  ['gte', numeric(NUMBER, NOT_BELOW)],
  ['before', numeric(INSTANT, BELOW)],
  ['after', numeric(INSTANT, ABOVE)],
  ['semverEq', sameVersion],
  ['semverLt', versioned(BELOW)],
  ['semverLte', versioned(NOT_ABOVE)],
  ['semverGt', versioned(ABOVE)],
  ['semverGte', versioned(NOT_BELOW)],
  ['cidr', inNetworks],
  ['exists', () => exists],
])

const FOLDING: ReadonlySet<string> = new Set<Operator>([
  'in',
  'notIn',
  'startsWith',
  'endsWith',
  'contains',
  'matches',
])

/** The operators that this version understands. */
export const OPERATORS: ReadonlySet<string> = new Set(TABLE.keys())

/**
 * Prepares a condition on an attribute.
 *
 * @param op the operator's name
 * @param values the operands; none for `exists`, one or more for the others
 * @returns the test, or why these operands are not understood
 */
export function prepareTest(
  op: string,
  values: readonly unknown[],
  ignoreCase: boolean,
): AttributeTest | string {
  const make = TABLE.get(op)
  if (make === undefined) return `the operator ${shown(op)} is unknown`
  if (ignoreCase && !FOLDING.has(op)) return `"${op}" takes no ignoreCase`
  if (op === 'exists' && values.length > 0) return '"exists" takes no values'
  if (op !== 'exists' && values.length === 0) return `"${op}" takes at least one value`
  return make(values, ignoreCase)
}

/**
 * Why a server must refuse these operands.
 *
 * @param values as in the document, of any type
 * @returns one sentence for the person who wrote them; undefined where they are in order
 */
export function operandFault(
  op: string,
  values: readonly unknown[],
  ignoreCase: boolean,
): string | undefined {
  const test = prepareTest(op, values, ignoreCase)
  return typeof test === 'string' ? test : undefined
}

function prepare<T>(
  values: readonly unknown[],
  { read, expected }: Operand<T>,
  make: (operands: readonly T[]) => AttributeTest,
): AttributeTest | string {
  const operands: T[] = []
  for (const value of values) {
    const operand = read(value)
    if (operand === undefined) return `${shown(value)} is not ${expected}`
    operands.push(operand)
  }
  return make(operands)
}

function anyElement(found: unknown, test: AttributeTest): boolean {
  if (!Array.isArray(found)) return false
  for (let i = 0; i < found.length; i++) if (test(found[i])) return true
  return false
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

const exists: AttributeTest = (found) => found !== undefined && found !== null

/** `in`, without the objects: arrays come element by element. */
function membership(operands: readonly unknown[], ignoreCase: boolean): AttributeTest {
  const single = oneOf(operands, ignoreCase)
  const inArray = (found: unknown): boolean => anyElement(found, single)
  if (ignoreCase) return (found) => (typeof found === 'object' ? inArray(found) : single(found))
  if (operands.length === 1) {
    const only = operands[0]
    return (found) => found === only || (typeof found === 'object' && inArray(found))
  }
  const set = new Set(operands)
  return (found) => (typeof found === 'object' ? inArray(found) : set.has(found))
}

function oneOf(operands: readonly unknown[], ignoreCase: boolean): AttributeTest {
  const fold = (value: unknown): unknown =>
    ignoreCase && typeof value === 'string' ? foldCase(value) : value
  const set = new Set(operands.map(fold))
  return (found) => set.has(fold(found))
}

/** `notIn`: present, of a type that could be in, and not in; of an array, some element is, and none is in. */
function absence(operands: readonly unknown[], ignoreCase: boolean): AttributeTest {
  const among = membership(operands, ignoreCase)
  return (found) =>
    (typeof found === 'object' ? anyElement(found, isScalar) : isScalar(found)) && !among(found)
}

function textual(holds: (text: string, part: string) => boolean): Prepare {
  return (values, ignoreCase) =>
    prepare(values, TEXT, (parts) => {
      const wanted = ignoreCase ? parts.map(foldCase) : parts
      const only = wanted.length === 1 ? wanted[0] : undefined
      const single: AttributeTest = (found) => {
        if (typeof found !== 'string') return false
        const text = ignoreCase ? foldCase(found) : found
        return only === undefined ? wanted.some((part) => holds(text, part)) : holds(text, only)
      }
      return orElement(single)
    })
}

function orElement(single: AttributeTest): AttributeTest {
  return (found) => (typeof found === 'object' ? anyElement(found, single) : single(found))
}

/** Orders have one operand that decides for all: what is below any is below the highest. */
function deciding<T>(operands: readonly T[], { from }: Orders, compare: (a: T, b: T) => number): T {
  const sign = from < 0 ? 1 : -1
  return operands.reduce((best, next) => (compare(next, best) * sign > 0 ? next : best))
}

function numeric(operand: Operand<number>, orders: Orders): Prepare {
  const { read } = operand
  return (values) =>
    prepare(values, operand, (bounds) => {
      const bound = deciding(bounds, orders, (a, b) => a - b)
      const { from, to } = orders
      return orElement((found) => {
        const value = read(found)
        if (value === undefined) return false
        return value < bound ? from < 0 : value > bound ? to > 0 : from <= 0 && to >= 0
      })
    })
}

function versioned(orders: Orders): Prepare {
  return (values) =>
    prepare(values, VERSION, (bounds) => {
      const bound = deciding(bounds, orders, compareVersions)
      const { from, to } = orders
      const single = (found: unknown): boolean => {
        const version = typeof found === 'string' ? parseVersion(found) : undefined
        if (version === undefined) return false
        const order = compareVersions(version, bound)
        return order < 0 ? from < 0 : order > 0 ? to > 0 : from <= 0 && to >= 0
      }
      return (found) => (typeof found === 'object' ? anyElement(found, single) : single(found))
    })
}

function sameVersion(values: readonly unknown[]): AttributeTest | string {
  return prepare(values, VERSION, (versions) => {
    const wanted = new Set(versions.map(canonicalVersion))
    return orElement((found) => {
      const version = VERSION.read(found)
      return version !== undefined && wanted.has(canonicalVersion(version))
    })
  })
}

function searching(values: readonly unknown[], ignoreCase: boolean): AttributeTest | string {
  if (values.length > LIMITS.regexes) return `"matches" takes at most ${LIMITS.regexes} regular expressions`
  const searches: ((text: string) => boolean)[] = []
  for (const value of values) {
    const search =
      typeof value === 'string' ? searchOf(value, ignoreCase) : { fault: 'a regular expression is a string' }
    if (typeof search !== 'function') return `${shown(value)}: ${search.fault}`
    searches.push(search)
  }
  return orElement((found) => typeof found === 'string' && searches.some((search) => search(found)))
}

function inNetworks(values: readonly unknown[]): AttributeTest | string {
  const within = networksOf(values)
  if (typeof within !== 'function')
    return `${shown(within.fault)} is not an IP address or network in CIDR notation`
  return orElement((found) => typeof found === 'string' && within(found))
}

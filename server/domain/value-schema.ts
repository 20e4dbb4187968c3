/**
 * A flag's `valueSchema` (JSON Schema, draft 2020-12): whether it can be used, and whether the variants satisfy it.
 * A schema comes from a user, so its work is bounded: patterns are RE2's, every subschema evaluated is paid for from
 * a budget, references stay inside the schema, and `format` says nothing (as the draft's default has it).
 */
import { LIMITS, operandFault } from '@halyard/sdk/core'
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { RE2JS } from 're2js'
import { canonical, canonicalBytes } from './canonical.ts'
import { at, type Faults, quote } from './faults.ts'
import { type Fields, isObject } from './reading.ts'

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'
/** So that a schema compiles in a few dozen milliseconds. */
const MOST_SUBSCHEMAS = 500
const MOST_PATTERNS = 100
/** Parts of subschemas evaluated for one flag, all variants together. */
const BUDGET = 500_000
/** What comparing texts costs, a character. */
const TEXT_COST = 0.1
/** A look at one more pattern costs about as much as this many parts. */
const PATTERN_COST = 10
const ERRORS_A_VARIANT = 5

const ONE = new Set(
  'additionalProperties propertyNames contains not if then else items unevaluatedItems unevaluatedProperties'.split(
    ' ',
  ),
)
const LIST = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const MAP = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'])
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['$dynamicRef', 'Use $ref.'],
  ['$recursiveRef', 'Use $ref.'],
  ['dependencies', 'Draft 2020-12 has dependentSchemas and dependentRequired for it.'],
])
/**
 * Stands in each subschema of the copy, and is evaluated before anything else of it: it takes the subschema's cost
 * from the budget, and does the work of `type`, which Ajv would do first and for nothing.
 */
const PRICE = 'halyard:price'
type Price = { readonly cost: number; readonly type: unknown }
/** Words of Ajv that are none of the draft's, and `type`. The root's $id would be remembered. */
const LEFT_OUT = new Set(['type', '$async', 'id', 'nullable', 'discriminator'])

/** Adds a fault for whatever keeps the schema from being used, or a variant from satisfying it. */
export function checkValues(schema: unknown, variants: Fields, pointer: string, faults: Faults): void {
  const schemaPointer = at(pointer, 'valueSchema')
  if (!isObject(schema)) {
    faults.add(schemaPointer, 'A JSON Schema is an object.')
    return
  }
  if (canonicalBytes(schema) > LIMITS.variantBytes) {
    faults.add(schemaPointer, `A JSON Schema has at most ${LIMITS.variantBytes} bytes.`)
    return
  }
  const before = faults.count
  const priced = priceSchema(schema, schemaPointer, faults)
  if (faults.count > before) return
  const budget = { left: BUDGET }
  try {
    const mistake = metaschemaError(schema)
    if (mistake !== undefined) {
      faults.add(
        schemaPointer + mistake.instancePath,
        `Not a JSON Schema of draft 2020-12: ${describe(mistake)}.`,
      )
      return
    }
    const validate = validator(budget).compile(priced)
    for (const [variant, value] of Object.entries(variants)) {
      if (validate(value)) continue
      for (const error of (validate.errors as ErrorObject[]).slice(0, ERRORS_A_VARIANT)) {
        faults.add(
          at(at(pointer, 'variants'), variant) + error.instancePath,
          `Not what valueSchema asks for: ${describe(error)}.`,
        )
      }
    }
  } catch (error) {
    // Compiling a schema and following its references runs what a user wrote: all of its failures are the user's.
    const why = budget.left < 0 ? 'it takes too much work to evaluate' : reason(error)
    faults.add(schemaPointer, `The JSON Schema cannot be used: ${why}.`)
  }
}

const reason = (error: unknown): string =>
  error instanceof RangeError ? 'its references lead in a circle' : (error as Error).message

const MESSAGES: ReadonlyMap<string, string> = new Map([
  ['const', 'must be equal to the constant'],
  ['enum', 'must be equal to one of the allowed values'],
  ['uniqueItems', 'must NOT have duplicate items'],
])

function describe({ message, keyword, schema }: ErrorObject): string {
  return keyword === PRICE
    ? `must be ${[(schema as Price).type].flat().join(' or ')}`
    : (MESSAGES.get(keyword) ?? String(message))
}

/** How much of a value a subschema looks at by itself: its characters, items or names. */
function breadth(value: unknown): number {
  if (typeof value === 'string') return value.length * TEXT_COST
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0
}

/** JSON Schema's `type`, one name or several. */
function isOfType(value: unknown, type: unknown): boolean {
  return [type].flat().some((name) => {
    if (name === 'integer') return Number.isInteger(value)
    if (name === 'null') return value === null
    if (name === 'array') return Array.isArray(value)
    if (name === 'object') return isObject(value)
    return typeof value === name
  })
}

/** A copy in which each subschema has its price; faults for what may not stand in a user's schema. */
function priceSchema(root: Fields, pointer: string, faults: Faults): Fields {
  const places = new Set<string>()
  let patterns = 0
  const references: { readonly target: string; readonly pointer: string }[] = []

  const price = (schema: unknown, place: string): unknown => {
    places.add(place)
    if (!isObject(schema)) return schema
    let cost = 1
    const copy = new Map<string, unknown>()
    for (const [name, value] of Object.entries(schema)) {
      const here = at(place, name)
      checkKeyword(name, value, place, here)
      const nested = nestedIn(name, value)
      cost += nested === undefined ? countParts(value) : 1
      if (LEFT_OUT.has(name) || name === '$id') continue
      copy.set(name, nested === undefined ? value : priceEach(nested, value, here))
    }
    const own: Price = { cost, type: schema.type }
    return Object.fromEntries(copy.set(PRICE, own))
  }
  const priceEach = (nested: 'one' | 'many', value: unknown, here: string): unknown => {
    if (nested === 'one') return price(value, here)
    if (Array.isArray(value)) return value.map((inner, index) => price(inner, at(here, index)))
    return Object.fromEntries(
      Object.entries(value as Fields).map(([name, inner]) => [name, price(inner, at(here, name))]),
    )
  }
  const checkKeyword = (name: string, value: unknown, place: string, here: string): void => {
    const refused = REFUSED.get(name)
    if (refused !== undefined) faults.add(pointer + here, `${name} is not taken. ${refused}`)
    if (name === '$schema' && value !== DRAFT)
      faults.add(pointer + here, `Only draft 2020-12 is taken: ${DRAFT}.`)
    if (name === '$id' && place !== '')
      faults.add(pointer + here, '$id can stand only at the root of the schema.')
    if (name === '$ref' && typeof value === 'string')
      references.push({ target: value, pointer: pointer + here })
    if (name === 'pattern' && typeof value === 'string') checkPattern(value, here)
    if (name === 'patternProperties' && isObject(value)) {
      for (const pattern of Object.keys(value)) checkPattern(pattern, at(here, pattern))
    }
  }
  const checkPattern = (pattern: string, here: string): void => {
    patterns += 1
    const fault = patterns > MOST_PATTERNS ? undefined : operandFault('matches', [pattern], false)
    if (fault !== undefined)
      faults.add(pointer + here, `Not a pattern that can be used (RE2 syntax): ${fault}.`)
  }

  const priced = price(root, '') as Fields
  if (patterns > MOST_PATTERNS)
    faults.add(pointer, `A JSON Schema has at most ${MOST_PATTERNS} patterns; this has ${patterns}.`)
  if (places.size > MOST_SUBSCHEMAS)
    faults.add(pointer, `A JSON Schema has at most ${MOST_SUBSCHEMAS} subschemas; this has ${places.size}.`)
  for (const { target, pointer: where } of references) {
    const place = localPlace(target)
    if (place === undefined || (place.startsWith('/') && !places.has(place))) {
      faults.add(where, `${quote(target)} is no reference to a subschema of this schema; it begins with #.`)
    }
  }
  return priced
}

/** Where a keyword holds subschemas, in a form that they can be read from. */
function nestedIn(name: string, value: unknown): 'one' | 'many' | undefined {
  if (ONE.has(name)) return 'one'
  if ((LIST.has(name) && Array.isArray(value)) || (MAP.has(name) && isObject(value))) return 'many'
  return undefined
}

/** The JSON Pointer (or anchor) of a reference inside the schema; undefined for any other. */
function localPlace(reference: string): string | undefined {
  if (!reference.startsWith('#')) return undefined
  try {
    return decodeURIComponent(reference.slice(1))
  } catch {
    return undefined
  }
}

function countParts(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, inner) => sum + countParts(inner), 1)
}

class OutOfBudget extends Error {}

/** An Ajv of its own for each schema: it keeps what it compiles for ever. */
function validator(budget: { left: number }): Ajv2020 {
  const spend = (cost: number): true => {
    budget.left -= cost
    if (budget.left < 0) throw new OutOfBudget()
    return true
  }
  const regExp = Object.assign(
    (pattern: string, flags: string) => {
      const compiled = RE2JS.compile(pattern)
      return {
        test: (text: string) => spend(PATTERN_COST + text.length) && compiled.matcher(text).find(),
        // Ajv tells patterns apart by this.
        toString: () => `/${pattern}/${flags}`,
      }
    },
    { code: 're2' },
  )
  const ajv = new Ajv2020({
    strict: false,
    meta: false,
    validateSchema: false,
    validateFormats: false,
    inlineRefs: false,
    verbose: true,
    logger: false,
    code: { regExp, optimize: false },
  })
  ajv.addKeyword({
    keyword: PRICE,
    schemaType: 'object',
    before: '$ref',
    errors: false,
    validate: ({ cost, type }: Price, value: unknown) =>
      spend(cost + breadth(value)) && (type === undefined || isOfType(value, type)),
  })
  // Compared by their canonical texts: Ajv would compare every two items, and trusts names such as `valueOf`.
  const textOf = (value: unknown): string => {
    const text = canonical(value)
    spend(text.length * TEXT_COST)
    return text
  }
  for (const keyword of ['const', 'enum', 'uniqueItems']) ajv.removeKeyword(keyword)
  ajv.addKeyword({
    keyword: 'const',
    errors: false,
    validate: (operand: unknown, value: unknown) => textOf(operand) === textOf(value),
  })
  ajv.addKeyword({
    keyword: 'enum',
    schemaType: 'array',
    errors: false,
    validate: (operands: readonly unknown[], value: unknown) => operands.map(textOf).includes(textOf(value)),
  })
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    errors: false,
    validate: (wanted: boolean, items: readonly unknown[]) =>
      !wanted || new Set(items.map(textOf)).size === items.length,
  })
  return ajv
}

let meta: Ajv2020 | undefined
/** What the metaschema says against a schema. It is compiled once, when first asked for. */
function metaschemaError(schema: Fields): ErrorObject | undefined {
  meta ??= new Ajv2020({ strict: false, validateFormats: false, logger: false })
  meta.validate(DRAFT, schema)
  return meta.errors?.at(0)
}

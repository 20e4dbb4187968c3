/**
 * Reads conditions: their form, their bounds, and that every operator can be evaluated with its operands. Which
 * segments there are is not known here; see `settle.ts`.
 */
import {
  type Condition,
  LIMITS,
  OPERATORS,
  type Operator,
  operandFault,
  type Scalar,
} from '@halyard/sdk/core'
import { quote } from './faults.ts'
import {
  type Fields,
  inside,
  isObject,
  type Reading,
  readAttribute,
  readBoolean,
  readFields,
  readKey,
} from './reading.ts'

const KINDS = ['all', 'any', 'not', 'segment', 'attribute'] as const
const FIELDS = {
  all: ['all'],
  any: ['any'],
  not: ['not'],
  segment: ['segment'],
  attribute: ['attribute', 'op', 'values', 'ignoreCase'],
} as const
/** Stands in for a condition with a fault. */
const NOTHING: Condition = { any: [] }

/** One condition with all that is nested in it. */
export function readCondition(value: unknown, reading: Reading): Condition {
  const nodes = { left: LIMITS.conditionNodes as number }
  const condition = readNode(value, reading, 1, nodes)
  if (nodes.left < 0) {
    reading.faults.add(
      reading.pointer,
      `A condition has at most ${LIMITS.conditionNodes} parts; use a segment.`,
    )
  }
  return condition
}

function readNode(value: unknown, reading: Reading, depth: number, nodes: { left: number }): Condition {
  nodes.left -= 1
  // The rest would only be read to be refused.
  if (nodes.left < 0) return NOTHING
  const { faults, pointer } = reading
  if (depth > LIMITS.conditionDepth) {
    faults.add(pointer, `Conditions nest at most ${LIMITS.conditionDepth} levels deep; use a segment.`)
    return NOTHING
  }
  const kinds = isObject(value) ? KINDS.filter((kind) => value[kind] !== undefined) : []
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) {
    faults.add(
      pointer,
      `A condition is an object with exactly one of ${KINDS.join(', ')}; a merge patch sets the others to null.`,
    )
    return NOTHING
  }
  const fields = readFields(value, reading, 'A condition', FIELDS[kind])
  const below = (inner: unknown, at: Reading): Condition => readNode(inner, at, depth + 1, nodes)
  switch (kind) {
    case 'all':
      return { all: readBranches(fields.all, inside(reading, 'all'), below) }
    case 'any':
      return { any: readBranches(fields.any, inside(reading, 'any'), below) }
    case 'not':
      return { not: below(fields.not, inside(reading, 'not')) }
    case 'segment':
      return { segment: readKey(fields.segment, inside(reading, 'segment'), 'A segment’s key') }
    case 'attribute':
      return readTest(fields, reading)
  }
}

function readBranches(
  value: unknown,
  reading: Reading,
  below: (inner: unknown, at: Reading) => Condition,
): readonly Condition[] {
  if (Array.isArray(value) && value.length > 0) {
    return value.map((inner, index) => below(inner, inside(reading, index)))
  }
  reading.faults.add(reading.pointer, 'A list of at least one condition is expected.')
  return []
}

function readTest(fields: Fields, reading: Reading): Condition {
  const { faults, pointer } = reading
  const attribute = readAttribute(fields.attribute, inside(reading, 'attribute'), ['$now'])
  const op = readOperator(fields.op, inside(reading, 'op'))
  const values = readValues(fields.values, inside(reading, 'values'), op)
  const ignoreCase =
    fields.ignoreCase !== undefined &&
    readBoolean(fields.ignoreCase, inside(reading, 'ignoreCase'), 'ignoreCase')
  if (op !== undefined && values !== undefined) {
    const fault = operandFault(op, values, ignoreCase)
    if (fault !== undefined) faults.add(pointer, sentence(fault))
  }
  const test = { attribute, op: op ?? 'in', values: values ?? [] }
  return ignoreCase ? { ...test, ignoreCase } : test
}

function readOperator(value: unknown, { faults, pointer }: Reading): Operator | undefined {
  if (typeof value === 'string' && OPERATORS.has(value)) return value as Operator
  const unknown = typeof value === 'string' ? { key: value, candidates: OPERATORS } : undefined
  const what = typeof value === 'string' ? `${quote(value)} is no operator` : 'An operator is expected'
  faults.add(pointer, `${what}: there are ${[...OPERATORS].join(', ')}.`, unknown)
  return undefined
}

/** undefined where there is a fault, so that one mistake is told once. */
function readValues(
  value: unknown,
  reading: Reading,
  op: Operator | undefined,
): readonly Scalar[] | undefined {
  const { faults, pointer } = reading
  if (value === undefined && op === 'exists') return []
  if (!Array.isArray(value)) {
    faults.add(pointer, 'A list of values is expected.')
    return undefined
  }
  if (value.length === 0 && op !== 'exists') {
    faults.add(pointer, 'At least one value is needed; without any the condition never holds.')
    return undefined
  }
  if (value.length > LIMITS.values) {
    faults.add(
      pointer,
      `A condition has at most ${LIMITS.values} values; there are ${value.length}. Use a segment’s members.`,
    )
    return undefined
  }
  const before = faults.count
  for (const [index, scalar] of value.entries()) {
    if (!isScalar(scalar))
      faults.add(inside(reading, index).pointer, 'A string, a number, true or false is expected.')
  }
  return faults.count === before ? value : undefined
}

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' ||
  typeof value === 'boolean' ||
  (typeof value === 'number' && Number.isFinite(value))

/** Faults of the evaluator's table begin small and end without a stop. */
const sentence = (fault: string): string => `${fault.charAt(0).toUpperCase()}${fault.slice(1)}.`

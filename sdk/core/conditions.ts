/**
 * Conditions to closures. What this version does not understand is refused as a whole, with the reason: the rule
 * that says it is skipped, never half-evaluated.
 */
import { type Attributes, isReadable, NOW, ownAttribute, type Reader, readerOf } from './attributes.ts'
import { turnsOf } from './instants.ts'
import { isObject, type JsonObject, shown } from './json.ts'
import { LIMITS } from './limits.ts'
import { type AttributeTest, prepareTest } from './operators.ts'
import type { AttributePath, Json, SegmentKey } from './ruleset.ts'
import type { ConditionStep } from './steps.ts'

/** A compiled condition. With a trace it adds its own step to it; null where nobody asks. */
export type Test = (
  context: Attributes,
  now: number,
  segments: Segments,
  trace: ConditionStep[] | null,
) => boolean

/** The segments of the ruleset that is evaluated. Tests look them up there, so that a member edit compiles no rule. */
export type Segments = ReadonlyMap<SegmentKey, { readonly test: Test }>

/** What a condition depends on. */
export type Facts = {
  readonly reads: readonly AttributePath[]
  /** Epoch milliseconds from which on it can be another: thresholds of `$now`. */
  readonly instants: readonly number[]
  /** Segments that it names, as often as it names them. */
  readonly segments: readonly SegmentKey[]
  readonly nodes: number
  readonly depth: number
}

const NONE: readonly never[] = []
export const NO_FACTS: Facts = { reads: NONE, instants: NONE, segments: NONE, nodes: 0, depth: 0 }

export type CompiledCondition = {
  /** Unique in its pool. */
  readonly id: number
  readonly test: Test
  readonly facts: Facts
}

/**
 * What compilations share. Flags by the thousand ask the same few questions: each is compiled once, which saves
 * memory, and what many flags share stays in the processor's cache.
 */
export type Pool = {
  readonly conditions: Map<string, CompiledCondition>
  readonly readers: Map<AttributePath, Reader>
  made: number
}

export function newPool(): Pool {
  return { conditions: new Map(), readers: new Map(), made: 0 }
}

/** Something of a newer server, or broken: the message says what cannot be evaluated here. */
export class NotUnderstood extends Error {}

/** Why something failed to compile. Whatever it was, one definition must not take the others with it. */
export function reasonOf(cause: unknown): string {
  return cause instanceof NotUnderstood ? cause.message : `failed to compile: ${String(cause)}`
}

/** Conditions with more values than this are not shared: to find them would cost more than they are worth. */
const SHARED_VALUES = 50
const NOT_FIELDS: ReadonlySet<string> = new Set(['not'])
const SEGMENT_FIELDS: ReadonlySet<string> = new Set(['segment'])
const ATTRIBUTE_FIELDS: ReadonlySet<string> = new Set(['attribute', 'op', 'values', 'ignoreCase'])
const JUNCTION_FIELDS = { all: new Set(['all']), any: new Set(['any']) } as const

/**
 * Compiles a condition of any shape.
 *
 * @throws NotUnderstood
 */
export function compileCondition(condition: unknown, pool: Pool, depth = 1): CompiledCondition {
  if (!isObject(condition)) throw new NotUnderstood('a condition is an object')
  if (depth > LIMITS.evaluatedDepth) throw new NotUnderstood('a condition is nested too deep')
  if (condition.all !== undefined) return compileJunction('all', condition, pool, depth)
  if (condition.any !== undefined) return compileJunction('any', condition, pool, depth)
  if (condition.not !== undefined) {
    onlyFields(condition, NOT_FIELDS, 'a condition')
    const inner = compileCondition(condition.not, pool, depth + 1)
    return shared(pool, `not ${inner.id}`, () => ({
      test: negation(inner.test),
      facts: factsAround([inner]),
    }))
  }
  return condition.segment !== undefined ? compileSegment(condition, pool) : compileAttribute(condition, pool)
}

/** @throws NotUnderstood naming the first field that is not among those known */
export function onlyFields(object: JsonObject, known: ReadonlySet<string>, what: string): void {
  for (const field of Object.keys(object)) {
    if (!known.has(field)) throw new NotUnderstood(`the field ${JSON.stringify(field)} of ${what} is unknown`)
  }
}

/** @param name undefined for what is not worth sharing */
function shared(
  pool: Pool,
  name: string | undefined,
  make: () => Omit<CompiledCondition, 'id'>,
): CompiledCondition {
  const known = name === undefined ? undefined : pool.conditions.get(name)
  if (known !== undefined) return known
  const { test, facts } = make()
  const condition = { id: pool.made++, test, facts }
  if (name !== undefined) pool.conditions.set(name, condition)
  return condition
}

function compileJunction(
  kind: 'all' | 'any',
  condition: JsonObject,
  pool: Pool,
  depth: number,
): CompiledCondition {
  onlyFields(condition, JUNCTION_FIELDS[kind], 'a condition')
  const conditions = condition[kind]
  if (!Array.isArray(conditions)) throw new NotUnderstood(`"${kind}" is a list of conditions`)
  const inner = conditions.map((one) => compileCondition(one, pool, depth + 1))
  return shared(pool, `${kind} ${inner.map(({ id }) => id)}`, () => ({
    test: junction(
      kind,
      inner.map(({ test }) => test),
    ),
    facts: factsAround(inner),
  }))
}

function leaf(reads: Facts['reads'], instants: Facts['instants'], segments: Facts['segments']): Facts {
  return { reads, instants, segments, nodes: 1, depth: 1 }
}

function factsAround(inner: readonly CompiledCondition[]): Facts {
  const facts = inner.map((condition) => condition.facts)
  return {
    reads: [...new Set(facts.flatMap(({ reads }) => reads))],
    instants: [...new Set(facts.flatMap(({ instants }) => instants))],
    segments: facts.flatMap(({ segments }) => segments),
    nodes: facts.reduce((sum, { nodes }) => sum + nodes, 1),
    depth: facts.reduce((most, { depth }) => Math.max(most, depth), 0) + 1,
  }
}

/** An empty `all` is true, an empty `any` false. */
function junction(kind: 'all' | 'any', tests: readonly Test[]): Test {
  const settling = kind === 'any'
  return (context, now, segments, trace) => {
    const of: ConditionStep[] | null = trace && []
    let result = !settling
    for (let i = 0; i < tests.length; i++) {
      if ((tests[i] as Test)(context, now, segments, of) === settling) {
        result = settling
        break
      }
    }
    if (of !== null) trace?.push({ condition: kind, of, result })
    return result
  }
}

function negation(test: Test): Test {
  return (context, now, segments, trace) => {
    const of: ConditionStep[] | null = trace && []
    const result = !test(context, now, segments, of)
    trace?.push({ condition: 'not', of: of as ConditionStep[], result })
    return result
  }
}

function compileSegment(condition: JsonObject, pool: Pool): CompiledCondition {
  onlyFields(condition, SEGMENT_FIELDS, 'a condition')
  const key = condition.segment
  if (typeof key !== 'string') throw new NotUnderstood('a condition names a segment by its key')
  return shared(pool, `segment ${key}`, () => ({
    test: (context, now, segments, trace) => segments.get(key)?.test(context, now, segments, trace) ?? false,
    facts: leaf(NONE, NONE, [key]),
  }))
}

function compileAttribute(condition: JsonObject, pool: Pool): CompiledCondition {
  onlyFields(condition, ATTRIBUTE_FIELDS, 'a condition')
  const { attribute: path, op, values = [], ignoreCase = false } = condition
  if (path !== NOW && !isReadable(path)) throw notReadable(path)
  if (typeof op !== 'string') throw new NotUnderstood('a condition names its operator')
  if (!Array.isArray(values)) throw new NotUnderstood('the values of a condition are a list')
  if (typeof ignoreCase !== 'boolean') throw new NotUnderstood('ignoreCase is true or absent')
  const prepare = (): Omit<CompiledCondition, 'id'> => {
    const test = prepareTest(op, values, ignoreCase)
    if (typeof test === 'string') throw new NotUnderstood(test)
    const step = {
      condition: 'attribute' as const,
      attribute: path,
      op,
      values,
      ...(ignoreCase && { ignoreCase }),
    }
    if (path === NOW) return { test: onNow(test, step), facts: leaf(NONE, turnsOf(op, values), NONE) }
    const on = path.includes('.') ? onPath(readerIn(pool, path), test, step) : onName(path, test, step)
    return { test: on, facts: leaf([path], NONE, NONE) }
  }
  return shared(pool, attributeName(path, op, values, ignoreCase), prepare)
}

function attributeName(
  path: AttributePath,
  op: string,
  values: readonly Json[],
  ignoreCase: boolean,
): string | undefined {
  if (values.length > SHARED_VALUES || values.some((value) => typeof value === 'object')) return undefined
  return JSON.stringify([path, op, ignoreCase, values])
}

type AttributeStep = Omit<Extract<ConditionStep, { condition: 'attribute' }>, 'found' | 'result'>

function onNow(test: AttributeTest, step: AttributeStep): Test {
  return (_context, now, _segments, trace) => {
    const result = test(now)
    trace?.push({ ...step, found: now, result })
    return result
  }
}

function onName(name: string, test: AttributeTest, step: AttributeStep): Test {
  return (context, _now, _segments, trace) => {
    const found = ownAttribute(context, name)
    const result = test(found)
    trace?.push({ ...step, ...foundStep(found), result })
    return result
  }
}

function onPath(read: Reader, test: AttributeTest, step: AttributeStep): Test {
  return (context, _now, _segments, trace) => {
    const found = read(context)
    const result = test(found)
    trace?.push({ ...step, ...foundStep(found), result })
    return result
  }
}

function foundStep(found: unknown): { readonly found?: unknown } {
  return found === undefined || found === null ? {} : { found }
}

/**
 * The shared reader of an attribute.
 *
 * @throws NotUnderstood where the path is none that this version reads
 */
export function readerIn(pool: Pool, path: unknown): Reader {
  if (!isReadable(path)) throw notReadable(path)
  const read = pool.readers.get(path) ?? readerOf(path)
  pool.readers.set(path, read)
  return read
}

function notReadable(path: unknown): NotUnderstood {
  return new NotUnderstood(`${shown(path)} is no attribute that can be read`)
}

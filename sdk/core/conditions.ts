/**
 * Conditions to closures. What this version does not understand is refused as a whole, with the reason: the rule
 * that says it is skipped, never half-evaluated.
 */
import { type Attributes, NOW, type Reader, readerOf } from './attributes.ts'
import { turnsOf } from './instants.ts'
import { isObject, type JsonObject } from './json.ts'
import { LIMITS } from './limits.ts'
import { prepareTest } from './operators.ts'
import type { AttributePath, SegmentKey } from './ruleset.ts'
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

/** What a condition depends on, gathered while compiling. */
export type Facts = {
  readonly reads: Set<AttributePath>
  /** Epoch milliseconds from which on it can be another: thresholds of `$now`. */
  readonly instants: Set<number>
  /** Segments that it names, with how often. */
  readonly segments: Map<SegmentKey, number>
  nodes: number
  depth: number
}

export function noFacts(): Facts {
  return { reads: new Set(), instants: new Set(), segments: new Map(), nodes: 0, depth: 0 }
}

/** Something of a newer server, or broken: the message says what cannot be evaluated here. */
export class NotUnderstood extends Error {}

const JUNCTIONS = ['all', 'any'] as const
const NOT_FIELDS: ReadonlySet<string> = new Set(['not'])
const SEGMENT_FIELDS: ReadonlySet<string> = new Set(['segment'])
const ATTRIBUTE_FIELDS: ReadonlySet<string> = new Set(['attribute', 'op', 'values', 'ignoreCase'])

/**
 * Compiles a condition of any shape.
 *
 * @param facts gets what the condition depends on
 * @throws NotUnderstood
 */
export function compileCondition(condition: unknown, facts: Facts, depth = 1): Test {
  if (!isObject(condition)) throw new NotUnderstood('a condition is an object')
  if (depth > LIMITS.evaluatedDepth) throw new NotUnderstood('a condition is nested too deep')
  facts.nodes++
  facts.depth = Math.max(facts.depth, depth)
  for (const kind of JUNCTIONS) {
    const conditions = condition[kind]
    if (conditions === undefined) continue
    onlyFields(condition, new Set([kind]), 'a condition')
    if (!Array.isArray(conditions)) throw new NotUnderstood(`"${kind}" is a list of conditions`)
    return junction(
      kind,
      conditions.map((inner) => compileCondition(inner, facts, depth + 1)),
    )
  }
  if (condition.not !== undefined) {
    onlyFields(condition, NOT_FIELDS, 'a condition')
    return negation(compileCondition(condition.not, facts, depth + 1))
  }
  return condition.segment !== undefined ? inSegment(condition, facts) : onAttribute(condition, facts)
}

/** @throws NotUnderstood naming the first field that is not among those known */
export function onlyFields(object: JsonObject, known: ReadonlySet<string>, what: string): void {
  for (const field of Object.keys(object)) {
    if (!known.has(field)) throw new NotUnderstood(`the field ${JSON.stringify(field)} of ${what} is unknown`)
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
    trace?.push({ condition: kind, of: of as ConditionStep[], result })
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

function inSegment(condition: JsonObject, facts: Facts): Test {
  onlyFields(condition, SEGMENT_FIELDS, 'a condition')
  const key = condition.segment
  if (typeof key !== 'string') throw new NotUnderstood('a condition names a segment by its key')
  facts.segments.set(key, (facts.segments.get(key) ?? 0) + 1)
  return (context, now, segments, trace) => segments.get(key)?.test(context, now, segments, trace) ?? false
}

function onAttribute(condition: JsonObject, facts: Facts): Test {
  onlyFields(condition, ATTRIBUTE_FIELDS, 'a condition')
  const { attribute, op, values = [], ignoreCase = false } = condition
  if (typeof op !== 'string') throw new NotUnderstood('a condition names its operator')
  if (!Array.isArray(values)) throw new NotUnderstood('the values of a condition are a list')
  if (typeof ignoreCase !== 'boolean') throw new NotUnderstood('ignoreCase is true or absent')
  const test = prepareTest(op, values, ignoreCase)
  if (typeof test === 'string') throw new NotUnderstood(test)
  const step = {
    condition: 'attribute' as const,
    attribute: attribute as string,
    op,
    values,
    ...(ignoreCase && { ignoreCase }),
  }
  if (attribute === NOW) {
    for (const instant of turnsOf(op, values)) facts.instants.add(instant)
    return (_context, now, _segments, trace) => {
      const result = test(now)
      trace?.push({ ...step, found: now, result })
      return result
    }
  }
  const read = readUnderstood(attribute, facts)
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
 * The reader of an attribute, noted among the facts.
 *
 * @throws NotUnderstood where the path is none that this version reads
 */
export function readUnderstood(path: unknown, facts: Pick<Facts, 'reads'>): Reader {
  const read = readerOf(path)
  if (read === undefined) throw new NotUnderstood(`${JSON.stringify(path)} is no attribute that can be read`)
  facts.reads.add(path as AttributePath)
  return read
}

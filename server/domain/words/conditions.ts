/**
 * Conditions in words, and in what words they differ. Any JSON is taken; what is no condition is called unknown, and
 * what is too much for a sentence is cut.
 */
import type { Operator } from '@halyard/sdk/core'
import { sameJson } from '../diff.ts'
import { fieldOf, isObject, listOf } from '../reading.ts'
import {
  attributeInWords,
  firstOf,
  listed,
  named,
  quoted,
  shortened,
  textInWords,
  valueInWords,
} from './phrases.ts'

const LONGEST = 300
const DEEPEST = 8
/** Parts of one condition that are looked at, however many of them there are. */
const MOST_PARTS = 40
const MOST_BRANCHES = 8
const MOST_VALUES = 4

/** How an operator is said: of one value, and of several; without the latter they are joined by "or". */
const OPERATORS: Readonly<Record<Operator, readonly [one: string, several?: string]>> = {
  in: ['is', 'is one of'],
  notIn: ['is set and not', 'is set and none of'],
  startsWith: ['starts with'],
  endsWith: ['ends with'],
  contains: ['contains'],
  matches: ['matches'],
  lt: ['is less than'],
  lte: ['is at most'],
  gt: ['is more than'],
  gte: ['is at least'],
  before: ['is before'],
  after: ['is after'],
  semverEq: ['is version'],
  semverLt: ['is below version'],
  semverLte: ['is at most version'],
  semverGt: ['is above version'],
  semverGte: ['is at least version'],
  cidr: ['is in network'],
  exists: ['is set'],
}

/** `plan is pro and not in segment beta`. */
export function conditionInWords(condition: unknown): string {
  return shortened(inWords(condition, { depth: 0, inside: false, parts: { left: MOST_PARTS } }), LONGEST)
}

type Saying = {
  readonly depth: number
  /** Part of something larger: then what has several parts stands in parentheses. */
  readonly inside: boolean
  readonly parts: { left: number }
}

function inWords(condition: unknown, saying: Saying): string {
  saying.parts.left -= 1
  if (saying.parts.left < 0 || saying.depth > DEEPEST) return '…'
  const { all, any, not, segment, attribute } = isObject(condition) ? condition : NOTHING
  if (Array.isArray(all)) return all.length === 0 ? 'always' : joined(all, 'and', saying)
  if (Array.isArray(any)) return any.length === 0 ? 'never' : joined(any, 'or', saying)
  if (not !== undefined) return negated(not, saying)
  if (segment !== undefined) return `in segment ${named(segment)}`
  return attribute === undefined ? 'an unknown condition' : testInWords(condition)
}
const NOTHING: { readonly [name: string]: unknown } = {}

function joined(conditions: readonly unknown[], conjunction: 'and' | 'or', saying: Saying): string {
  if (conditions.length === 1) return inWords(conditions[0], { ...saying, depth: saying.depth + 1 })
  const inner = { ...saying, depth: saying.depth + 1, inside: true }
  const parts = conditions.slice(0, MOST_BRANCHES).map((one) => inWords(one, inner))
  if (conditions.length > MOST_BRANCHES) parts.push(`${conditions.length - MOST_BRANCHES} more conditions`)
  const text = parts.join(` ${conjunction} `)
  return saying.inside ? `(${text})` : text
}

function negated(condition: unknown, saying: Saying): string {
  if (fieldOf(condition, 'op') === 'exists') {
    return `${attributeInWords(fieldOf(condition, 'attribute'))} is not set`
  }
  const text = inWords(condition, { ...saying, depth: saying.depth + 1, inside: false })
  return fieldOf(condition, 'segment') === undefined ? `not (${text})` : `not ${text}`
}

/** One attribute and what is asked of it. */
function testInWords(test: unknown): string {
  const [attribute, op, values] = ['attribute', 'op', 'values'].map((name) => fieldOf(test, name))
  const subject = attribute === '$now' ? 'the time' : attributeInWords(attribute)
  const verbs = typeof op === 'string' && Object.hasOwn(OPERATORS, op) ? OPERATORS[op as Operator] : undefined
  const operands = listOf(values).map((value) => operandInWords(op, value))
  const [one, several] = verbs ?? [named(op)]
  const verb = operands.length > 1 ? (several ?? one) : one
  const said = several === undefined ? listed(operands, 'or') : firstOf(operands, MOST_VALUES).join(', ')
  const words = [subject, verb]
  if (operands.length > 0) words.push(said)
  if (fieldOf(test, 'ignoreCase') === true) words.push('(ignoring case)')
  return words.join(' ')
}

const LATEST = 8.64e15

export function operandInWords(op: unknown, value: unknown): string {
  if (typeof value === 'number') {
    const isTime = (op === 'before' || op === 'after') && Math.abs(value) <= LATEST
    return isTime ? new Date(value).toISOString().replace(/\.000Z$/, 'Z') : String(value)
  }
  if (typeof value !== 'string') return valueInWords(value)
  if (op === 'matches') return `/${textInWords(value, 80)}/`
  // "1" is another value than 1: a text without quotes must look like one.
  const plain = op === 'in' || op === 'notIn' ? /^(?!(?:true|false)$)[A-Za-z][\w.@+-]*$/ : /^[\w.:/@+-]+$/
  return value.length <= 80 && plain.test(value) ? value : quoted(value)
}

/**
 * `plan is pro → plan is one of pro, team`; of values too many to show, those that came and went.
 * @param none what no condition at all means
 */
export function conditionChangeInWords(before: unknown, after: unknown, none: string): string {
  const [was, is] = [before, after].map((one) =>
    one === undefined || one === null ? none : conditionInWords(one),
  )
  const values = valuesChange(before, after)
  if (values !== undefined) return `${is} (${values})`
  return was === is ? `${is}, where it is too long to show` : `${was} → ${is}`
}

/** `team added, free removed`, where the same is asked of an attribute with other values, and they are many. */
function valuesChange(before: unknown, after: unknown): string | undefined {
  if (!isObject(before) || !isObject(after)) return undefined
  const [was, is] = [listOf(before.values), listOf(after.values)]
  if (Math.max(was.length, is.length) <= MOST_VALUES) return undefined
  if (!sameJson({ ...before, values: [] }, { ...after, values: [] })) return undefined
  const changes = [
    [missing(is, was), 'added'],
    [missing(was, is), 'removed'],
  ] as const
  const said = changes.filter(([values]) => values.length > 0)
  const words = said.map(([values, how]) => {
    const operands = values.map((value) => operandInWords(after.op, value))
    return `${listed(operands)} ${how}`
  })
  return words.length === 0 ? undefined : words.join(', ')
}

function missing(values: readonly unknown[], from: readonly unknown[]): readonly unknown[] {
  const there = new Set(from)
  return values.filter((value) => !there.has(value))
}

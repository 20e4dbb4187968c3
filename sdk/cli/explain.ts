/** `halyard explain`: what a context gets, and every step that led there, as the server's evaluator took it. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { apiOf, at } from './api.ts'
import { type Command, type Edge, EXIT, type Given, Refusal } from './command.ts'
import { jsonIn } from './flags.ts'
import { oneLine, type Paint, paintFor, show } from './output.ts'
import { ENVIRONMENT_OPTION, environmentOf, projectOf } from './settings.ts'
import type { Json } from './shapes.ts'

type Decision = {
  readonly value?: Json
  readonly variant?: string
  readonly reason: string
  readonly errorCode?: string
  readonly errorDetails?: string
}
type ConditionStep = {
  readonly condition: string
  readonly of?: readonly ConditionStep[]
  readonly segment?: string
  readonly member?: string
  readonly attribute?: string
  readonly op?: string
  readonly values?: readonly Json[]
  readonly found?: unknown
  readonly result: boolean
}
type SplitStep = {
  readonly by: string
  readonly unit?: string
  readonly bucket?: number
  readonly range?: { readonly variant: string; readonly from: number; readonly to: number }
}
type Step = {
  readonly step: string
  readonly killed?: boolean
  readonly enabled?: boolean
  readonly error?: string
  readonly flag?: string
  readonly satisfied?: boolean
  readonly by?: string
  readonly unit?: string
  readonly rule?: string
  readonly skipped?: string
  readonly matched?: boolean
  readonly when?: ConditionStep
  readonly split?: SplitStep
  readonly variant?: string
}
type Explained = {
  readonly flag: string
  readonly environment: string
  readonly revision: number
  readonly at: string
  readonly decision: Decision
  readonly because: string
  readonly steps: readonly Step[]
}

export const explainCommand: Command = {
  summary: 'Say what a context gets from a flag, and why',
  operands: ['flag'],
  options: {
    ...ENVIRONMENT_OPTION,
    context: {
      value: 'json',
      short: 'c',
      help: 'such as \'{"targetingKey": "user-42", "plan": "pro"}\'; @file reads one',
    },
    at: { value: 'revision or time', help: 'as it was then: 801, or 2027-01-31T14:03:00Z' },
  },
  async run(edge, given) {
    const [flag = ''] = given.operands
    const path = at('projects', projectOf(edge, given), 'environments', environmentOf(edge, given), 'explain')
    const body = {
      flag,
      context: contextOf(edge, given),
      ...(given.texts.at !== undefined && { at: atOf(given.texts.at) }),
    }
    const explained = await apiOf(edge, given).ask<Explained>(path, body)
    show(edge, given, explained, () => wordsOf(edge, explained))
    return EXIT.done
  },
}

function contextOf(edge: Edge, { texts }: Given): Json {
  const { context = '{}' } = texts
  if (!context.startsWith('@')) return jsonIn(context, '--context')
  try {
    return jsonIn(readFileSync(resolve(edge.folder, context.slice(1)), 'utf8'), context.slice(1))
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(`The context cannot be read: ${(error as Error).message}.`, EXIT.usage)
  }
}

/** Digits are a revision. */
const atOf = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text)

function wordsOf(
  edge: Edge,
  { flag, environment, revision, at, decision, because, steps }: Explained,
): string {
  const paint = paintFor(edge)
  const value =
    decision.errorCode !== undefined
      ? paint.red(`${decision.errorCode}: ${oneLine(decision.errorDetails ?? '')}`)
      : decision.value === undefined
        ? 'the app’s code default'
        : `${paint.bold(JSON.stringify(decision.value))}${decision.variant === undefined ? '' : ` (${decision.variant})`}`
  return [
    `${paint.bold(flag)} in ${environment} gives ${oneLine(value)}  ${paint.dim(decision.reason)}`,
    oneLine(because),
    '',
    ...steps.flatMap((step) => stepLines(step, paint)),
    '',
    paint.dim(`revision ${revision}, evaluated as of ${at}`),
  ].join('\n')
}

function stepLines(step: Step, paint: Paint): string[] {
  const mark = (passed: boolean): string => (passed ? paint.green('✓') : paint.dim('·'))
  const serves = step.variant === undefined ? '' : ` → ${step.variant}`
  const skipped = step.skipped === undefined ? '' : paint.yellow(` skipped: ${oneLine(step.skipped)}`)
  switch (step.step) {
    case 'kill':
      return [`${mark(step.killed === true)} ${step.killed === true ? 'killed' : 'not killed'}`]
    case 'enabled':
      return [`${mark(step.enabled === true)} ${step.enabled === true ? 'enabled' : 'disabled'}`]
    case 'compile':
      return [`${paint.red('!')} cannot be evaluated: ${oneLine(step.error ?? '')}`]
    case 'prerequisite':
      return [
        `${mark(step.satisfied === true)} requires ${step.flag}: ${step.satisfied === true ? 'satisfied' : 'not satisfied'}`,
      ]
    case 'targets':
      return [
        `${mark(step.variant !== undefined)} individuals by ${step.by}: ${oneLine(step.unit ?? 'none in the context')}${serves}`,
      ]
    case 'rule':
      return [
        `${mark(step.matched === true)} rule ${step.rule}${serves}${skipped}`,
        ...(step.when === undefined ? [] : conditionLines(step.when, '    ', mark)),
        ...splitLines(step.split),
      ]
    case 'fallthrough':
      return [`${mark(true)} everyone else${serves}${skipped}`, ...splitLines(step.split)]
    default:
      return [`· ${step.step}`]
  }
}

function conditionLines(step: ConditionStep, indent: string, mark: (passed: boolean) => string): string[] {
  const { condition, of = [], result } = step
  const text =
    condition === 'attribute'
      ? `${step.attribute} ${step.op} ${(step.values ?? []).map((value) => JSON.stringify(value)).join(', ')}; found ${step.found === undefined ? 'nothing' : JSON.stringify(step.found)}`
      : condition === 'segment'
        ? `in segment ${step.segment}${step.member === undefined ? '' : ` (${step.member})`}`
        : condition
  return [
    `${indent}${mark(result)} ${oneLine(text)}`,
    ...of.flatMap((inner) => conditionLines(inner, `${indent}  `, mark)),
  ]
}

function splitLines(split: SplitStep | undefined): string[] {
  if (split === undefined) return []
  const { by, unit, bucket, range } = split
  if (unit === undefined || bucket === undefined) return [`    split by ${by}: the context has none`]
  const where =
    range === undefined ? 'in no range' : `in ${range.variant}’s range ${range.from} to ${range.to}`
  return [`    split by ${by}: ${oneLine(unit)} is in bucket ${bucket}, ${where}`]
}

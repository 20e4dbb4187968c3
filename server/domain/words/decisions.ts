/** Why a flag gave what it gave, in one sentence: the steps of an explanation, told from the one that decided. */
import type { Decision, Explanation, FlagKey, SplitStep, Step } from '@halyard/sdk/core'
import { TARGETING_KEY } from '../reading.ts'
import { matchInWords } from './matches.ts'
import { attributeInWords, firstOf, listed, named, textInWords } from './phrases.ts'
import { ruleInWords } from './rules.ts'
import { unitInWords } from './targets.ts'

const LONGEST = 1_000
/** Required flags that are followed, one through the other. */
const DEEPEST = 3
/** Rules that are told besides the one that decided. */
const MOST_RULES = 3

type RuleStep = Extract<Step, { step: 'rule' }>
type TargetsStep = Extract<Step, { step: 'targets' }>
type FallthroughStep = Extract<Step, { step: 'fallthrough' }>
type PrerequisiteStep = Extract<Step, { step: 'prerequisite' }>

/** A rule's description, which steps do not have. `flag`: a required flag; undefined: the one that was explained. */
export type DescribeRule = (rule: string, flag: FlagKey | undefined) => string | undefined

type Telling = {
  readonly flag: FlagKey | undefined
  readonly depth: number
  readonly describeRule: DescribeRule
}

/**
 * What was decided, and why: `on: rule r2 ("pro users") matched, as plan is pro, and user-1 falls in bucket 18422, in
 * on's range 0 to 25000 of the split by targetingKey`, `off: it requires base to serve on, which serves off because it
 * is disabled`.
 */
export function decisionInWords(
  { decision, steps }: Explanation,
  describeRule: DescribeRule = () => undefined,
): string {
  const telling = { flag: undefined, depth: 0, describeRule }
  const why = [reason(decision, steps, telling), ...skippedRules(steps, telling)].join('; ')
  return textInWords(`${outcome(decision)}: ${why}`, LONGEST)
}

function outcome({ variant, errorCode }: Decision): string {
  if (variant !== undefined) return named(variant)
  return errorCode === undefined ? 'code default' : `error ${errorCode}`
}

function reason(decision: Decision, steps: readonly Step[], telling: Telling): string {
  const last = steps.at(-1)
  // The context could not be read: the steps end somewhere on the way.
  if (last === undefined || decision.errorCode === 'GENERAL') {
    return decision.errorDetails ?? 'how it came to that is not known'
  }
  switch (last.step) {
    case 'kill':
      return 'it is killed'
    case 'compile':
      return `it cannot be evaluated: ${last.error}`
    case 'enabled':
      return 'it is disabled'
    case 'prerequisite':
      return prerequisiteReason(last, telling)
    case 'targets':
      return targetsReason(last)
    case 'rule':
      return ruleReason(last, telling)
    case 'fallthrough':
      return fallthroughReason(last, steps, telling)
  }
}

function prerequisiteReason({ flag, variants, decision, steps }: PrerequisiteStep, telling: Telling): string {
  const required = `it requires ${named(flag)} to serve ${listed(variants.map(named), 'or')}`
  if (decision.errorCode === 'FLAG_NOT_FOUND') return `${required}, which does not exist`
  const { variant } = decision
  const served =
    decision.errorCode !== undefined
      ? 'fails'
      : variant === undefined
        ? 'serves the code default'
        : `serves ${named(variant)}${variants.includes(variant) ? ' only as its off variant' : ''}`
  if (steps === undefined || telling.depth === DEEPEST) return `${required}, which ${served}`
  const why = reason(decision, steps, { ...telling, flag, depth: telling.depth + 1 })
  return `${required}, which ${served} because ${why}`
}

/** `ann`, `account acme`. */
const unitOf = (by: string, unit: string): string =>
  by === TARGETING_KEY ? unitInWords(unit) : `${attributeInWords(by)} ${unitInWords(unit)}`

const targetsReason = ({ by, unit, variant }: TargetsStep): string =>
  `${unitOf(by, String(unit))} is listed in the targets of ${named(variant)}`

function ruleReason(step: RuleStep, telling: Telling): string {
  const where = step.split === undefined ? '' : `, and ${splitInWords(step.split)}`
  return `${matched(step, telling)}${where}`
}

function matched({ rule, when }: RuleStep, { flag, describeRule }: Telling): string {
  const name = ruleInWords(rule, describeRule(rule, flag))
  return when === undefined ? `${name} is for everyone` : `${name} matched, as ${matchInWords(when)}`
}

/** `user-1 falls in bucket 18422, in on's range 0 to 25000 of the split by targetingKey`. */
function splitInWords({ by, unit, bucket, range }: SplitStep): string {
  if (unit === undefined) return `the context has no ${attributeInWords(by)} to split by`
  const place =
    range === undefined ? 'no range' : `${named(range.variant)}'s range ${range.from} to ${range.to}`
  return `${unitInWords(unit)} falls in bucket ${bucket}, in ${place} of the split by ${attributeInWords(by)}`
}

function fallthroughReason(step: FallthroughStep, steps: readonly Step[], telling: Telling): string {
  const rules = steps.filter((one) => one.step === 'rule')
  const passed = rules.filter((rule) => rule.matched).map((rule) => ruleReason(rule, telling))
  const others =
    passed.length === rules.length ? '' : `no ${passed.length > 0 ? 'other ' : ''}rule matched, and `
  const everyone =
    rules.length > 0 || steps.some((one) => one.step === 'targets') ? 'everyone else' : 'everyone'
  return [...firstOf(passed, MOST_RULES), others + fallthroughInWords(step, everyone)].join('; ')
}

function fallthroughInWords({ skipped, split, variant }: FallthroughStep, everyone: string): string {
  if (skipped !== undefined) return `what ${everyone} gets is not understood: ${skipped}`
  const served = variant === undefined ? 'the code default' : named(variant)
  if (split === undefined) return `${everyone} gets ${served}`
  const where = splitInWords(split)
  if (split.unit !== undefined) return where
  return variant === undefined ? where : `${where}, for which ${everyone} gets ${served}`
}

/** Rules that this server does not understand could have decided otherwise. */
function skippedRules(steps: readonly Step[], { flag, describeRule }: Telling): readonly string[] {
  const skipped = steps.flatMap((step) =>
    step.step === 'rule' && step.skipped !== undefined
      ? [`${ruleInWords(step.rule, describeRule(step.rule, flag))} was skipped: ${step.skipped}`]
      : [],
  )
  return firstOf(skipped, MOST_RULES)
}

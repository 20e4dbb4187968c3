/** Why a condition holds, from the steps that it took: the parts that made it true, with what was found. */
import type { ConditionStep } from '@halyard/sdk/core'
import { conditionInWords, operandInWords } from './conditions.ts'
import { firstOf, listed, named } from './phrases.ts'
import { unitInWords } from './targets.ts'

const MOST_PARTS = 4
const MOST_FOUND = 3

/** `plan is pro and company.size is more than 50 (it is 80)`. The step's result is true. */
export function matchInWords(step: ConditionStep): string {
  switch (step.condition) {
    case 'all':
      return step.of.length === 0 ? 'always' : firstOf(step.of.map(matchInWords), MOST_PARTS).join(' and ')
    case 'any':
      // Those before it were false, and those after it were not looked at.
      return step.of.slice(-1).map(matchInWords).join()
    case 'not':
      return conditionInWords(conditionOf(step))
    case 'segment': {
      const unit = step.unit === undefined ? '' : `${unitInWords(step.unit)} is `
      if (step.member !== undefined) return `${unit}a member of segment ${named(step.segment)}`
      return `${unit}in segment ${named(step.segment)}${step.of.map((own) => `, as ${matchInWords(own)}`).join()}`
    }
    case 'attribute': {
      const words = conditionInWords(step)
      return found(step) === undefined ? words : `${words} (it is ${found(step)})`
    }
  }
}

/** The condition that a step is of, with as much of it as was looked at. */
function conditionOf(step: ConditionStep): unknown {
  switch (step.condition) {
    case 'all':
      return { all: step.of.map(conditionOf) }
    case 'any':
      return { any: step.of.map(conditionOf) }
    case 'not':
      return { not: step.of.map(conditionOf)[0] }
    case 'segment':
      return { segment: step.segment }
    case 'attribute':
      return step
  }
}

/** What was found, where the condition does not say it already. */
function found({
  op,
  values,
  found,
}: Extract<ConditionStep, { condition: 'attribute' }>): string | undefined {
  if (op === 'exists' || found === undefined || (values.length === 1 && values[0] === found)) return undefined
  return Array.isArray(found)
    ? listed(
        found.map((one) => operandInWords(op, one)),
        'and',
        MOST_FOUND,
      )
    : operandInWords(op, found)
}

/**
 * Writes down what the evaluator did, for explanations. Apart from the evaluator, which stays short enough for the
 * engine to inline.
 */
import type { Attributes } from './attributes.ts'
import type { CompiledFlag, RunningRule } from './compiled.ts'
import type { CompiledFallthrough, CompiledPrerequisite, TargetGroup } from './flags.ts'
import type { Decision, VariantKey } from './ruleset.ts'
import { splitStep } from './splits.ts'
import type { ConditionStep, Step } from './steps.ts'

/** What is known of a flag before the context is looked at. */
export function begin({ killed, error, linked }: CompiledFlag, trace: Step[]): void {
  trace.push({ step: 'kill', killed })
  if (error !== undefined) trace.push({ step: 'compile', error })
  else if (linked.kind === 'whole') trace.push({ step: 'enabled', enabled: linked.body.enabled })
}

export function prerequisiteStep(
  { flag, variants }: CompiledPrerequisite,
  satisfied: boolean,
  decision: Decision,
  steps: readonly Step[] | null,
): Step {
  return { step: 'prerequisite', flag, variants: [...variants], satisfied, decision, ...(steps && { steps }) }
}

export function targetsStep(
  { by }: TargetGroup,
  unit: string | undefined,
  decision: Decision | undefined,
): Step {
  return { step: 'targets', by, ...(unit !== undefined && { unit }), ...served(decision) }
}

export function ruleStep(
  { about: { id, skipped }, split }: RunningRule,
  attributes: Attributes,
  matched: boolean,
  conditions: readonly ConditionStep[] | null,
  decision: Decision | null,
): Step {
  return {
    step: 'rule',
    rule: id,
    ...(skipped !== undefined && { skipped }),
    ...(conditions?.[0] && { when: conditions[0] }),
    matched,
    ...(matched && split !== null && { split: splitStep(split, attributes) }),
    ...served(decision),
  }
}

export function fallthroughStep(
  { skipped, split }: CompiledFallthrough,
  attributes: Attributes,
  decision: Decision,
): Step {
  return {
    step: 'fallthrough',
    ...(skipped !== undefined && { skipped }),
    ...(split !== null && { split: splitStep(split, attributes) }),
    ...served(decision),
  }
}

function served(decision: Decision | undefined | null): { readonly variant?: VariantKey } {
  return decision?.variant === undefined ? {} : { variant: decision.variant }
}

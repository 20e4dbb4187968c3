/**
 * Why a flag answers what it answers: the evaluator's own steps, recorded as it takes them.
 */
import type { Compiled } from './compiled.ts'
import { answer } from './evaluate.ts'
import type { Context, Decision, FlagKey } from './ruleset.ts'
import type { Step } from './steps.ts'

/** `steps` end where the decision was made; there are none for an unknown flag. */
export type Explanation = { readonly decision: Decision; readonly steps: readonly Step[] }

/**
 * Evaluates as `evaluate` does, and tells every step. Values that were found stand in the steps as they are in the
 * context.
 */
export function explain(compiled: Compiled, key: FlagKey, context: Context, now: number): Explanation {
  const steps: Step[] = []
  const decision = answer(compiled, key, context, now, steps)
  return { decision, steps }
}

/** Every step of one evaluation. (In the making: signatures first.) */
import type { Compiled } from './compiled.ts'
import { evaluate } from './evaluate.ts'
import type { Context, Decision, FlagKey } from './ruleset.ts'

export type Step = { readonly step: string }
export type Explanation = { readonly decision: Decision; readonly steps: readonly Step[] }

export function explain(compiled: Compiled, key: FlagKey, context: Context, now: number): Explanation {
  return { decision: evaluate(compiled, key, context, now), steps: [] }
}

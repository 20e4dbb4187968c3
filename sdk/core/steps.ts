/**
 * What an explanation is made of: the steps of one evaluation, in the order in which they were taken. Conditions
 * that did not have to be looked at are not there.
 */
import type { AttributePath, Decision, FlagKey, Json, Range, SegmentKey, VariantKey } from './ruleset.ts'

export type Step =
  | { readonly step: 'kill'; readonly killed: boolean }
  | { readonly step: 'compile'; readonly error: string }
  | { readonly step: 'enabled'; readonly enabled: boolean }
  | PrerequisiteStep
  | TargetsStep
  | RuleStep
  | FallthroughStep

export type PrerequisiteStep = {
  readonly step: 'prerequisite'
  readonly flag: FlagKey
  readonly variants: readonly VariantKey[]
  readonly satisfied: boolean
  readonly decision: Decision
  /** How the required flag came to its decision; absent in long chains, where it is explained by itself. */
  readonly steps?: readonly Step[]
}

/** Consecutive individual targets by one attribute. `variant` where the unit is listed. */
export type TargetsStep = {
  readonly step: 'targets'
  readonly by: AttributePath
  readonly unit?: string
  readonly variant?: VariantKey
}

export type RuleStep = {
  readonly step: 'rule'
  readonly rule: string
  /** Why the rule was skipped: this process does not understand it. */
  readonly skipped?: string
  /** Absent for a rule without a condition. */
  readonly when?: ConditionStep
  readonly matched: boolean
  readonly split?: SplitStep
  /** What the rule serves; a rule that matched and serves none was left for the next. */
  readonly variant?: VariantKey
}

export type FallthroughStep = {
  readonly step: 'fallthrough'
  readonly skipped?: string
  readonly split?: SplitStep
  readonly variant?: VariantKey
}

export type SplitStep = {
  readonly by: AttributePath
  readonly salt: string
  /** Absent where the context has no unit. */
  readonly unit?: string
  readonly bucket?: number
  /** The range that holds the bucket. */
  readonly range?: Range
}

export type ConditionStep =
  | { readonly condition: 'all' | 'any'; readonly of: readonly ConditionStep[]; readonly result: boolean }
  | { readonly condition: 'not'; readonly of: readonly ConditionStep[]; readonly result: boolean }
  | {
      readonly condition: 'segment'
      readonly segment: SegmentKey
      readonly by: AttributePath
      readonly unit?: string
      /** The list that the unit is in. */
      readonly member?: 'included' | 'excluded'
      /** The segment's own condition, where it was asked. */
      readonly of: readonly ConditionStep[]
      readonly result: boolean
    }
  | {
      readonly condition: 'attribute'
      readonly attribute: AttributePath
      readonly op: string
      readonly values: readonly Json[]
      readonly ignoreCase?: true
      /** As found in the context; absent where it is missing. */
      readonly found?: unknown
      readonly result: boolean
    }

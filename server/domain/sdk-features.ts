/**
 * Which version of an SDK understands what a rule may be made of, in one table. An SDK skips a rule with a part that
 * its version does not know, so whatever is added to conditions, serves and splits gets its row here: without one,
 * this does not compile.
 */
import type { Condition, Operator, Range, Serve, Split } from '@halyard/sdk/core'

type FieldOf<T> = T extends unknown ? keyof T & string : never

/** An operator, or a field of what an SDK reads strictly: in all else it ignores what it does not know. */
export type Feature =
  | `operator.${Operator}`
  | `condition.${FieldOf<Condition>}`
  | `serve.${FieldOf<Serve>}`
  | `split.${FieldOf<Split>}`
  | `range.${FieldOf<Range>}`

/** By an SDK's name (`node` in `Halyard-SDK: node/1.2.3`), the first of its versions that understands each feature. */
export type SdkFeatures = Readonly<Record<string, Readonly<Record<string, string>>>>

const node: Readonly<Record<Feature, string>> = {
  'operator.in': '0.1.0',
  'operator.notIn': '0.1.0',
  'operator.startsWith': '0.1.0',
  'operator.endsWith': '0.1.0',
  'operator.contains': '0.1.0',
  'operator.matches': '0.1.0',
  'operator.lt': '0.1.0',
  'operator.lte': '0.1.0',
  'operator.gt': '0.1.0',
  'operator.gte': '0.1.0',
  'operator.before': '0.1.0',
  'operator.after': '0.1.0',
  'operator.semverEq': '0.1.0',
  'operator.semverLt': '0.1.0',
  'operator.semverLte': '0.1.0',
  'operator.semverGt': '0.1.0',
  'operator.semverGte': '0.1.0',
  'operator.cidr': '0.1.0',
  'operator.exists': '0.1.0',
  'condition.all': '0.1.0',
  'condition.any': '0.1.0',
  'condition.not': '0.1.0',
  'condition.segment': '0.1.0',
  'condition.attribute': '0.1.0',
  'condition.op': '0.1.0',
  'condition.values': '0.1.0',
  'condition.ignoreCase': '0.1.0',
  'serve.variant': '0.1.0',
  'serve.split': '0.1.0',
  'split.by': '0.1.0',
  'split.salt': '0.1.0',
  'split.shares': '0.1.0',
  'split.ranges': '0.1.0',
  'split.missing': '0.1.0',
  'range.variant': '0.1.0',
  'range.from': '0.1.0',
  'range.to': '0.1.0',
}

export const SDK_FEATURES: SdkFeatures = { node }

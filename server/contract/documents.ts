/**
 * The shape of every document that the model names: flags' configurations, rules, conditions, segments. Shape
 * alone is decided here (types, required and unknown fields); what a document may *say* is decided by the domain.
 */
import type { Condition as ConditionType, Json as JsonType } from '@halyard/sdk/core'
import { z } from 'zod'
import type { ConditionInput as ConditionInputType } from '../domain/inputs.ts'

/** Any JSON value. What reaches a schema was made by JSON.parse, so it only has to be there. */
export const Json: z.ZodType<JsonType> = z
  .custom<JsonType>((value) => value !== undefined, 'a value is needed')
  .describe('Any JSON value')

export const JsonObject = z.record(z.string(), Json)

export const Key = z.string().meta({
  description:
    'Letters, digits, dots, dashes and underscores; a letter or digit first; 128 characters at most',
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
  examples: ['checkout'],
})
export const Instant = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC' })

export const FlagType = z.enum(['boolean', 'string', 'number', 'object'])
export const Visibility = z.enum(['server', 'client']).meta({
  description: 'May a browser’s key see this flag? Without it: server',
})
/** A unit as people write it: bucketing takes non-empty strings and finite numbers. */
export const Unit = z.union([z.string(), z.number()])
export const Scalar = z.union([z.string(), z.number(), z.boolean()])

export const OPERATORS = [
  'in',
  'notIn',
  'startsWith',
  'endsWith',
  'contains',
  'matches',
  'lt',
  'lte',
  'gt',
  'gte',
  'before',
  'after',
  'semverEq',
  'semverLt',
  'semverLte',
  'semverGt',
  'semverGte',
  'cidr',
  'exists',
] as const

/** A condition's forms, all but the test of an attribute. */
function conditionOf<T, A extends z.ZodType>(self: z.ZodType<T>, test: A) {
  return z.union([
    z.strictObject({ all: z.array(self) }),
    z.strictObject({ any: z.array(self) }),
    z.strictObject({ not: self }),
    z.strictObject({ segment: z.string() }),
    test,
  ])
}
const attribute = z
  .string()
  .meta({ description: '`targetingKey`, an attribute, a dotted path, or `$now`', examples: ['plan'] })
const values = z.array(Scalar).meta({ description: 'The condition holds when any of these matches' })

/** A test of the context: plain logic over segments and attributes. */
export const Condition: z.ZodType<ConditionType> = z.lazy(() =>
  conditionOf(
    Condition,
    z.strictObject({ attribute, op: z.enum(OPERATORS), values, ignoreCase: z.literal(true).exactOptional() }),
  ),
)
export const ConditionInput: z.ZodType<ConditionInputType> = z.lazy(() =>
  conditionOf(
    ConditionInput,
    z.strictObject({
      attribute,
      op: z.string().meta({ enum: OPERATORS }),
      values: values.optional().meta({ description: '`exists` takes none' }),
      ignoreCase: z.boolean().optional(),
    }),
  ),
)

export const Share = z.strictObject({
  variant: Key,
  percent: z.number().meta({ description: 'Percent of the units, with three decimals' }),
})
export const Range = z.strictObject({ variant: Key, from: z.int(), to: z.int() }).meta({
  description: 'A half-open interval of buckets over [0, 100000)',
})

const by = z.string().meta({ description: 'The attribute whose value is the unit. Without it: targetingKey' })

export const Split = z.strictObject({
  by,
  salt: z.string(),
  shares: z.array(Share),
  ranges: z.array(Range).meta({ readOnly: true }),
  missing: Key.exactOptional(),
})
export const SplitInput = z.strictObject({
  by: by.optional(),
  salt: z
    .string()
    .meta({ description: 'A shared salt keeps cohorts together across flags. Without it: the flag’s key' })
    .optional(),
  shares: z.array(Share),
  ranges: z
    .array(Range)
    .meta({ description: 'Read-only: made from the shares; kept as given with ?ranges=keep' })
    .optional(),
  missing: Key.meta({
    description: 'In a fallthrough: the variant for a context without the unit',
  }).optional(),
})

const serveVariant = z.strictObject({ variant: Key })
export const Serve = z.union([serveVariant, z.strictObject({ split: Split })])
export const ServeInput = z.union([serveVariant, z.strictObject({ split: SplitInput })])

const ruleId = z.string().meta({ description: 'Made where it is left out; a rule keeps its users by its id' })
export const Rule = z.strictObject({
  id: ruleId,
  description: z.string().exactOptional(),
  when: Condition.exactOptional(),
  serve: Serve,
})
export const RuleInput = z.strictObject({
  id: ruleId.optional(),
  description: z.string().optional(),
  when: ConditionInput.meta({ description: 'Without it: every context' }).optional(),
  serve: ServeInput,
})

export const Target = z.strictObject({ variant: Key, by, units: z.array(z.string()) })
export const TargetInput = z.strictObject({
  variant: Key,
  by: by.optional(),
  units: z.array(Unit),
})

export const Prerequisite = z.strictObject({ flag: Key, variants: z.array(Key) })
export const Variants = z.record(z.string(), Json).meta({ examples: [{ on: true, off: false }] })
const offVariant = Key.nullable().meta({
  description: 'What a flag gives that is off; null: the app’s code default',
})
const valueSchema = JsonObject.meta({ description: 'JSON Schema (2020-12) for the values of an object flag' })

export const FlagConfig = z.strictObject({
  type: FlagType,
  enabled: z.boolean(),
  visibility: Visibility,
  variants: Variants,
  offVariant,
  prerequisites: z.array(Prerequisite),
  targets: z.array(Target),
  rules: z.array(Rule).meta({ description: 'The first that matches decides' }),
  fallthrough: Serve.nullable().meta({ description: 'null: the app’s code default' }),
  valueSchema: valueSchema.exactOptional(),
})

export const ConfigurationInput = z.strictObject({
  type: FlagType.meta({ description: 'May be left out; must agree with the flag' }).optional(),
  enabled: z.boolean().optional(),
  visibility: Visibility.optional(),
  variants: Variants,
  offVariant: offVariant.optional(),
  prerequisites: z.array(Prerequisite).optional(),
  targets: z.array(TargetInput).optional(),
  rules: z.array(RuleInput).optional(),
  fallthrough: ServeInput.nullable().optional(),
  valueSchema: valueSchema.optional(),
})

export const Segment = z.strictObject({
  by,
  ignoreCase: z.literal(true).exactOptional(),
  when: Condition.nullable(),
})
export const SegmentInput = z.strictObject({
  by: by.optional(),
  ignoreCase: z.boolean().meta({ description: 'Units compare by simple case folding' }).optional(),
  when: ConditionInput.nullable()
    .meta({ description: 'Who belongs besides the members; null: nobody' })
    .optional(),
})

const ownKill = {
  id: z.string(),
  by: z.string(),
  at: Instant,
  comment: z.string().exactOptional(),
}
export const Kill = z.strictObject({
  ...ownKill,
  also: z
    .array(z.strictObject(ownKill))
    .meta({
      description: 'Kills that were accepted elsewhere while the database was away: they end with this one',
    })
    .exactOptional(),
})

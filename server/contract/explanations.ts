/** Explanations: what a flag gave a context, every step that led there, and the same from two points of view. */
import type {
  ConditionStep as ConditionStepType,
  Decision as DecisionType,
  Step as StepType,
} from '@halyard/sdk/core'
import { z } from 'zod'
import { Instant, Json, JsonObject, Key, Range } from './documents.ts'
import { RedactedDocuments } from './histories.ts'

// --- what was decided

const metadata = z.strictObject({
  version: z.int().meta({ description: 'The revision that wrote the flag' }).exactOptional(),
  killed: z.literal(true).exactOptional(),
  rule: z
    .string()
    .meta({ description: 'The rule that decided; `$targets` for individual targets' })
    .exactOptional(),
  prerequisite: Key.meta({ description: 'The prerequisite that is not satisfied' }).exactOptional(),
})
const decided = z.strictObject({
  value: Json,
  variant: Key,
  reason: z.enum(['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT', 'DISABLED']),
  metadata,
})
const undecided = z.strictObject({ reason: z.enum(['DEFAULT', 'DISABLED']), metadata })
const failed = z.strictObject({
  reason: z.literal('ERROR'),
  errorCode: z.enum(['FLAG_NOT_FOUND', 'PARSE_ERROR', 'TARGETING_KEY_MISSING', 'GENERAL']),
  errorDetails: z.string(),
  metadata,
})
export const Decision: z.ZodType<DecisionType> = z
  .union([decided, undecided, failed])
  .meta({ description: 'As apps get it. Without value and variant: the app’s code default' })

// --- the steps that led there

const attribute = z.string()
const unit = z.string().meta({ description: 'Absent: the context has none' }).exactOptional()
const served = Key.meta({ description: 'Absent where nothing is served' }).exactOptional()

export const ConditionStep: z.ZodType<ConditionStepType> = z.lazy(() =>
  z.union([
    z.strictObject({
      condition: z.enum(['all', 'any']),
      of: z.array(ConditionStep).meta({ description: 'Those that had to be looked at' }),
      result: z.boolean(),
    }),
    z.strictObject({ condition: z.literal('not'), of: z.array(ConditionStep), result: z.boolean() }),
    z.strictObject({
      condition: z.literal('segment'),
      segment: Key,
      by: attribute,
      unit,
      member: z
        .enum(['included', 'excluded'])
        .meta({ description: 'The list that the unit is in' })
        .exactOptional(),
      of: z.array(ConditionStep).meta({ description: 'The segment’s own condition, where it was asked' }),
      result: z.boolean(),
    }),
    z.strictObject({
      condition: z.literal('attribute'),
      attribute,
      op: z.string(),
      values: z.array(Json),
      ignoreCase: z.literal(true).exactOptional(),
      found: z
        .unknown()
        .meta({ description: 'As found in the context; absent where it is missing' })
        .exactOptional(),
      result: z.boolean(),
    }),
  ]),
)

export const SplitStep = z.strictObject({
  by: attribute,
  salt: z.string(),
  unit,
  bucket: z.int().meta({ description: '0 to 99,999' }).exactOptional(),
  range: Range.meta({
    description: 'The range that holds the bucket; absent where none does',
  }).exactOptional(),
})

const skipped = z
  .string()
  .meta({
    description: 'Why the server does not evaluate it: an unknown operator, a segment that is not there',
  })
  .exactOptional()

/** One step of an evaluation. What came after the step that decided was not looked at, and is not here. */
export const Step: z.ZodType<StepType> = z.lazy(() =>
  z.union([
    z.strictObject({ step: z.literal('kill'), killed: z.boolean() }),
    z.strictObject({
      step: z.literal('compile'),
      error: z.string().meta({ description: 'Why the flag cannot be evaluated' }),
    }),
    z.strictObject({ step: z.literal('enabled'), enabled: z.boolean() }),
    z.strictObject({
      step: z.literal('prerequisite'),
      flag: Key,
      variants: z.array(Key).meta({ description: 'That satisfy it' }),
      satisfied: z.boolean(),
      decision: Decision,
      steps: z
        .array(Step)
        .meta({
          description:
            'How the required flag came to its decision. Absent in a long chain or a wide net of prerequisites: explain that flag by itself',
        })
        .exactOptional(),
    }),
    z.strictObject({ step: z.literal('targets'), by: attribute, unit, variant: served }),
    z.strictObject({
      step: z.literal('rule'),
      rule: z.string(),
      skipped,
      when: ConditionStep.meta({ description: 'Absent for a rule without a condition' }).exactOptional(),
      matched: z.boolean(),
      split: SplitStep.exactOptional(),
      variant: served,
    }),
    z.strictObject({
      step: z.literal('fallthrough'),
      skipped,
      split: SplitStep.exactOptional(),
      variant: served,
    }),
  ]),
)

// --- questions and answers

/** A state of an environment, as a body names it. */
export const At = z.union([z.int(), z.string()]).meta({
  description: 'A revision, or a time (RFC 3339). Without it: now',
  examples: [801, '2027-01-31T14:03:00Z'],
})

const context = JsonObject.meta({
  description: 'As apps evaluate for it: 16 KiB, depth 8 and 256 attributes at most',
})

export const ExplainBody = z.strictObject({
  flag: Key.optional().meta({ description: 'Without it: every flag, page by page' }),
  context,
  at: At.optional(),
})

/** Which state was asked, and when it was asked as. */
const standpoint = {
  environment: Key,
  epoch: z.int(),
  revision: z.int().meta({ description: 'Of the environment' }),
  at: Instant.meta({ description: 'The time that the evaluation took as now' }),
  redacted: RedactedDocuments.exactOptional(),
}
const because = z.string().meta({ description: 'Why, in a sentence' })
const steps = z.array(Step).meta({ description: 'In the order in which they were taken' })

export const FlagExplained = z.strictObject({ flag: Key, ...standpoint, decision: Decision, because, steps })
export const FlagsExplained = z.strictObject({
  ...standpoint,
  items: z.array(z.strictObject({ flag: Key, decision: Decision, because, steps: steps.exactOptional() })),
  cursor: z
    .string()
    .nullable()
    .meta({ description: 'Give it back for the next page; null: this was the last' }),
})

const Side = z.strictObject({ environment: Key, at: At.optional() })
export const CompareBody = z.strictObject({
  context,
  from: Side,
  to: Side,
  flags: z.array(Key).max(1_000).meta({ description: 'Without it: every flag of either side' }).optional(),
})
const ComparedSide = z.strictObject({ decision: Decision, because })
export const Compared = z.strictObject({
  from: z.strictObject(standpoint),
  to: z.strictObject(standpoint),
  same: z.int().meta({ description: 'Flags that give the context the same on both sides' }),
  different: z.int().meta({ description: 'Flags that give it another variant, value or error' }),
  items: z
    .array(z.strictObject({ flag: Key, from: ComparedSide, to: ComparedSide }))
    .meta({ description: 'Those that are different, sorted by key' }),
  cursor: FlagsExplained.shape.cursor,
})

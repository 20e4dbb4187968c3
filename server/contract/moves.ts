/** Reverts and promotions: what they take, and what they answer of each document. */
import { z } from 'zod'
import { Instant, Key } from './documents.ts'
import { ActionBody, DiffLine, outcome, Words } from './resources.ts'

const { comment } = ActionBody.shape

export const MovedDocument = z.strictObject({
  kind: z.enum(['flag', 'segment', 'members']),
  key: Key.meta({ description: 'Of members: their segment’s' }),
  change: z.enum(['created', 'updated', 'deleted', 'unchanged']),
  summary: Words,
  diff: z.array(DiffLine).meta({ description: 'The first 1,000 lines. Members are counted in the summary' }),
  leftOff: z.int().meta({ description: 'How many more lines the diff has' }).exactOptional(),
})

export const RevertBody = z.strictObject({
  toRevision: z
    .union([z.int(), z.string()])
    .meta({ description: 'A revision, or a time (RFC 3339): the state at that time' }),
  flags: z.array(Key).meta({ description: 'These flags alone' }).optional(),
  segments: z.array(Key).meta({ description: 'These segments alone, with their members' }).optional(),
  comment,
})
export const Reverted = z.strictObject({
  toRevision: z.int().meta({ description: 'The revision that it went back to' }),
  toTime: Instant.meta({ description: 'When that revision was made' }),
  items: z
    .array(MovedDocument)
    .meta({ description: 'What was named, changed or not; with nothing named, what changes' }),
  ...outcome,
})

export const PromotionBody = z.strictObject({
  from: Key.meta({ description: 'The environment that the flags come from' }),
  to: Key.meta({ description: 'The environment that is written' }),
  flags: z.array(Key),
  parts: z
    .array(
      z.enum(['variants', 'prerequisites', 'rules', 'targets', 'fallthrough', 'enabled', 'shares']).meta({
        description:
          '`variants`: with off variant, visibility and value schema. `shares`: those of rules that the target has already',
      }),
    )
    .meta({ description: 'Without it: variants, prerequisites, rules, fallthrough' })
    .optional(),
  segments: z
    .enum(['when', 'members', 'none'])
    .meta({
      description:
        'What travels of the segments that the rules name: their conditions (without it), their members too, or nothing',
    })
    .optional(),
  plan: z
    .string()
    .meta({ description: 'As a dry run answered it: then it is that change, or a refusal' })
    .optional(),
  comment,
})
export const Promoted = z.strictObject({
  items: z
    .array(MovedDocument)
    .meta({ description: 'The flags that were named, and what travels with them' }),
  plan: z
    .string()
    .meta({ description: 'With dryRun: give it back to have this very change, or none' })
    .exactOptional(),
  ...outcome,
})

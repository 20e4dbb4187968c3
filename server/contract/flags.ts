/** Flags, as a project has them and as an environment configures them: as they are shown and taken. */
import { z } from 'zod'
import {
  ConfigurationInput,
  FlagConfig,
  FlagType,
  Instant,
  JsonObject,
  Key,
  Kill,
  Prerequisite,
  RuleInput,
  ServeInput,
  TargetInput,
  Variants,
  Visibility,
} from './documents.ts'
import { ignored, puttable, STAMPS, stamp } from './resources.ts'

export const Stale = z
  .discriminatedUnion('why', [
    z.strictObject({
      why: z.literal('expired'),
      since: Instant,
      evidence: z.strictObject({ expiresAt: Instant }),
    }),
    z.strictObject({
      why: z.literal('unread'),
      since: Instant,
      evidence: z.strictObject({
        lastEvaluatedAt: Instant.nullable(),
        watchedSince: Instant.meta({ description: 'For how long apps have told what they read' }),
      }),
    }),
    z.strictObject({
      why: z.literal('one-variant'),
      since: Instant,
      evidence: z.strictObject({ variant: Key.nullable(), lastEvaluatedAt: Instant }),
    }),
  ])
  .meta({ description: 'Why nobody needs the flag any more, as far as apps tell what they read' })
/** What an item of a list shows besides its document. */
export const staleness = {
  stale: Stale.nullable().optional(),
  staleIncomplete: z
    .literal(true)
    .meta({ description: 'The database did not answer: what apps read is not known here' })
    .optional(),
}

const LISTED = ['stale', 'staleIncomplete'] as const

const identity = {
  description: z.string(),
  tags: z.array(z.string()),
  owner: z.string().nullable(),
  temporary: z.boolean(),
  expiresAt: Instant,
}
export const Flag = z.strictObject({
  key: Key,
  type: FlagType,
  description: identity.description,
  tags: identity.tags,
  owner: identity.owner,
  temporary: identity.temporary,
  expiresAt: identity.expiresAt.exactOptional(),
  initial: FlagConfig.meta({ description: 'What a new environment starts with' }),
  archived: z.strictObject({ at: Instant, by: z.string() }).nullable(),
  ...stamp,
})
export const FlagInput = z.strictObject({
  key: Key,
  type: FlagType,
  description: identity.description.optional(),
  tags: identity.tags.optional(),
  owner: identity.owner.optional(),
  temporary: identity.temporary.optional(),
  expiresAt: identity.expiresAt.nullable().optional(),
  variants: Variants.optional(),
  offVariant: Key.nullable().optional(),
  fallthrough: ServeInput.nullable().optional(),
  visibility: Visibility.optional(),
  valueSchema: JsonObject.optional(),
})
export const FlagPatch = puttable(
  z.strictObject({
    type: FlagType.optional(),
    description: identity.description.nullable().optional(),
    tags: identity.tags.nullable().optional(),
    owner: identity.owner.optional(),
    temporary: identity.temporary.nullable().optional(),
    expiresAt: identity.expiresAt.nullable().optional(),
  }),
  ['key', 'archived', ...LISTED, ...STAMPS],
).extend(ignored(['initial']))

// --- configurations

export const Configuration = z.strictObject({
  key: Key,
  ...FlagConfig.shape,
  kill: Kill.nullable().meta({ readOnly: true }),
  ...stamp,
})
/** What a key sees whose role is killer alone. */
export const KillState = z.strictObject({ key: Key, kill: Kill.nullable() })

export const ConfigurationBody = puttable(ConfigurationInput, ['key', 'kill', ...LISTED, ...STAMPS])
export const ConfigurationPatch = puttable(
  z.strictObject({
    type: FlagType.optional(),
    enabled: z.boolean().nullable().optional(),
    visibility: Visibility.nullable().optional(),
    variants: JsonObject.meta({ description: 'null removes a variant' }).optional(),
    offVariant: Key.nullable().optional(),
    prerequisites: z.array(Prerequisite).nullable().optional(),
    targets: z.array(TargetInput).nullable().optional(),
    rules: z.array(RuleInput).nullable().optional(),
    fallthrough: JsonObject.nullable().optional(),
    valueSchema: JsonObject.nullable().optional(),
  }),
  ['key', 'kill', ...LISTED, ...STAMPS],
)
export const TargetsBody = z.strictObject({
  by: TargetInput.shape.by,
  units: TargetInput.shape.units,
})
export const FallthroughBody = ServeInput.nullable()
export const RuleBody = RuleInput.extend({
  before: z.string().meta({ description: 'The id of the rule that comes next' }).optional(),
  after: z.string().meta({ description: 'The id of the rule that comes first' }).optional(),
})
export const RulePatch = z.strictObject({
  id: z.string().meta({ description: 'Must be the rule’s own' }).optional(),
  description: z.string().nullable().optional(),
  when: JsonObject.nullable().optional(),
  serve: JsonObject.optional(),
})

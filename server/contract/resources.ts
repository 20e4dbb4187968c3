/**
 * What the management API shows and takes: the model's documents with the fields that only reading has, and the
 * bodies of writes, where those fields are accepted and left out, so that a body that was read can be put back.
 */
import { z } from 'zod'
import { READ_ONLY_FIELDS } from '../domain/read-only.ts'
import {
  ConfigurationInput,
  FlagConfig,
  FlagType,
  Instant,
  Json,
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

export const Actor = z.strictObject({
  kind: z.enum(['api-key', 'sdk-key', 'system']),
  id: z.string(),
  name: z.string(),
})

export const Warning = z.strictObject({
  code: z
    .enum([
      'serves-only-off',
      'not-matches-missing',
      'users-may-move',
      'unit-often-missing',
      'skipped-by-connected-sdks',
      'grant-names-unknown',
      'not-reverted',
      'members-not-promoted',
      'other-flags-affected',
    ])
    .meta({
      description:
        '`not-reverted`: flags that are archived or deleted by now stayed away. `members-not-promoted`: a segment came along, new and without its members. `other-flags-affected`: a segment that came along decides about flags that did not',
    }),
  pointer: z.string().exactOptional(),
  message: z.string(),
  share: z.number().meta({ description: 'users-may-move: the share of users, 0 to 1' }).exactOptional(),
})

/** Where and when a document was last changed. */
export const stamp = {
  epoch: z.int().meta({ readOnly: true }),
  revision: z.int().meta({ readOnly: true, description: 'Of the document’s last change' }),
  changedAt: Instant.meta({ readOnly: true }),
  changedBy: Actor.meta({ readOnly: true }),
}

/** What `DiffLine` of the domain says, which see. */
export const DiffLine = z
  .strictObject({
    pointer: z.string().meta({ description: 'Into the document after; where there is no after, before' }),
    from: z
      .string()
      .meta({ description: 'Where in the document before the element stood that moved here' })
      .exactOptional(),
    before: Json.meta({ description: 'Absent: it was added' }).exactOptional(),
    after: Json.meta({ description: 'Absent: it was removed' }).exactOptional(),
  })
  .meta({ description: 'One place at which two documents differ; JSON Pointers (RFC 6901)' })

export const Words = z.array(z.string()).meta({
  description: 'What changes, in words',
  examples: [['raised on from 10 % to 25 % in rule r2']],
})

const EntryDiff = z.strictObject({
  kind: z.string(),
  key: z.string().meta({ description: 'Of members: their segment’s' }),
  environment: z.string().meta({ description: 'Where it is a document of an environment' }).exactOptional(),
  summary: Words,
  before: Json.meta({ description: 'Members are counted. null: created' }),
  after: Json.meta({ description: 'null: removed' }),
  diff: z.array(DiffLine),
  leftOff: z.int().meta({ description: 'How many more lines the diff has' }).exactOptional(),
})

/** What every write answers besides its document. */
export const outcome = {
  epoch: z.int(),
  revision: z.int(),
  warnings: z.array(Warning),
  dryRun: z.literal(true).meta({ description: 'Nothing was changed' }).exactOptional(),
  diff: z.array(EntryDiff).meta({ description: 'With dryRun: what would change' }).exactOptional(),
}

/** A document as a write answers it. */
export function written<T extends z.ZodRawShape>(document: z.ZodObject<T>) {
  return document.extend(outcome)
}

export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    items: z.array(item),
    cursor: z
      .string()
      .nullable()
      .meta({ description: 'Give it back for the next page; null: this was the last' }),
  })
}

const shown = Json.meta({ readOnly: true, description: 'Read-only: accepted and ignored' }).optional()

/** A body that may hold what its GET shows. */
export function puttable<
  T extends z.ZodRawShape,
  const Names extends readonly (typeof READ_ONLY_FIELDS)[number][],
>(body: z.ZodObject<T>, names: Names) {
  const ignored = Object.fromEntries(names.map((name) => [name, shown])) as {
    [N in Names[number]]: typeof shown
  }
  return body.extend(ignored)
}

const LISTED = ['stale', 'staleIncomplete'] as const
export const STAMPS = ['epoch', 'revision', 'changedAt', 'changedBy', 'warnings', 'dryRun', 'diff'] as const

// --- projects and environments

/** What people call it. */
export const Name = z.string().meta({ description: 'For people', examples: ['Web shop'] })

export const Project = z.strictObject({ key: Key, name: Name, ...stamp })
export const ProjectInput = z.strictObject({ key: Key, name: Name.optional() })
export const ProjectPatch = puttable(z.strictObject({ name: Name.optional() }), ['key', ...STAMPS])

export const Settings = z.strictObject({
  corsOrigins: z.array(z.string()).meta({
    description: 'Origins whose pages may evaluate here with a client key; `http://localhost:*` is any port',
  }),
  requireComment: z.boolean().meta({ description: 'Writes need a Halyard-Comment' }),
  confirmBulk: z.boolean(),
})
const SettingsInput = z.strictObject({
  corsOrigins: Settings.shape.corsOrigins.optional(),
  requireComment: Settings.shape.requireComment.optional(),
  confirmBulk: Settings.shape.confirmBulk.optional(),
})
export const Environment = z.strictObject({ key: Key, name: Name, settings: Settings, ...stamp })
export const EnvironmentInput = z.strictObject({
  key: Key,
  name: Name.optional(),
  from: Key.meta({ description: 'Copies this environment’s configurations and segments' }).optional(),
  settings: SettingsInput.optional(),
})
export const EnvironmentPatch = puttable(
  z.strictObject({ name: Name.optional(), settings: SettingsInput.optional() }),
  ['key', ...STAMPS],
)

// --- flags

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
).extend({ initial: shown })

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

/** What an action may carry: why. */
export const ActionBody = z.strictObject({
  comment: z.string().max(2_000).meta({ description: 'As the header Halyard-Comment' }).optional(),
})
/** What deleting answers. */
export const Deleted = z.strictObject({ key: z.string(), deleted: z.literal(true), ...outcome })

/** A body without the fields that only reading shows. */
export function withoutReadOnly<T extends object>(body: T): Omit<T, (typeof READ_ONLY_FIELDS)[number]> {
  const names: readonly string[] = READ_ONLY_FIELDS
  return Object.fromEntries(Object.entries(body).filter(([field]) => !names.includes(field))) as Omit<
    T,
    (typeof READ_ONLY_FIELDS)[number]
  >
}

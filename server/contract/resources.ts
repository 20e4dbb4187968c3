/**
 * What all that the management API shows and takes has in common: stamps, outcomes, pages, and the fields that only
 * reading has, which the bodies of writes accept and leave out, so that a body that was read can be put back.
 */
import { z } from 'zod'
import { READ_ONLY_FIELDS } from '../domain/read-only.ts'
import { Instant, Json } from './documents.ts'

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

/** Fields that only its GET shows. */
export function ignored<const Names extends readonly string[]>(names: Names) {
  return Object.fromEntries(names.map((name) => [name, shown])) as { [N in Names[number]]: typeof shown }
}

/** A body that may hold what its GET shows. */
export function puttable<
  T extends z.ZodRawShape,
  const Names extends readonly (typeof READ_ONLY_FIELDS)[number][],
>(body: z.ZodObject<T>, names: Names) {
  return body.extend(ignored(names))
}

export const STAMPS = ['epoch', 'revision', 'changedAt', 'changedBy', 'warnings', 'dryRun', 'diff'] as const

/** What people call it. */
export const Name = z.string().meta({ description: 'For people', examples: ['Web shop'] })

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

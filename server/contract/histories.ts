/** The past as it is shown: change records with what they did, and whole states of an environment. */
import { z } from 'zod'
import { FlagConfig, Instant, Json, Kill, Segment } from './documents.ts'
import { Actor, DiffLine, Words } from './resources.ts'

/** The newest record of the log, against which its chain can be verified. */
const head = z.strictObject({
  log: z.string().meta({ description: 'The log’s own id' }),
  epoch: z.int(),
  revision: z.int(),
  hash: z.string().meta({ description: 'Of the newest record; empty before the first' }),
})

const counts = z.strictObject({ added: z.int(), removed: z.int() })
const units = z.strictObject({ added: z.array(z.string()), removed: z.array(z.string()) })
const listChange = z.strictObject({
  ...counts.shape,
  some: units.meta({ description: 'The first of them' }),
})
export const MembersChange = z.strictObject({ included: listChange, excluded: listChange })

const changed = {
  kind: z.string().meta({
    description:
      'In an environment: flag, segment, members, kill; in a project: identity, environment, sdk-key; else project, api-key',
  }),
  key: z.string().meta({ description: 'Of members: their segment’s' }),
  summary: Words,
  diff: z.array(DiffLine).meta({ description: 'Not of members' }).exactOptional(),
  leftOff: z.int().meta({ description: 'How many more lines the diff has' }).exactOptional(),
  members: MembersChange.exactOptional(),
  redacted: z.literal(true).meta({ description: 'A person was erased from it since' }).exactOptional(),
  dropped: z
    .literal(true)
    .meta({ description: 'Its texts were not kept when the history was compacted' })
    .exactOptional(),
  tooLarge: z.literal(true).meta({ description: 'To be shown here' }).exactOptional(),
}
const recorded = {
  revision: z.int(),
  epoch: z.int(),
  change: z.string().meta({ description: 'Shared by the records that one commit made in several logs' }),
  action: z.string().meta({ examples: ['flag.enable'] }),
  actor: Actor,
  comment: z.string().nullable(),
  at: Instant,
  hash: z.string().meta({ description: 'SHA-256 of the record, which the next one carries' }),
  previousHash: z.string(),
  summary: Words,
  documentsLeftOff: z.int().meta({ description: 'How many documents more it changed' }).exactOptional(),
}

export const ChangeItem = z.strictObject({ ...recorded, documents: z.array(z.strictObject(changed)) })
export const ChangeDocument = z.strictObject({
  ...recorded,
  documents: z.array(
    z.strictObject({
      ...changed,
      before: Json.meta({ description: 'null: it was not there' }).exactOptional(),
      after: Json.meta({ description: 'null: it was removed' }).exactOptional(),
    }),
  ),
  head,
})
export const ChangePage = z.strictObject({
  items: z.array(ChangeItem.partial()),
  cursor: z.string().nullable().meta({
    description:
      'Give it back for the next page; null: this was the last. A page may be short, even empty, and not the last',
  }),
  head,
})

export const RedactedDocuments = z.array(z.strictObject({ kind: z.string(), key: z.string() })).meta({
  description:
    'Documents from which a person was erased since, 100 at most: to that person the answer was perhaps another',
})

const lists = z.strictObject({ included: z.array(z.string()), excluded: z.array(z.string()) })
export const StateDocument = z.strictObject({
  epoch: z.int(),
  revision: z.int(),
  changedAt: Instant,
  changedBy: Actor,
  flags: z.record(z.string(), FlagConfig),
  segments: z.record(
    z.string(),
    Segment.extend({
      members: z
        .union([z.strictObject({ included: z.int(), excluded: z.int() }), lists])
        .meta({ description: 'How many there are; with members=true, who' }),
    }),
  ),
  kills: z.record(z.string(), Kill).meta({ description: 'By flag' }),
  redacted: RedactedDocuments.exactOptional(),
})

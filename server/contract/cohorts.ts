/** Segments with their members, and commits of many documents: as they are shown and taken. */
import { z } from 'zod'
import { Json, JsonObject, Key, Segment, SegmentInput, Unit } from './documents.ts'
import { ActionBody, outcome, puttable, STAMPS, stamp } from './resources.ts'

export const SegmentDocument = z.strictObject({
  key: Key,
  ...Segment.shape,
  members: z
    .strictObject({ included: z.int(), excluded: z.int() })
    .meta({ readOnly: true, description: 'How many there are' }),
  ...stamp,
})
export const SegmentBody = puttable(SegmentInput, ['key', 'members', ...STAMPS])
export const SegmentPatch = puttable(
  z.strictObject({
    by: z.string().nullable().optional(),
    ignoreCase: z.boolean().nullable().optional(),
    when: JsonObject.nullable().optional(),
  }),
  ['key', 'members', ...STAMPS],
)
export const MemberList = z.enum(['included', 'excluded'])
export const Member = z.strictObject({ unit: z.string(), list: MemberList })
const listEdit = z.strictObject({
  add: z.array(Unit).optional(),
  remove: z.array(Unit).optional(),
})
export const MembersPatch = z.strictObject({
  included: listEdit.optional(),
  excluded: listEdit.optional(),
})
export const InvalidLine = z.strictObject({ line: z.int(), message: z.string() })
export const MembersWritten = z.strictObject({
  key: Key,
  added: z.int(),
  present: z.int().meta({ description: 'Asked to add, and members before' }),
  removed: z.int(),
  absent: z.int().meta({ description: 'Asked to remove, and no members before' }),
  members: z
    .strictObject({ included: z.int(), excluded: z.int() })
    .meta({ description: 'How many there are now' }),
  invalid: z.array(InvalidLine).meta({ description: 'The first 1,000 lines that were left out, and why' }),
  invalidCount: z.int(),
  ...outcome,
})
export const MembersCheck = z.strictObject({ units: z.array(Unit).max(10_000) })
export const MembersChecked = z.strictObject({
  items: z.array(z.strictObject({ unit: z.string(), list: MemberList.nullable() })),
})
export const References = z.strictObject({
  flags: z.array(Key),
  segments: z.array(Key),
})

// --- commits

export const CommitBody = z.strictObject({
  changes: z.array(
    z.strictObject({
      op: z.enum(['put', 'delete']),
      kind: z.enum(['flag', 'segment']),
      key: Key,
      ifRevision: z.int().meta({ description: 'The document’s revision; 0: it must not exist' }).optional(),
      definition: Json.optional(),
    }),
  ),
  comment: ActionBody.shape.comment,
})
export const CommitWritten = z.strictObject({
  changes: z.array(z.strictObject({ kind: z.string(), key: Key, revision: z.int() })),
  ...outcome,
})

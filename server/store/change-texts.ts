/**
 * What the documents of change records were before and after, in one statement and within bounds: the large are left
 * off, and those that are many.
 */
import { sql } from 'drizzle-orm'
import type { LogId } from '../domain/change.ts'
import { segmentOfChunk } from '../domain/member-chunks.ts'
import type { DocumentDigest } from './chain.ts'
import { type Db, statement, value } from './database.ts'
import { definitionOf } from './read.ts'
import type { ChangedDocument, DocumentVersion, TextBounds } from './store.ts'
import { inStretches } from './stretches.ts'

type TextRow = {
  readonly number: string
  readonly fits: boolean
  /** Null where compaction removed the very version. */
  readonly afterThere: boolean | null
  readonly after: string | null
  readonly afterRedacted: boolean | null
  /** Null where there was none. */
  readonly beforeThere: boolean | null
  readonly before: string | null
  readonly beforeRedacted: boolean | null
}

const LOG = value('log', 'text')

// The length of a long text is known without reading it.
const textsOf = statement<TextRow>(
  'halyard_change_texts',
  sql`SELECT number, fits, "afterThere", CASE WHEN fits THEN after_text END AS after, "afterRedacted",
      "beforeThere", CASE WHEN fits THEN before_text END AS before, "beforeRedacted"
    FROM (
      SELECT *, together <= ${value('bytesEach', 'bigint')}
        AND sum(CASE WHEN together <= ${value('bytesEach', 'bigint')} THEN size ELSE 0 END) OVER (ORDER BY number) <= ${value('bytes', 'bigint')} AS fits
      FROM (
        SELECT *, sum(size) OVER (PARTITION BY document) AS together FROM (
          SELECT wanted.number, wanted.document, a.there AS "afterThere", a.text AS after_text, a.redacted AS "afterRedacted",
            b.there AS "beforeThere", b.text AS before_text, b.redacted AS "beforeRedacted",
            coalesce(octet_length(a.text), 0) + coalesce(octet_length(b.text), 0) AS size
          FROM unnest(${value('kinds', 'text[]')}, ${value('keys', 'text[]')}, ${value('revisions', 'bigint[]')}, ${value('documents', 'bigint[]')})
            WITH ORDINALITY AS wanted (kind, key, revision, document, number)
          LEFT JOIN LATERAL (
            SELECT text, digest IS NOT NULL AS there, redacted_digest IS NOT NULL AS redacted FROM halyard.entries
            WHERE log_id = ${LOG} AND kind = wanted.kind AND key = wanted.key AND revision = wanted.revision LIMIT 1
          ) AS a ON true
          LEFT JOIN LATERAL (
            SELECT text, digest IS NOT NULL AS there, redacted_digest IS NOT NULL AS redacted FROM halyard.entries
            WHERE log_id = ${LOG} AND kind = wanted.kind AND key = wanted.key AND revision < wanted.revision
            ORDER BY revision DESC LIMIT 1
          ) AS b ON true
        ) AS found
      ) AS grouped
    ) AS bounded ORDER BY number`,
)

type Wanted = {
  readonly kind: string
  readonly key: string
  readonly revision: number
  readonly document: number
  readonly removed: boolean
}
/** Of one record. */
export type Texts = { readonly documents: readonly ChangedDocument[]; readonly leftOff: number }

/** For each record its documents with their texts. */
export async function readTexts(
  db: Db,
  log: LogId,
  records: readonly { readonly revision: number; readonly documents: string }[],
  bounds: TextBounds | undefined,
): Promise<readonly Texts[]> {
  if (bounds === undefined) return records.map(() => ({ documents: [], leftOff: 0 }))
  let documents = 0
  const chosen = records.map((record) => {
    const groups = [...documentsIn(record.documents)]
    const wanted = groups.slice(0, bounds.documents).flatMap((group) => {
      const document = documents++
      return group.map(
        ([kind, key, digest]): Wanted => ({
          kind,
          key,
          revision: record.revision,
          document,
          removed: digest === null,
        }),
      )
    })
    return { wanted, leftOff: Math.max(0, groups.length - bounds.documents) }
  })
  const all = chosen.flatMap(({ wanted }) => wanted)
  const rows =
    all.length === 0
      ? []
      : await textsOf(db, {
          log,
          kinds: all.map(({ kind }) => kind),
          keys: all.map(({ key }) => key),
          revisions: all.map(({ revision }) => revision),
          documents: all.map(({ document }) => document),
          bytesEach: bounds.bytesEach,
          bytes: bounds.bytes,
        })
  const stretch = inStretches()
  const found = new Map<Wanted, ChangedDocument>()
  for (const [index, wanted] of all.entries()) {
    const row = rows[index]
    found.set(wanted, changed(wanted, row))
    await stretch((row?.before?.length ?? 0) + (row?.after?.length ?? 0))
  }
  return chosen.map(({ wanted, leftOff }) => ({
    documents: wanted.flatMap((one) => found.get(one) ?? []),
    leftOff,
  }))
}

/** A record's documents; members of one segment together, and last: they can be many. */
function documentsIn(documents: string): Iterable<readonly DocumentDigest[]> {
  const groups = new Map<string, DocumentDigest[]>()
  const members = new Map<string, DocumentDigest[]>()
  for (const document of JSON.parse(documents) as DocumentDigest[]) {
    const [kind, key] = document
    const of = kind === 'members' ? members : groups
    const name = kind === 'members' ? segmentOfChunk(key) : `${kind}/${key}`
    const group = of.get(name)
    if (group === undefined) of.set(name, [document])
    else group.push(document)
  }
  return [...groups.values(), ...members.values()]
}

function changed({ kind, key, removed }: Wanted, row: TextRow | undefined): ChangedDocument {
  const { fits = false } = row ?? {}
  return {
    kind,
    key,
    before: versionOf(row?.beforeThere ?? false, row?.before, row?.beforeRedacted, fits),
    after: versionOf(!removed, row?.after, row?.afterRedacted, fits),
  }
}

function versionOf(
  there: boolean,
  text: string | null | undefined,
  redacted: boolean | null | undefined,
  fits: boolean,
): DocumentVersion {
  if (!there) return { is: 'absent' }
  if (!fits) return { is: 'left-off' }
  if (text === null || text === undefined) return { is: 'dropped' }
  return { is: 'kept', definition: definitionOf(text), redacted: redacted === true }
}

/**
 * Pages of change records, newest first. Each condition that an index can find is a stream of revisions; a page goes
 * along the narrowest one and looks the rest up, and never further than a bound, so that no question scans a log.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Actor, LogId } from '../domain/change.ts'
import { type Selection, selectionOf } from './change-selection.ts'
import { readTexts, type Texts } from './change-texts.ts'
import { type Db, statement, value } from './database.ts'
import type { Changes, ChangesQuery, RecordedChange } from './store.ts'

/** Revisions that a page looks at where more than one thing is asked for. */
const MOST_LOOKED_AT = 5_000
/** Of the lists of documents that a page has: a commit of thousands of documents is a page by itself. */
const MOST_BYTES = 4 * 2 ** 20
/** Above any revision. */
const BEYOND = Number.MAX_SAFE_INTEGER

const LOG = value('log', 'text')
const time = (name: string) => sql`to_timestamp(${value(name, 'bigint')} / 1000.0)`

/** Where revisions come from: everything, or what an index finds by one condition. Rows of (number, revision). */
type Stream = 'all' | 'documents' | 'actors' | 'actions'

// `revision > 0` always holds. It names the indexes by time, actor and action, which a lookup by revision must not take.
// Times of a log never go back, so that a span of times is one of revisions.
const SPAN = sql`span AS MATERIALIZED (
  SELECT CASE WHEN ${value('since', 'bigint')} IS NULL THEN 0 ELSE coalesce((
      SELECT revision FROM halyard.changes WHERE log_id = ${LOG} AND revision > 0 AND at >= ${time('since')} ORDER BY at, revision LIMIT 1
    ), ${value('before', 'bigint')}) END AS low,
    least(${value('before', 'bigint')}, CASE WHEN ${value('until', 'bigint')} IS NULL THEN NULL ELSE coalesce((
      SELECT revision + 1 FROM halyard.changes WHERE log_id = ${LOG} AND revision > 0 AND at <= ${time('until')} ORDER BY at DESC, revision DESC LIMIT 1
    ), 0) END) AS high
)`

const newest = (
  table: SQL,
  condition: SQL,
) => sql`SELECT revision FROM ${table} WHERE log_id = ${LOG} AND revision > 0 AND ${condition}
  AND revision >= (SELECT low FROM span) AND revision < (SELECT high FROM span)
  ORDER BY revision DESC LIMIT ${value('most', 'bigint')}`

const CHANGES = sql`halyard.changes`
const FOUND: Readonly<Record<Stream, SQL>> = {
  all: sql`SELECT 1 AS number, found.revision FROM (${newest(CHANGES, sql`true`)}) AS found`,
  documents: sql`SELECT document.number, found.revision
    FROM unnest(${value('kinds', 'text[]')}, ${value('keys', 'text[]')}) WITH ORDINALITY AS document (kind, key, number)
    CROSS JOIN LATERAL (
      ${newest(sql`halyard.entries`, sql`kind = document.kind AND key = document.key`)}
    ) AS found`,
  actors: sql`SELECT actor.number, found.revision
    FROM unnest(${value('actors', 'text[]')}) WITH ORDINALITY AS actor (id, number)
    CROSS JOIN LATERAL (${newest(CHANGES, sql`actor_id = actor.id`)}) AS found`,
  actions: sql`SELECT action.number, found.revision
    FROM unnest(${value('actions', 'text[]')}) WITH ORDINALITY AS action (name, number)
    CROSS JOIN LATERAL (${newest(CHANGES, sql`action = action.name`)}) AS found`,
}

/** The stream, and the revision down to which it is whole: what lies below was not looked at. */
const streamOf = (
  stream: Stream,
) => sql`WITH ${SPAN}, stream AS MATERIALIZED (${FOUND[stream]}), whole AS MATERIALIZED (
  SELECT coalesce(max(least), 0) AS floor FROM (
    SELECT min(revision) AS least FROM stream GROUP BY number HAVING count(*) >= ${value('most', 'bigint')}
  ) AS cut
)`

type PageRow = {
  readonly headEpoch: string
  readonly headRevision: string
  readonly headHash: string
  readonly floor: string
  /** Null where no record was found. */
  readonly revision: string | null
  readonly epoch: string
  readonly change: string
  readonly actorKind: Actor['kind']
  readonly actorId: string
  readonly actorName: string
  readonly action: string
  readonly comment: string | null
  readonly at: string
  readonly hash: string
  readonly previousHash: string
  /** Null where the records above it fill the page. */
  readonly documents: string | null
}

const either = (name: string, test: SQL) => sql`(${value(name, 'text[]')} IS NULL OR ${test})`

const pageOf = (stream: Stream) =>
  statement<PageRow>(
    `halyard_changes_of_${stream}`,
    sql`${streamOf(stream)}
    SELECT l.epoch AS "headEpoch", l.revision AS "headRevision", l.head_hash AS "headHash", whole.floor, record.*
    FROM halyard.logs l CROSS JOIN whole LEFT JOIN LATERAL (
      SELECT revision, epoch, change_id AS change, actor_kind AS "actorKind", actor_id AS "actorId",
        actor_name AS "actorName", action, comment, (extract(epoch FROM at) * 1000)::text AS at, hash,
        previous_hash AS "previousHash",
        CASE WHEN sum(octet_length(documents)) OVER page <= ${sql.raw(String(MOST_BYTES))} OR row_number() OVER page = 1
          THEN documents END AS documents
      FROM (
        SELECT c.* FROM (
          SELECT DISTINCT revision FROM stream WHERE revision >= (SELECT floor FROM whole) ORDER BY revision DESC
        ) AS next CROSS JOIN LATERAL (
          SELECT * FROM halyard.changes WHERE log_id = ${LOG} AND revision = next.revision
            AND ${either('onlyActors', sql`actor_id = ANY(${value('onlyActors', 'text[]')})`)}
            AND ${either('onlyActions', sql`action = ANY(${value('onlyActions', 'text[]')})`)}
            AND ${either(
              'onlyNaming',
              sql`EXISTS (SELECT 1 FROM unnest(${value('onlyNaming', 'text[]')}) AS part WHERE strpos(documents, part) > 0)`,
            )}
          LIMIT 1
        ) AS c ORDER BY next.revision DESC LIMIT ${value('limit', 'bigint')}
      ) AS found WINDOW page AS (ORDER BY revision DESC)
    ) AS record ON true
    WHERE l.id = ${LOG} ORDER BY record.revision DESC`,
  )

const PAGES = {
  all: pageOf('all'),
  documents: pageOf('documents'),
  actors: pageOf('actors'),
  actions: pageOf('actions'),
} as const

const floorOf = (stream: Stream) =>
  statement<{ readonly floor: string }>(
    `halyard_changes_floor_of_${stream}`,
    sql`${streamOf(stream)} SELECT floor FROM whole`,
  )
const FLOORS = {
  documents: floorOf('documents'),
  actors: floorOf('actors'),
  actions: floorOf('actions'),
} as const

/**
 * A page of a log's change records; closed logs too.
 * @throws Error where there is no such log
 */
export async function readChanges(db: Db, log: LogId, query: ChangesQuery): Promise<Changes> {
  const { limit } = query
  const selection = await selectionOf(db, log, query)
  const span = {
    log,
    before: query.before ?? BEYOND,
    since: query.since ?? null,
    until: query.until ?? null,
  }
  const stream = await narrowest(db, span, selection)
  const { actors = null, actions = null, naming = null } = selection
  const only = {
    onlyActors: stream === 'actors' ? null : actors,
    onlyActions: stream === 'actions' ? null : actions,
    onlyNaming: stream === 'documents' ? null : naming,
  }
  const looksUp = Object.values(only).some((condition) => condition !== null)
  const rows = await PAGES[stream](db, {
    ...span,
    ...inputOf(stream, selection),
    ...only,
    most: looksUp ? mostOf(stream, selection) : limit + 1,
    limit: limit + 1,
  })
  const [head] = rows
  if (head === undefined) throw new Error(`There is no log ${log}`)
  const found = rows.filter((row) => row.revision !== null)
  const shown = found
    .slice(0, limit)
    .flatMap(({ documents, ...row }) =>
      documents === null ? [] : { ...row, documents, revision: Number(row.revision) },
    )
  const texts = await readTexts(db, log, shown, query.texts)
  const floor = Number(head.floor)
  const last = shown.at(-1)?.revision
  return {
    head: { epoch: Number(head.headEpoch), revision: Number(head.headRevision), hash: head.headHash },
    records: shown.map((row, index) => recordOf(row, texts[index])),
    next: found.length > shown.length && last !== undefined ? last : floor > 0 ? floor : null,
  }
}

const STREAMS = ['documents', 'actors', 'actions'] as const

/** The stream to go along: of those cut at about the same length, the one that reaches furthest back is the narrowest. */
async function narrowest(db: Db, span: object, selection: Selection): Promise<Stream> {
  const given = STREAMS.filter((name) => selection[name] !== undefined)
  let best: { readonly name: Stream; readonly floor: number } | undefined
  if (given.length > 1) {
    for (const name of given) {
      const [row] = await FLOORS[name](db, {
        ...span,
        ...inputOf(name, selection),
        most: mostOf(name, selection),
      })
      const floor = Number(row?.floor)
      if (best === undefined || floor < best.floor) best = { name, floor }
    }
  }
  return best?.name ?? given[0] ?? 'all'
}

/** Revisions of each of the things that a stream is made of. */
function mostOf(stream: Stream, selection: Selection): number {
  const parts = stream === 'all' ? 1 : (selection[stream]?.length ?? 1)
  return Math.max(1, Math.floor(MOST_LOOKED_AT / Math.max(1, parts)))
}

/** The lists that a stream is made of, and no other: a statement takes those that it names. */
function inputOf(stream: Stream, { documents = [], actors = [], actions = [] }: Selection): object {
  if (stream === 'actors') return { actors }
  if (stream === 'actions') return { actions }
  if (stream === 'all') return {}
  return { kinds: documents.map(({ kind }) => kind), keys: documents.map(({ key }) => key) }
}

function recordOf(
  row: Omit<PageRow, 'revision' | 'documents'> & { readonly revision: number },
  texts: Texts | undefined,
): RecordedChange {
  const { revision, change, action, comment, hash, previousHash } = row
  return {
    epoch: Number(row.epoch),
    revision,
    change,
    actor: { kind: row.actorKind, id: row.actorId, name: row.actorName },
    action,
    comment,
    at: Math.round(Number(row.at)),
    hash,
    previousHash,
    documents: texts?.documents ?? [],
    documentsLeftOff: texts?.leftOff ?? 0,
  }
}

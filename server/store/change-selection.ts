/**
 * What a question about changes selects, as lists that indexes can be asked for: documents, actors, actions. Hides how
 * a name becomes ids and a prefix becomes actions: by stepping from one to the next, never through the records.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { LogId } from '../domain/change.ts'
import { CHUNKS, chunkKey } from '../domain/member-chunks.ts'
import { type Db, statement, value } from './database.ts'
import type { ChangesQuery } from './store.ts'

export type Selection = {
  /** undefined: any; or so many that they are found in the records as quickly. */
  readonly documents: readonly { readonly kind: string; readonly key: string }[] | undefined
  /** The documents again, as parts of a record's text, one of which must be there. */
  readonly naming: readonly string[] | undefined
  /** Ids. */
  readonly actors: readonly string[] | undefined
  readonly actions: readonly string[] | undefined
}

/** Keys of a kind above which its documents are not gone through one by one: of so many, most pages have enough. */
const MOST_KEYS = 250

const LOG = value('log', 'text')

/** The different values of an indexed column, each found from the one before. */
const stepping = (table: SQL, column: SQL, where: SQL) => sql`WITH RECURSIVE step AS (
    (SELECT ${column} AS value FROM ${table} WHERE log_id = ${LOG} AND revision > 0 AND ${where} ORDER BY ${column} LIMIT 1)
    UNION ALL
    SELECT next.value FROM step CROSS JOIN LATERAL (
      SELECT ${column} AS value FROM ${table} WHERE log_id = ${LOG} AND revision > 0 AND ${where} AND ${column} > step.value ORDER BY ${column} LIMIT 1
    ) AS next
  )`
type Value = { readonly value: string }

const kindsOf = statement<Value>(
  'halyard_changed_kinds',
  sql`${stepping(sql`halyard.entries`, sql`kind`, sql`true`)} SELECT value FROM step`,
)
const keysOf = statement<Value>(
  'halyard_changed_keys',
  sql`${stepping(sql`halyard.entries`, sql`key`, sql`kind = ${value('kind', 'text')}`)} SELECT value FROM step LIMIT ${MOST_KEYS + 1}`,
)
const actionsOf = statement<Value>(
  'halyard_actions',
  sql`${stepping(sql`halyard.changes`, sql`action`, sql`true`)} SELECT value FROM step`,
)
const actorById = statement<Value>(
  'halyard_actor_by_id',
  sql`SELECT actor_id AS value FROM halyard.changes WHERE log_id = ${LOG} AND revision > 0 AND actor_id = ${value('actor', 'text')} LIMIT 1`,
)
const actorsByName = statement<Value>(
  'halyard_actors_by_name',
  sql`${stepping(sql`halyard.changes`, sql`actor_id`, sql`true`)}
    SELECT step.value FROM step CROSS JOIN LATERAL (
      SELECT actor_name FROM halyard.changes WHERE log_id = ${LOG} AND revision > 0 AND actor_id = step.value ORDER BY revision DESC LIMIT 1
    ) AS last WHERE last.actor_name = ${value('actor', 'text')}`,
)
const valuesOf = (rows: readonly Value[]) => rows.map((row) => row.value)

export async function selectionOf(db: Db, log: LogId, query: ChangesQuery): Promise<Selection> {
  const { actor, action } = query
  const [{ documents, naming }, actors, actions] = [
    await documentsFor(db, log, query),
    actor === undefined ? undefined : await actorsFor(db, log, actor),
    action === undefined ? undefined : await actionsFor(db, log, action),
  ]
  return { documents, naming, actors, actions }
}

async function actorsFor(db: Db, log: LogId, actor: string): Promise<readonly string[]> {
  const byId = await actorById(db, { log, actor })
  return valuesOf(byId.length > 0 ? byId : await actorsByName(db, { log, actor }))
}

async function actionsFor(db: Db, log: LogId, action: string): Promise<readonly string[]> {
  const all = valuesOf(await actionsOf(db, { log }))
  return all.filter((one) => one === action || one.startsWith(`${action}.`))
}

async function documentsFor(
  db: Db,
  log: LogId,
  { flag, segment, kind, key }: ChangesQuery,
): Promise<Pick<Selection, 'documents' | 'naming'>> {
  const named = [flag, segment, key].filter((one) => one !== undefined)
  if (named.length === 0 && kind === undefined) return { documents: undefined, naming: undefined }
  const [name] = named
  if (name === undefined) return allOf(db, log, kind as string)
  const kinds = named.some((one) => one !== name)
    ? []
    : ([
        flag === undefined ? undefined : ['flag', 'kill', 'identity'],
        segment === undefined ? undefined : ['segment', 'members'],
        kind === undefined ? undefined : [kind],
      ].reduce<readonly string[] | undefined>(
        (left, right) =>
          left === undefined || right === undefined
            ? (left ?? right)
            : left.filter((one) => right.includes(one)),
        undefined,
      ) ?? valuesOf(await kindsOf(db, { log })))
  return {
    documents: kinds.flatMap((one) => keysIn(one, name).map((found) => ({ kind: one, key: found }))),
    naming: kinds.map((one) =>
      isSegmentOfMembers(one, name)
        ? `[${quoted(one)},${quoted(`${name}/`).slice(0, -1)}`
        : `[${quoted(one)},${quoted(name)},`,
    ),
  }
}

/** Documents of a kind, whatever their key. */
async function allOf(db: Db, log: LogId, kind: string): Promise<Pick<Selection, 'documents' | 'naming'>> {
  const keys = valuesOf(await keysOf(db, { log, kind }))
  return {
    documents: keys.length > MOST_KEYS ? undefined : keys.map((key) => ({ kind, key })),
    naming: [`[${quoted(kind)},`],
  }
}

/** Members stand in chunks under their segment's key. */
const isSegmentOfMembers = (kind: string, key: string) => kind === 'members' && !key.includes('/')
const keysIn = (kind: string, key: string): readonly string[] =>
  isSegmentOfMembers(kind, key) ? CHUNKS.map((chunk) => chunkKey(key, chunk)) : [key]

/** As canonical JSON writes it. */
const quoted = (text: string): string => JSON.stringify(text)

/**
 * The tables of the schema as the database itself describes them, so that a backup has whatever a migration made, of
 * this release or of another; and their rows in pages, which end at a number of rows or of bytes.
 */
import { type SQL, sql } from 'drizzle-orm'
import { type Db, rowsOf } from '../database.ts'
import type { Row } from './format.ts'

export type Column = { readonly name: string; readonly type: string }
export type Table = {
  readonly name: string
  readonly columns: readonly Column[]
  /** Columns of the primary key. */
  readonly key: readonly Column[]
}

/** Rows and bytes of a page; one row is always there, however large. */
const PAGE = { rows: 500, bytes: 1024 * 1024 }

export const tableName = ({ name }: Pick<Table, 'name'>): SQL => sql`halyard.${sql.identifier(name)}`

/** All tables of the schema by name, but for those that a crash may empty; none where there is no schema. */
export async function readTables(db: Db): Promise<readonly Table[]> {
  const answer = await db.execute(sql`
    SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
      (SELECT array_position(i.indkey::int2[], a.attnum) FROM pg_index i
       WHERE i.indrelid = c.oid AND i.indisprimary) AS place
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = to_regnamespace('halyard') AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY c.relname COLLATE "C", a.attnum`)
  const tables = new Map<string, (Column & { readonly place: number | null })[]>()
  for (const { table, ...column } of rowsOf<{
    readonly table: string
    readonly name: string
    readonly type: string
    readonly place: number | null
  }>(answer)) {
    const columns = tables.get(table)
    if (columns === undefined) tables.set(table, [column])
    else columns.push(column)
  }
  return [...tables].map(([name, columns]) => ({
    name,
    columns: columns.map(({ name, type }) => ({ name, type })),
    key: columns.filter(({ place }) => place !== null).sort((a, b) => Number(a.place) - Number(b.place)),
  }))
}

/** Which of the tables have rows. */
export async function filledTables(db: Db, tables: readonly Table[]): Promise<readonly string[]> {
  const filled: string[] = []
  for (const table of tables) {
    if (rowsOf(await db.execute(sql`SELECT 1 FROM ${tableName(table)} LIMIT 1`)).length > 0)
      filled.push(table.name)
  }
  return filled
}

/**
 * The other end of a pipe, or the database on the other side of a move, may take minutes with one thing: that is no reason
 * to end the transaction. What a frozen process of ours would hold is one snapshot, or an empty database.
 */
export async function waitForOthers(db: Db): Promise<void> {
  await db.execute(sql`SET LOCAL idle_in_transaction_session_timeout = 0`)
}

/** Texts of values do not depend on where the database stands. */
export async function speakPlainly(db: Db): Promise<void> {
  for (const setting of ["timezone = 'UTC'", "datestyle = 'ISO'", "bytea_output = 'hex'"]) {
    await db.execute(sql.raw(`SET LOCAL ${setting}`))
  }
}

/** All rows of a table in the order of its key, page by page. Run it in one snapshot, after `speakPlainly`. */
export async function* pagesOf(db: Db, table: Table): AsyncGenerator<readonly Row[]> {
  const { name, columns, key } = table
  if (key.length === 0) throw new Error(`The table ${name} has no primary key to page by`)
  const names = sql.join(
    key.map(({ name }) => sql.identifier(name)),
    sql`, `,
  )
  const texts = columns.filter(({ type }) => type === 'text')
  const weight = sql.join(
    [sql`0`, ...texts.map(({ name }) => sql`coalesce(octet_length(${sql.identifier(name)}), 0)`)],
    sql` + `,
  )
  const cells = sql.join(
    columns.map(({ name }, index) => sql`${sql.identifier(name)}::text AS ${sql.identifier(`c${index}`)}`),
    sql`, `,
  )
  const places = key.map(({ name }) => columns.findIndex((column) => column.name === name))
  let last: Row | undefined
  for (;;) {
    const from = last
    const after =
      from === undefined
        ? sql``
        : sql`WHERE (${names}) > (${sql.join(
            key.map(({ type }, index) => sql`${from[places[index] as number]}::text::${sql.raw(type)}`),
            sql`, `,
          )})`
    // The lengths of large texts are known without reading them.
    const answer = await db.execute(sql`
      SELECT ${cells} FROM (
        SELECT *, sum(halyard_weight) OVER (ORDER BY ${names} ROWS UNBOUNDED PRECEDING) - halyard_weight AS halyard_before FROM (
          SELECT *, ${weight} AS halyard_weight FROM ${tableName(table)} ${after} ORDER BY ${names} LIMIT ${sql.raw(String(PAGE.rows))}
        ) AS page
      ) AS weighed WHERE halyard_before < ${sql.raw(String(PAGE.bytes))} ORDER BY ${names}`)
    const rows = rowsOf<Readonly<Record<string, string | null>>>(answer).map((row) =>
      columns.map((_, index) => row[`c${index}`] ?? null),
    )
    if (rows.length === 0) return
    yield rows
    last = rows.at(-1)
  }
}

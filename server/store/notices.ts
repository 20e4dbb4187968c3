/**
 * Notes that instances leave for each other where there is no Redis: each overwrites its own, and none is read after
 * its time. Nobody's truth.
 */
import { sql } from 'drizzle-orm'
import { type Db, statement, value } from './database.ts'

const put = statement(
  'halyard_put_notice',
  sql`INSERT INTO halyard.notices (board, name, text, until)
      VALUES (${sql.placeholder('board')}, ${sql.placeholder('name')}, ${sql.placeholder('text')},
        now() + ${value('ms', 'int')} * interval '1 millisecond')
      ON CONFLICT (board, name) DO UPDATE SET text = excluded.text, until = excluded.until`,
)

export async function putNotice(
  db: Db,
  board: string,
  name: string,
  text: string,
  forMs: number,
): Promise<void> {
  await put(db, { board, name, text, ms: forMs })
}

const read = statement<{ readonly text: string }>(
  'halyard_notices',
  sql`SELECT text FROM halyard.notices WHERE board = ${sql.placeholder('board')} AND until > now() ORDER BY name`,
)

export async function readNotices(db: Db, board: string): Promise<readonly string[]> {
  return (await read(db, { board })).map(({ text }) => text)
}

const remove = statement(
  'halyard_remove_notice',
  sql`DELETE FROM halyard.notices
      WHERE until <= now() OR (board = ${sql.placeholder('board')} AND name = ${sql.placeholder('name')})`,
)

/** Along with what nobody reads any more, on whichever board. */
export async function removeNotice(db: Db, board: string, name: string): Promise<void> {
  await remove(db, { board, name })
}

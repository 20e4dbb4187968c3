/**
 * Work on a connection of its own, which no request waits for: migrations, and walks through whole logs. It runs with
 * the rights of whoever the URL names, and as long as it takes.
 */
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { type Allow, type Db, type Outcome, SESSION } from './database.ts'
import { faultOf, unavailable } from './faults.ts'

/**
 * Runs the work in one transaction.
 * @param begin the statement that opens it
 * @throws Problem `unavailable` where the database fails
 */
export async function holdAlone<T>(
  connection: pg.ClientConfig,
  begin: string,
  work: (db: Db, allow: Allow) => Promise<Outcome<T>>,
): Promise<T> {
  const client = new pg.Client(connection)
  client.on('error', () => {})
  const answered = <A>(answer: Promise<A>) =>
    answer.catch((error: unknown) => {
      throw unavailable(error)
    })
  try {
    await answered(client.connect())
    await answered(client.query(SESSION))
    await answered(client.query(begin))
    const outcome = await work(drizzle({ client }), async () => {})
    await answered(client.query(outcome.keep ? 'COMMIT' : 'ROLLBACK'))
    return outcome.value
  } catch (error) {
    throw faultOf(error)
  } finally {
    // Not awaited: a server that does not answer must not hold this up.
    client.end().catch(() => {})
  }
}

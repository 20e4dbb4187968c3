/** kill -9 of a process that writes loses nothing that was acknowledged, and holds up nobody. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddedDatabase } from '../../../server/store/embedded.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import {
  flag,
  loadOne,
  openEnvironment,
  type Subject,
  subjectOn,
  write,
} from '../../contract/store.support.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { startWriter, type Writer } from '../../support/postgres-child.ts'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'

const ENOUGH = 100
// Two processes boot the embedded database in turn.
const TIMEOUT_MS = 60_000
const untilEnough = (writer: Writer) =>
  writer.until((said) => 'acknowledged' in said && said.acknowledged >= ENOUGH)

/** Every acknowledged number is there, in the revision that was told, or was overwritten by a later one. */
async function expectAllKept(subject: Subject, log: string, writer: Writer): Promise<void> {
  const { state } = await loadOne(subject.store, log)
  const acknowledged = writer.said.flatMap((said) => ('acknowledged' in said ? [said] : []))
  expect(acknowledged.length).toBeGreaterThanOrEqual(ENOUGH)
  const last = acknowledged.at(-1)!
  expect(state.revision).toBeGreaterThanOrEqual(last.revision)
  const kept = await subject.rows<{ revision: string; text: string }>(
    `SELECT revision, text FROM halyard.entries WHERE log_id = '${log}' AND kind = 'flag'`,
  )
  const byRevision = new Map(kept.map((row) => [Number(row.revision), JSON.parse(row.text) as { n: number }]))
  for (const { acknowledged: n, revision } of acknowledged) expect(byRevision.get(revision)?.n).toBe(n)
  // At most the one that was being written when the process died came in unacknowledged.
  expect(state.revision - last.revision).toBeLessThanOrEqual(1)
}

describe('a process killed while it writes to Postgres', () => {
  let subject: Subject
  let database: Awaited<ReturnType<typeof freshDatabase>>
  beforeAll(async () => {
    database = await freshDatabase()
    subject = subjectOn(postgresDatabase({ url: database.url }))
  })
  afterAll(async () => {
    await subject.store.close()
    await database.drop()
  })

  it('loses no acknowledged commit', async () => {
    const log = await openEnvironment(subject.store)
    const writer = startWriter({ url: database.url }, log)
    await untilEnough(writer)
    await writer.kill('SIGKILL')
    await expectAllKept(subject, log, writer)
    await write(subject.store, log, flag('next', 1))
  })
})

describe('a process killed while it writes to the embedded database', () => {
  it('loses no acknowledged commit, and the next process takes the folder over', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { dir, remove } = temporaryFolder()
    const prepared = await preparedEmbedded()
    const first = subjectOn(await embeddedDatabase({ dir, prepared }))
    const log = await openEnvironment(first.store)
    await first.store.close()

    const writer = startWriter({ dir, prepared }, log)
    await untilEnough(writer)
    await writer.kill('SIGKILL')

    const second = subjectOn(await embeddedDatabase({ dir, prepared }))
    await expectAllKept(second, log, writer)
    await write(second.store, log, flag('next', 1))
    await second.store.close()
    remove()
  })
})

/** Verification finds whatever was changed in the database behind Halyard's back, and says where. */
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordHash } from '../../../server/store/chain.ts'
import { embeddedDatabase } from '../../../server/store/embedded.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import { type Finding, type Verified, type VerifyRequest, verify } from '../../../server/store/verify.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'
import { type History, startHistory, writeHistory } from '../../support/written-history.ts'

type Result = Verified & { readonly told: readonly string[] }

const line = ({ log, revision, document, what }: Finding): string =>
  [log?.environment || log?.project || log?.id, revision, document, what]
    .filter((part) => part !== undefined)
    .join(' | ')

async function verified(url: string, request: Partial<VerifyRequest> = {}): Promise<Result> {
  const database = postgresDatabase({ url })
  const told: string[] = []
  try {
    const found = await verify(database, { ...request, onFinding: (finding) => told.push(line(finding)) })
    return { ...found, told }
  } finally {
    await database.close()
  }
}

let original: FreshDatabase
let history: Pick<History, 'heads' | 'production' | 'project'>
beforeAll(async () => {
  original = await freshDatabase()
  const driver = postgresDatabase({ url: original.url })
  history = await writeHistory(driver)
  await driver.close()
})
afterAll(() => original.drop())

/** What is found after these statements of the owner, in a transaction that is rolled back. */
async function findings(statements: string, request?: Partial<VerifyRequest>): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: original.url })
  await client.connect()
  try {
    // As somebody does who knows what they do: foreign keys are in their way.
    await client.query(
      'BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL enable_seqscan = off; SET LOCAL jit = off',
    )
    await client.query(statements.replaceAll('ENV', history.production))
    const told: string[] = []
    const onFinding = (finding: Finding) => told.push(line(finding))
    await verify({ survey: (work) => work(drizzle({ client })) }, { ...request, onFinding })
    return told
  } finally {
    await client.end()
  }
}
const headOf = (log: string) => history.heads.findLast((head) => head.log === log)!

describe('a history that nobody touched', () => {
  it('is whole: every log, closed ones too, against every head that was logged', async () => {
    const found = await verified(original.url, { expect: history.heads })
    expect(found.told).toEqual([])
    expect(found.findings).toBe(0)
    expect(found.logs.filter((log) => log.closed).map((log) => log.environment)).toEqual(['canary'])
    expect(found.logs.map((log) => log.project || log.id)).toEqual(
      expect.arrayContaining(['system', 'default', 'shop']),
    )
    expect(found.records).toBe(found.logs.reduce((sum, log) => sum + log.revision, 0))
    expect(found.versions).toBeGreaterThan(found.records / 2)
  })

  it('is whole where it is embedded, too', async () => {
    const folder = temporaryFolder()
    const database = await embeddedDatabase({ dir: folder.dir, prepared: await preparedEmbedded() })
    const { heads } = await writeHistory(database)
    const told: string[] = []
    const found = await verify(database, { expect: heads, onFinding: (finding) => told.push(line(finding)) })
    expect(told).toEqual([])
    expect(found.records).toBeGreaterThan(20)
    await database.close()
    folder.remove()
  })

  it('can be looked at one log at a time', async () => {
    const only = (log: { readonly id: string }) => log.id === history.production
    const found = await verified(original.url, { only, expect: [headOf(history.production)] })
    expect(found.logs.map((log) => log.id)).toEqual([history.production])
    expect(found.told).toEqual([])
    const { told } = await verified(original.url, { only, expect: [headOf('system')] })
    expect(told).toEqual([expect.stringMatching(/no log has this record/)])
  })

  it('says now and then how far it is, and reads what was true when it began', async () => {
    const database = await freshDatabase()
    const driver = postgresDatabase({ url: database.url })
    const { store, production } = await startHistory(driver)
    const { rows } = await sql(database.url, `SELECT epoch FROM halyard.logs WHERE id = '${production}'`)
    // Ten thousand records that change nothing, chained by hand.
    let previous = (await sql(database.url, `SELECT head_hash FROM halyard.logs WHERE id = '${production}'`))
      .rows[0].head_hash
    const epoch = Number(rows[0].epoch)
    const at = '2026-03-02T09:00:00.000Z'
    const hashes: string[] = []
    for (let revision = 2; revision <= 10_001; revision++) {
      const actor = { kind: 'system', id: 's', name: 'S' } as const
      previous = recordHash({
        log: production,
        epoch,
        revision,
        change: 'c',
        actor,
        action: 'a',
        comment: null,
        at,
        documents: [],
        previous,
      })
      hashes.push(previous)
    }
    await sql(
      database.url,
      `INSERT INTO halyard.changes (log_id, revision, epoch, change_id, actor_kind, actor_id, actor_name, action, at, documents, previous_hash, hash)
       SELECT '${production}', n + 1, ${epoch}, 'c', 'system', 's', 'S', 'a', '${at}', '[]',
         coalesce(lag(h) OVER (ORDER BY n), (SELECT head_hash FROM halyard.logs WHERE id = '${production}')), h
       FROM unnest($1::text[]) WITH ORDINALITY AS t (h, n)`,
      [hashes],
    )
    await sql(
      database.url,
      `UPDATE halyard.logs SET revision = 10001, head_hash = '${previous}', changed_at = '${at}' WHERE id = '${production}'`,
    )
    const progress: number[] = []
    const told: string[] = []
    await verify(driver, {
      onFinding: (finding) => told.push(line(finding)),
      onProgress: (log, records) => {
        progress.push(records)
        expect(log.id).toBe(production)
      },
    })
    expect(told).toEqual([])
    expect(progress).toEqual([10_000])
    await store.close()
    await database.drop()
  })
})

async function sql(url: string, statement: string, values?: unknown[]): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(statement, values)
  } finally {
    await client.end()
  }
}

const CHANGES = `UPDATE halyard.changes SET`
const ENTRIES = `UPDATE halyard.entries SET`
const LOGS = `UPDATE halyard.logs SET`
/** Revision 4 enabled the flag `checkout`, and 5 gave it targets. */
const FOURTH = `WHERE log_id = 'ENV' AND revision = 4`
const CHECKOUT = `WHERE log_id = 'ENV' AND kind = 'flag' AND key = 'checkout'`

describe('what is found, and named', () => {
  it.each([
    ['a comment', `comment = 'nothing to see'`],
    ['a comment that is taken away', `comment = NULL`],
    ['an actor', `actor_id = 'ben', actor_name = 'Ben'`],
    ['a time', `at = at - interval '1 second'`],
    ['a microsecond', `at = at + interval '1 microsecond'`],
    ['an action', `action = 'flag.disable'`],
    ['an epoch', `epoch = epoch + 1`],
    ['the commit that it was part of', `change_id = 'another'`],
    ['a redaction that never was', `redactions = '[]'`],
    ['a compaction that never was', `compaction = '{"before":"2026-03-01T00:00:00.000Z","keep":"daily"}'`],
  ])('%s of a record', async (_, change) => {
    const told = await findings(`${CHANGES} ${change} ${FOURTH}`)
    expect(told).toContainEqual(
      'production | 4 | the record was changed: it is not the one that its hash was made of',
    )
    expect(told).toHaveLength(1)
  })

  it.each(['not json', '{}', '[1]', '[["flag","a","x"],["flag","a","x"]]', '[["flag","checkout", "x"]]'])(
    'a list of documents that is %s',
    async (documents) => {
      const told = await findings(`${CHANGES} documents = '${documents}' ${FOURTH}`)
      expect(told).toContainEqual('production | 4 | the record was changed: its lists cannot be read')
      expect(told).toContainEqual(
        expect.stringMatching(/^production \| 1 versions of documents are named by no record/),
      )
    },
  )

  it('a record whose hash was made anew: the next does not follow from it', async () => {
    const told = await findings(`${CHANGES} hash = repeat('a', 64), comment = 'other' ${FOURTH}`)
    expect(told).toContain('production | 5 | the record does not follow from the one before it')
    expect(told).toContain(
      'production | 4 | the record was changed: it is not the one that its hash was made of',
    )
  })

  it('a text, and a digest', async () => {
    expect(
      await findings(`${ENTRIES} text = replace(text, 'user-7', 'user-8') ${CHECKOUT} AND revision = 5`),
    ).toEqual(['production | 5 | flag/checkout | its text is not the one that was written'])
    expect(await findings(`${ENTRIES} digest = repeat('0', 64) ${CHECKOUT} AND revision = 5`)).toEqual([
      'production | 5 | flag/checkout | its digest is not the one that the record names',
    ])
    const both = `text = '{}', digest = encode(sha256('{}'), 'hex')`
    expect(await findings(`${ENTRIES} ${both} ${CHECKOUT} AND revision = 5`)).toContain(
      'production | 5 | flag/checkout | its digest is not the one that the record names',
    )
  })

  it('a text that was dropped without a record of it', async () => {
    const missing = 'its text is missing, and no compaction may have dropped it'
    expect(await findings(`${ENTRIES} text = NULL ${CHECKOUT} AND revision = 4`)).toEqual([
      `production | 4 | flag/checkout | ${missing}`,
    ])
    const current = await findings(`${ENTRIES} text = NULL ${CHECKOUT} AND superseded_at_revision IS NULL`)
    expect(current).toContain(`production | 5 | flag/checkout | ${missing}`)
  })

  it('a text for what was removed', async () => {
    const told = await findings(
      `${ENTRIES} text = '{}' WHERE log_id = 'ENV' AND kind = 'kill' AND digest IS NULL`,
    )
    expect(told).toEqual([
      expect.stringMatching(/^production \| \d+ \| kill\/checkout \| it was removed, and has a text$/),
    ])
  })

  it('a redaction without a record', async () => {
    const redacted = `text = '"x"', redacted_digest = encode(sha256('"x"'), 'hex')`
    expect(
      await findings(`${ENTRIES} ${redacted}, redacted_at_revision = 6 ${CHECKOUT} AND revision = 4`),
    ).toEqual(['production | 4 | flag/checkout | it is marked as redacted, and no record says so'])
    expect(await findings(`${ENTRIES} ${redacted} ${CHECKOUT} AND revision = 4`)).toEqual([
      'production | 4 | flag/checkout | it is half marked as redacted',
      'production | 4 | flag/checkout | its text is not the one that was written',
    ])
  })

  it('a record that was deleted, with its documents or without', async () => {
    const gone = `DELETE FROM halyard.changes ${FOURTH}`
    const hole = 'production | 5 | the record before it is missing (revision 4)'
    const whole = await findings(`${gone}; DELETE FROM halyard.entries ${FOURTH}`)
    expect(whole).toContain(hole)
    expect(whole).toContain(
      'production | 2 | flag/checkout | the version is said to end at 4; the next one is 5',
    )
    const left = await findings(gone)
    expect(left).toContain(hole)
    expect(left).toContain('production | 4 | flag/checkout | its record does not name it')
  })

  it('several records that were deleted from the middle, and from the beginning', async () => {
    const middle = await findings(`DELETE FROM halyard.changes WHERE log_id = 'ENV' AND revision IN (4, 5)`)
    expect(middle).toContain('production | 6 | the record before it is missing (revision 4 to 5)')
    const first = await findings(`DELETE FROM halyard.changes WHERE log_id = 'ENV' AND revision = 1`)
    expect(first).toContain('production | 2 | the record before it is missing (revision 1)')
  })

  it('an end that was cut off, against a head that was logged', async () => {
    const { revision, hash } = headOf(history.production)
    const cut = `
      DELETE FROM halyard.entries WHERE log_id = 'ENV' AND revision = ${revision};
      DELETE FROM halyard.changes WHERE log_id = 'ENV' AND revision = ${revision};
      ${ENTRIES} superseded_at_revision = NULL WHERE log_id = 'ENV' AND superseded_at_revision = ${revision};
      ${LOGS} revision = ${revision - 1}, head_hash = c.hash, changed_at = c.at,
        bytes = (SELECT sum(octet_length(text)) FROM halyard.entries WHERE log_id = 'ENV' AND superseded_at_revision IS NULL)
        FROM halyard.changes c WHERE id = 'ENV' AND c.log_id = id AND c.revision = ${revision - 1}`
    const told = await findings(cut, { expect: [{ revision, hash }] })
    expect(told).toContain(
      `${revision} | no log has this record with the hash ${hash}: the history was cut off before it, or written anew`,
    )
    // Even without: whoever cuts must know how the head's digest is made.
    expect(await findings(cut)).toEqual([
      expect.stringMatching(/^production \| the log’s head says digest \d+, and/),
    ])
  })

  it('documents that no record names', async () => {
    const insert = (columns: string) =>
      `INSERT INTO halyard.entries (log_id, kind, key, revision, superseded_at_revision, text, digest) VALUES ${columns}`
    const digest = `encode(sha256('{}'), 'hex')`
    expect(await findings(insert(`('ENV', 'flag', 'stranger', 4, 5, '{}', ${digest})`))).toContain(
      'production | 4 | flag/stranger | its record does not name it',
    )
    // Of a record that is not there at all.
    expect(await findings(insert(`('ENV', 'flag', 'stranger', 4000, 4001, '{}', ${digest})`))).toContain(
      'production | 4000 | flag/stranger | its record does not name it',
    )
  })

  it('a closed version that was opened again, and an open one that was closed', async () => {
    const open = `${ENTRIES} superseded_at_revision = NULL ${CHECKOUT} AND revision = 4`
    expect(await findings(`DROP INDEX halyard.entries_current; ${open}`)).toContain(
      'production | 4 | flag/checkout | the version is said to be the newest; the next one is 5',
    )
    const close = `${ENTRIES} superseded_at_revision = 9 ${CHECKOUT} AND superseded_at_revision IS NULL`
    expect(await findings(close)).toContain(
      'production | 5 | flag/checkout | the version is said to end at 9; the next one is none',
    )
  })

  it('a document that was taken away', async () => {
    expect(await findings(`DELETE FROM halyard.entries ${CHECKOUT} AND revision = 5`)).toContain(
      'production | 5 | flag/checkout | the document that the record names is missing',
    )
  })

  it('two records that were swapped', async () => {
    const swap = (from: number, to: number) =>
      `${CHANGES} revision = ${to} WHERE log_id = 'ENV' AND revision = ${from}`
    const told = await findings([swap(4, -1), swap(5, 4), swap(-1, 5)].join('; '))
    expect(told).toContain('production | 4 | the record does not follow from the one before it')
    expect(told).toContain(
      'production | 5 | the record was changed: it is not the one that its hash was made of',
    )
  })

  it('a record before the first', async () => {
    const told = await findings(`${CHANGES} revision = -7 WHERE log_id = 'ENV' AND revision = 1`)
    expect(told).toContain('production | -7 | no log has such a revision')
  })

  it.each([
    ['revision', `revision = revision + 1`],
    ['hash', `head_hash = repeat('b', 64)`],
    ['epoch', `epoch = epoch + 1`],
    ['time of the newest change', `changed_at = NULL`],
    ['size', `bytes = bytes - 1`],
    ['digest', `digest = 0`],
  ])('another %s at the head', async (name, change) => {
    expect(await findings(`${LOGS} ${change} WHERE id = 'ENV'`)).toEqual([
      expect.stringMatching(new RegExp(`^production \\| the log’s head says ${name} `)),
    ])
  })

  it('a log that was renamed, moved, closed, opened again, taken away or slipped in', async () => {
    const named = `WHERE id = 'ENV'`
    expect(await findings(`${LOGS} environment = 'prod' ${named}`)).toEqual([
      'prod | it is named prod, and the document that made it says production',
    ])
    expect(await findings(`${LOGS} project = 'shop' ${named}`)).toEqual([
      'production | it is said to belong to shop, and belongs to default',
    ])
    const elsewhere = `(SELECT id FROM halyard.logs WHERE project = 'shop')`
    expect(await findings(`${LOGS} parent_id = ${elsewhere} ${named}`)).toContain(
      'production | it is named production, and the document that made it says production',
    )
    expect(await findings(`${LOGS} closed_at = now() ${named}`)).toEqual([
      'production | it is closed, and was never deleted',
    ])
    const deleted = await findings(`${LOGS} closed_at = NULL WHERE closed_at IS NOT NULL`)
    expect(deleted).toEqual(['canary | it is open, and was deleted'])
    const away = ['entries', 'changes'].map((table) => `DELETE FROM halyard.${table} WHERE log_id = 'ENV'`)
    const gone = await findings([...away, `DELETE FROM halyard.logs ${named}`].join(';'))
    expect(gone).toEqual([`default | the log of production (${history.production}) is missing`])
    const orphans = await findings(`DELETE FROM halyard.logs WHERE id = 'system'`)
    expect(orphans).toContain('the system log is missing')
    expect(orphans).toContain('default | the log that it belongs to is missing')
    const slipped = `INSERT INTO halyard.logs SELECT 'env_x', parent_id, kind, project, 'x', epoch, 0, '', 0, 0, opened_at
      FROM halyard.logs ${named}`
    expect(await findings(slipped)).toEqual(['x | no document ever named this log'])
  })
})

/** Erasing takes a person out of all that is and was, and leaves a history that is whole. */
import { randomBytes } from 'node:crypto'
import { compile } from '@halyard/sdk/core'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { personOf } from '../../../server/domain/erasure.ts'
import { archiveFlag, createFlag, editMembers, putSegment, putTargets } from '../../../server/domain/index.ts'
import { minter } from '../../../server/domain/mint.ts'
import { type Database, rowsOf } from '../../../server/store/database.ts'
import { embeddedDatabase } from '../../../server/store/embedded.ts'
import { type EraseRequest, erase } from '../../../server/store/erase.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import { verify } from '../../../server/store/verify.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'
import { ANY, type History, START, writeHistory } from '../../support/written-history.ts'

const DRIVERS = {
  Postgres: async () => {
    const fresh = await freshDatabase()
    return { database: postgresDatabase({ url: fresh.url }), remove: fresh.drop }
  },
  PGlite: async () => {
    const folder = temporaryFolder()
    const database = await embeddedDatabase({ dir: folder.dir, prepared: await preparedEmbedded() })
    return { database, remove: async () => folder.remove() }
  },
} as const

const findings = async (database: Database, expect: History['heads']) => {
  const told: unknown[] = []
  await verify(database, { expect, onFinding: ({ log, ...fault }) => told.push(fault) })
  return told
}

describe.each(Object.entries(DRIVERS))('erasing on %s', (_, open) => {
  let opened: Awaited<ReturnType<typeof open>>
  let history: History
  const mentioned: string[] = []
  const eraseAnyone = (identifier: string, change: Partial<EraseRequest> = {}) =>
    erase(opened.database, {
      person: personOf(identifier),
      comment: 'DSR-17',
      only: () => true,
      dryRun: false,
      actor: { kind: 'system', id: 'halyard', name: 'Halyard' },
      now: START,
      mint: minter(randomBytes),
      onLog: () => {},
      onMention: (log, revision, where) =>
        mentioned.push(`${log.environment || log.project} ${revision} ${where}`),
      ...change,
    })
  const dump = async () => {
    const rows: string[] = []
    await opened.database.survey(async (db) => {
      for (const table of ['entries', 'changes', 'logs']) {
        const answer = await db.execute(sql.raw(`SELECT t::text AS row FROM halyard.${table} t`))
        rows.push(...rowsOf<{ row: string }>(answer).map(({ row }) => row))
      }
    })
    return rows
  }

  beforeAll(async () => {
    opened = await open()
    history = await writeHistory(opened.database)
    const { commit, project, production } = history
    await commit(
      putSegment(production, 'vips', { when: { attribute: 'email', op: 'in', values: ['user-42'] } }, {}),
    )
    await commit(putSegment(production, 'insiders', { when: null, ignoreCase: true }, {}))
    await commit(editMembers(production, 'insiders', { included: { add: ['USER-42'] } }), {
      idempotency: { key: 'add user-42', digest: 'b'.repeat(64) },
    })
    const wholeProject = { scope: { path: [project], descendants: true } }
    await commit(createFlag(project, { key: 'old', type: 'boolean' }), wholeProject)
    await commit(putTargets(production, 'old', 'on', { units: ['user-42'] }, ANY))
    await commit(archiveFlag(project, 'old'), wholeProject)
  })
  afterAll(async () => {
    await history.store.close()
    await opened.remove()
  })

  it('counts first, and changes nothing', async () => {
    const before = await dump()
    const counted = await eraseAnyone('user-42', { dryRun: true })
    expect(counted.current).toBeGreaterThanOrEqual(5)
    expect(counted.versions).toBeGreaterThan(counted.current)
    expect((await dump()).sort()).toEqual(before.sort())
    expect(mentioned).toEqual([])
  })

  it('leaves them nowhere, and the chain whole against every head from before', async () => {
    const { production, store } = history
    const held = await store.load([production])
    const counted = await eraseAnyone('user-42', { dryRun: true })
    expect(await eraseAnyone('user-42')).toEqual(counted)
    const rows = await dump()
    expect(rows.filter((row) => /user-42/i.test(row))).toEqual([])
    expect(rows.filter((row) => row.includes('b'.repeat(64)))).toEqual([])
    expect(await findings(opened.database, history.heads)).toEqual([])
    expect(mentioned).toEqual([])

    const [now] = await store.load([production])
    expect(now?.revision).toBeGreaterThan(held[0]?.revision ?? 0)
    const entries = now?.state.entries
    expect(entries?.get('flag')?.get('checkout')?.definition).toMatchObject({
      targets: [{ units: ['user-7'] }],
    })
    expect([...(entries?.get('members')?.keys() ?? [])].filter((key) => key.startsWith('insiders/'))).toEqual(
      [],
    )
    expect(compile(now!.state).flags.get('checkout')?.error).toBe(undefined)
    // A service that held the state takes the new revision as any other.
    const newer = await store.newer(production, held[0]!)
    expect(newer.kind).toBe('delta')
  })

  it('shows the past with somebody else in their place, and says so; others are as they were', async () => {
    const { production, store } = history
    const past = await store.past(production, { revision: 7 })
    expect(past.redacted.map(({ kind, key }) => `${kind}/${key.split('/')[0]}`).sort()).toEqual([
      'flag/checkout',
      'members/beta',
    ])
    const checkout = past.state.entries.get('flag')?.get('checkout')?.definition
    const erased = expect.stringMatching(/^erased-[a-z0-9]{20}$/)
    expect(checkout).toMatchObject({ targets: [{ units: ['user-7', erased] }] })
    for (const flag of compile(past.state).flags.values()) expect(flag.error).toBe(undefined)
    const { records } = await store.changes(production, {
      action: 'history.erase',
      limit: 10,
      texts: { documents: 10, bytes: 100_000, bytesEach: 10_000 },
    })
    const erasing = records.filter(({ action }) => action === 'history.erase')
    expect(erasing.length).toBeGreaterThan(0)
    expect(erasing[0]).toMatchObject({ comment: 'DSR-17', actor: { id: 'halyard' } })
  })

  it('finds nothing more when it runs again, and writes nothing', async () => {
    const before = await dump()
    expect(await eraseAnyone('user-42')).toEqual({ current: 0, versions: 0 })
    expect((await dump()).sort()).toEqual(before.sort())
  })

  it('erases another person from the same versions, and the last erasing holds', async () => {
    const { versions } = await eraseAnyone('user-7')
    expect(versions).toBeGreaterThan(1)
    expect((await dump()).filter((row) => row.includes('user-7'))).toEqual([])
    expect(await findings(opened.database, history.heads)).toEqual([])
  })

  it('tells where they are named in a text that is no list of units', async () => {
    const { commit, production } = history
    await commit(putSegment(production, 'last', { when: null }, {}), { comment: 'asked for by user-99' })
    await eraseAnyone('user-99')
    expect(mentioned).toEqual([expect.stringMatching(/^production \d+ the comment of its record$/)])
  })

  it('and a redaction that is taken back is found', async () => {
    const undone = await opened.database.transact('migration', async (db) => ({
      keep: true,
      value: rowsOf<{ revision: string }>(
        await db.execute(sql`UPDATE halyard.entries SET redacted_at_revision = NULL, redacted_digest = NULL
          WHERE log_id = ${history.production} AND kind = 'flag' AND key = 'checkout' AND revision = 5 RETURNING revision`),
      ),
    }))
    expect(undone).toHaveLength(1)
    const told = await findings(opened.database, history.heads)
    expect(told).toContainEqual(
      expect.objectContaining({
        document: 'flag/checkout',
        what: expect.stringMatching(/erased a person from it/),
      }),
    )
  })
})

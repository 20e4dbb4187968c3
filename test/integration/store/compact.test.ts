/** Compaction drops what was promised and nothing else: records, kept states and everything newer stay whole. */
import { randomBytes } from 'node:crypto'
import type { State } from '@halyard/sdk/core'
import { sql } from 'drizzle-orm'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFlag, kill, setEnabled, unkill } from '../../../server/domain/index.ts'
import { minter } from '../../../server/domain/mint.ts'
import { type CompactRequest, compact } from '../../../server/store/compact.ts'
import { type Database, rowsOf } from '../../../server/store/database.ts'
import { embeddedDatabase } from '../../../server/store/embedded.ts'
import { postgresDatabase } from '../../../server/store/postgres.ts'
import type { Keep } from '../../../server/store/retention.ts'
import { verify } from '../../../server/store/verify.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { preparedEmbedded, temporaryFolder } from '../../support/postgres-embedded.ts'
import { ANY, type History, HOUR, START, startHistory } from '../../support/written-history.ts'

const DAY = 24 * HOUR
const DAYS = 3
/** In the middle of the third day. */
const BEFORE = START + 2 * DAY + HOUR / 2

const DRIVERS = {
  Postgres: async () => {
    const fresh = await freshDatabase()
    onTestFinished(() => fresh.drop())
    return postgresDatabase({ url: fresh.url })
  },
  PGlite: async () => {
    const folder = temporaryFolder()
    onTestFinished(() => folder.remove())
    return embeddedDatabase({ dir: folder.dir, prepared: await preparedEmbedded() })
  },
} as const

/** Two flags, each switched twenty times a day, and every state that there was. */
async function history(open: () => Promise<Database>) {
  const database = await open()
  const made = await startHistory(database)
  for (const key of ['a', 'b']) {
    await made.commit(createFlag(made.project, { key, type: 'boolean' }), {
      scope: { path: [made.project], descendants: true },
    })
  }
  const states: { readonly state: State; readonly at: number }[] = []
  for (let hour = 0; hour < DAYS * 24; hour++) {
    for (const [minute, key] of [
      [0, 'a'],
      [20, 'b'],
      [40, 'a'],
    ] as const) {
      made.clock.at = START + hour * HOUR + minute * 60_000
      const enabled = (hour + Math.floor(minute / 40)) % 2 === 0
      await made.commit(setEnabled(made.production, key, enabled, ANY))
      const [loaded] = await made.store.load([made.production])
      if (loaded !== undefined) states.push({ state: loaded.state, at: made.clock.at })
    }
  }
  onTestFinished(() => made.store.close())
  return {
    ...made,
    states: states.filter(({ state }, index) => state.revision !== states[index - 1]?.state.revision),
  }
}

const request = (keep: Keep, more: Partial<CompactRequest> = {}): CompactRequest => ({
  before: BEFORE,
  keep,
  comment: 'old enough',
  actor: { kind: 'system', id: 'halyard', name: 'Halyard' },
  now: START + DAYS * DAY,
  mint: minter(randomBytes),
  ...more,
})

async function whole({ database, heads }: History): Promise<void> {
  const told: string[] = []
  const { findings } = await verify(database, {
    expect: heads,
    onFinding: ({ revision, document, what }) => told.push(`${revision} ${document} ${what}`),
  })
  expect({ told, findings }).toEqual({ told: [], findings: 0 })
}
const records = async ({ database, production }: History) =>
  rowsOf<{ revision: number; action: string; compaction: string | null }>(
    await database.survey((db) =>
      db.execute(
        sql`SELECT revision::float8 AS revision, action, compaction FROM halyard.changes WHERE log_id = ${production} ORDER BY 1`,
      ),
    ),
  )

describe.each(Object.entries(DRIVERS))('on %s', (_, open) => {
  it('daily keeps the last state of each day, that of --before, and all after it', async () => {
    const made = await history(open)
    const { store, production, database, states } = made
    const before = await records(made)
    const would = await compact(database, request('daily', { dryRun: true }))
    expect(await records(made)).toEqual(before)
    const dropped = await compact(database, request('daily'))
    expect(dropped).toEqual(would)
    expect(dropped.versions).toBeGreaterThan(50)
    await whole(made)

    const after = await records(made)
    expect(after.slice(0, before.length)).toEqual(before)
    expect(after.at(-1)).toMatchObject({ action: 'history.compact' })
    expect(JSON.parse(after.at(-1)?.compaction ?? '')).toEqual({
      before: new Date(BEFORE).toISOString(),
      keep: 'daily',
      ...dropped,
    })

    let gone = 0
    for (const [index, { state, at }] of states.entries()) {
      const next = states[index + 1]?.at ?? Number.POSITIVE_INFINITY
      const lastOfDay = Math.floor(at / DAY) !== Math.floor(next / DAY)
      const promised = lastOfDay || next > BEFORE
      const past = await store.past(production, { revision: state.revision }).catch((error: unknown) => error)
      if (past instanceof Error) {
        expect(promised, `revision ${state.revision}`).toBe(false)
        gone++
        expect(past).toMatchObject({ type: 'history-compacted' })
        const [, ...named] = /kept: (\d+)(?: and (\d+))?/.exec(past.message) ?? []
        const near = named.filter((one) => one !== undefined).map(Number)
        // Of the first day there is none before.
        expect(near.at(-1)).toBeGreaterThan(state.revision)
        if (near.length === 2) expect(near[0]).toBeLessThan(state.revision)
        for (const revision of near) await store.past(production, { revision })
      } else {
        expect((past as { state: State }).state.entries.get('flag')).toEqual(state.entries.get('flag'))
      }
    }
    expect(gone).toBeGreaterThan(25)
  })

  it('hourly keeps the last state of each hour, and a daily one after it drops more', async () => {
    const made = await history(open)
    const { store, production, database, states } = made
    const first = await compact(database, request('hourly'))
    for (const [index, { state, at }] of states.entries()) {
      const next = states[index + 1]?.at ?? Number.POSITIVE_INFINITY
      if (Math.floor(at / HOUR) === Math.floor(next / HOUR) && next <= BEFORE) continue
      const past = await store.past(production, { revision: state.revision })
      expect(past.state.entries.get('flag')).toEqual(state.entries.get('flag'))
    }
    const second = await compact(database, request('daily'))
    expect(first.versions).toBeGreaterThan(0)
    expect(second.versions).toBeGreaterThan(first.versions)
    await whole(made)
  })

  it('does nothing when it is run again, and goes on where it was cut short', async () => {
    const made = await history(open)
    const { database } = made
    let turns = 0
    const dying: Database = {
      ...database,
      transact: async (...args) => {
        // The record is written; then the process ends.
        if (++turns > 1) throw new Error('killed')
        return database.transact(...args)
      },
    }
    await expect(compact(dying, request('daily'))).rejects.toThrow('killed')
    await whole(made)
    const recorded = await records(made)
    expect(recorded.at(-1)?.action).toBe('history.compact')
    expect((await compact(database, request('daily'))).versions).toBeGreaterThan(50)
    await whole(made)
    expect(await compact(database, request('daily'))).toEqual({ versions: 0, bytes: 0 })
    expect(await records(made)).toEqual(recorded)
  })

  it('still knows which kills are over', async () => {
    const made = await history(open)
    const { database, production, store } = made
    await made.commit(kill(production, 'a', { ids: () => 'k1' }))
    await made.commit(unkill(production, 'a'))
    made.clock.at += 2 * DAY
    expect((await compact(database, request('daily', { before: made.clock.at }))).versions).toBeGreaterThan(
      50,
    )
    const [loaded] = await store.load([production])
    expect(loaded?.state.endedKills).toEqual(new Set(['k1']))
    await whole(made)
  })

  it('leaves the service that commits meanwhile alone', async () => {
    const made = await history(open)
    const { database, production } = made
    made.clock.at = START + (DAYS + 1) * DAY
    const [dropped] = await Promise.all([
      compact(database, request('daily')),
      ...Array.from({ length: 20 }, (_, turn) =>
        made.commit(setEnabled(production, 'a', turn % 2 === 0, ANY)),
      ),
    ])
    expect(dropped.versions).toBeGreaterThan(50)
    await whole(made)
  })
})

/**
 * The store over any driver: puts queues, transactions and readers together, and makes the schema at the first
 * call that gets through, so that a database that is away at the start is only late.
 */
import { apply, type State } from '@halyard/sdk/core'
import { sql } from 'drizzle-orm'
import { type LogId, SYSTEM } from '../domain/change.ts'
import { type Aftermath, commitIn } from './commit.ts'
import type { Database, Log } from './database.ts'
import { createLanes } from './lanes.ts'
import type { LockedRow } from './locking.ts'
import { applyMigrations, rowsOf } from './migrate.ts'
import { minter } from './mint.ts'
import { readHeads, readLogs, readNewer } from './read.ts'
import type { CommitRequest, Committed, Notice, Store } from './store.ts'

export type StoreOptions = {
  readonly clock: { now(): number }
  /** From a cryptographic source. */
  readonly randomBytes: (size: number) => Uint8Array
  readonly log: Log
}

/** Milliseconds that an edit may take, its wait for others in this process included. */
const EDIT_MS = 3000
/** One holds the row, one waits at its door. */
const WIDTH = 2

/** A store on a driver. The driver is the store's from now on, and closes with it. */
export function createStore(database: Database, options: StoreOptions): Store {
  const { clock, log } = options
  const mint = minter(options.randomBytes)
  const instance = mint()
  const lanes = createLanes(WIDTH)
  const recent = new Map<LogId, Aftermath>()
  let preparing: Promise<void> | undefined

  const prepare = async () => {
    await applyMigrations(database, undefined, log)
    await openSystemLog(database, clock.now())
  }
  /** Single flight; tried again by the next call after a failure. */
  const prepared = (): Promise<void> => {
    preparing ??= prepare().catch((error: unknown) => {
      preparing = undefined
      throw error
    })
    return preparing
  }

  // The next editor may have its lock before the caller of the last commit has taken its delta in. A head's hash
  // names one content, so what that commit made of the log is the truth whenever its hash is the locked one.
  const knownTo =
    (known: CommitRequest<unknown>['known']) =>
    (row: LockedRow): State | undefined => {
      const held = known?.(row.id)
      if (held !== undefined && held.epoch === row.epoch && held.revision === row.revision) return held
      const last = recent.get(row.id)
      if (last === undefined || last.plan.hash !== row.headHash) return held
      const next = apply(last.base, last.plan.delta)
      return 'refused' in next ? held : next
    }

  async function commit<R>(request: CommitRequest<R>): Promise<Committed<R>> {
    const startedAt = performance.now()
    const left = () => Math.max(1, EDIT_MS - (performance.now() - startedAt))
    await prepared()
    const log = request.scope.path.at(-1) ?? SYSTEM
    const leave = request.urgent === true ? undefined : await lanes.enter(log, left())
    const touched = new Set([log])
    try {
      return await database.transact(
        request.urgent === true ? 'kill' : 'edit',
        async (db) => {
          const outcome = await commitIn(db, request, {
            now: clock.now(),
            mint,
            instance,
            known: knownTo(request.known),
          })
          for (const after of outcome.aftermath) {
            recent.set(after.plan.log, after)
            touched.add(after.plan.log)
          }
          return outcome
        },
        left(),
      )
    } finally {
      leave?.()
      // Kept for whoever waits, and no longer.
      for (const id of touched) if (!lanes.busy(id)) recent.delete(id)
    }
  }

  prepared().catch((error: unknown) => log.warn({ err: error }, 'the database is not ready yet'))
  return {
    commit,
    heads: async () => {
      await prepared()
      return database.read(readHeads)
    },
    load: async (logs) => {
      await prepared()
      return database.snapshot((db) => readLogs(db, logs))
    },
    newer: async (log, since) => {
      await prepared()
      const newer = await database.read((db) => readNewer(db, log, since))
      if (newer.kind !== 'other') return newer
      const [loaded] = await database.snapshot((db) => readLogs(db, [log]))
      return loaded === undefined ? { kind: 'closed' } : { kind: 'reload', loaded }
    },
    listen: (onNotice) =>
      database.listen((payload) => {
        const notice = noticeOf(payload)
        if (notice !== undefined && notice.from !== instance) {
          onNotice({ log: notice.log, epoch: notice.epoch, revision: notice.revision })
        }
      }),
    ping: () => database.ping(),
    close: () => database.close(),
  }
}

/** Opens the log that all others hang from; its epoch is the second of the first start. */
async function openSystemLog(database: Database, now: number): Promise<void> {
  const there = await database.read(async (db) =>
    rowsOf(await db.execute(sql`SELECT 1 FROM halyard.logs WHERE id = ${SYSTEM}`)),
  )
  if (there.length > 0) return
  await database.transact('edit', async (db) => {
    await db.execute(sql`
      INSERT INTO halyard.logs (id, kind, project, environment, epoch, revision, head_hash, bytes, digest, opened_at)
      VALUES (${SYSTEM}, 'system', '', '', ${Math.floor(now / 1000)}, 0, '', 0, 0, ${new Date(now).toISOString()})
      ON CONFLICT DO NOTHING`)
    return { keep: true, value: undefined }
  })
}

/** A notification's payload; undefined for what is none of ours. */
function noticeOf(payload: string): (Notice & { readonly from: string }) | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(payload)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { log, epoch, revision, from } = parsed as Readonly<Record<string, unknown>>
  return typeof log === 'string' &&
    typeof epoch === 'number' &&
    typeof revision === 'number' &&
    typeof from === 'string'
    ? { log, epoch, revision, from }
    : undefined
}

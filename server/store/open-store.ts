/**
 * The store over any driver: puts queues, transactions and readers together, and makes the schema at the first
 * call that gets through, so that a database that is away at the start is only late.
 */
import { sql } from 'drizzle-orm'
import { SYSTEM } from '../domain/change.ts'
import { minter } from '../domain/mint.ts'
import { readNotice } from '../domain/notice.ts'
import { Problem } from '../domain/problem.ts'
import { readChanges } from './changes.ts'
import { commitAll, type Verdict } from './commit.ts'
import { type Database, type Db, type Lane, type Log, rowsOf } from './database.ts'
import { isReadOnly } from './faults.ts'
import { pruneKeyUses, readKeyUses, saveKeyUses } from './key-uses.ts'
import { readKillReport, saveKillReport } from './kill-reports.ts'
import { applyMigrations } from './migrate.ts'
import { putNotice, readNotices, removeNotice } from './notices.ts'
import { readPast } from './past.ts'
import { createQueue, type Waiting } from './queue.ts'
import { readHeads, readLogs, readNewer } from './read.ts'
import { repeat } from './repeat.ts'
import type { CommitRequest, Committed, Store } from './store.ts'
import { readFlagReads, readReaders, readUsage, saveUsage, turnUsage } from './usage.ts'

export type StoreOptions = {
  readonly clock: { now(): number }
  /** From a cryptographic source. */
  readonly randomBytes: (size: number) => Uint8Array
  readonly log: Log
  /** `false`: commits notify nobody, since instances hear of each other in another way. */
  readonly notify?: boolean | undefined
}

/** Milliseconds that an edit may take, its wait for others in this process included. */
const EDIT_MS = 3000

/** A store on a driver. The driver is the store's from now on, and closes with it. */
export function createStore(database: Database, options: StoreOptions): Store {
  const { clock, log } = options
  const mint = minter(options.randomBytes)
  const instance = mint()
  const notifier = options.notify === false ? undefined : instance
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

  let readOnly = false
  /** Of all writes: reads go on where the database takes none, and would not show it. */
  const transact: Database['transact'] = async (lane, work, withinMs) => {
    try {
      const value = await database.transact(lane, work, withinMs)
      if (readOnly) log.info({}, 'the database takes writes again')
      readOnly = false
      return value
    } catch (error) {
      if (isReadOnly(error) && !readOnly) {
        readOnly = true
        log.error(
          {},
          'the database takes no writes: flags are served, edits are refused (halyard-server doctor)',
        )
      }
      throw error
    }
  }

  const run = async (lane: Lane, requests: readonly CommitRequest<unknown>[], withinMs?: number) => {
    const { verdicts, heads } = await transact(
      lane,
      (db, allow) => commitAll(db, requests, { now: clock.now(), mint, instance: notifier, allow }),
      withinMs,
    )
    // Something outside of the database to hold against it: see docs/audit.md.
    for (const head of heads) log.info(head, 'committed')
    return verdicts
  }
  const outcome = async (verdict: Verdict, request: CommitRequest<unknown>): Promise<Committed<unknown>> => {
    if ('refused' in verdict) throw verdict.refused
    if ('committed' in verdict) return verdict.committed
    return database.snapshot((db) => repeat(db, verdict.repeats, request))
  }
  const turn = async (batch: readonly Waiting[]): Promise<readonly Waiting[]> => {
    const dueAt = Math.min(...batch.map((waiting) => waiting.dueAt))
    try {
      const verdicts = await run(
        'edit',
        batch.map((waiting) => waiting.request),
        Math.max(1, dueAt - performance.now()),
      )
      for (const [index, verdict] of verdicts.entries()) {
        const waiting = batch[index]
        if (waiting !== undefined) outcome(verdict, waiting.request).then(waiting.resolve, waiting.reject)
      }
      return batch.slice(verdicts.length)
    } catch (error) {
      // What only a bug can cause may be one request's alone: each is tried by itself.
      if (batch.length > 1 && !(error instanceof Problem)) {
        for (const waiting of batch) await turn([waiting])
      } else {
        for (const waiting of batch) waiting.reject(error)
      }
      return []
    }
  }
  const queue = createQueue(turn)

  async function commit<R>(request: CommitRequest<R>): Promise<Committed<R>> {
    await prepared()
    if (request.urgent !== true) return queue.add(request, EDIT_MS)
    const [verdict] = await run('kill', [request])
    if (verdict === undefined) throw new Error('A commit came to no verdict')
    return (await outcome(verdict, request)) as Committed<R>
  }

  async function read<T>(work: (db: Db) => Promise<T>): Promise<T> {
    await prepared()
    return database.read(work)
  }

  /** Outside the logs. */
  async function write(work: (db: Db) => Promise<void>): Promise<void> {
    await prepared()
    await transact('edit', async (db) => ({ keep: true, value: await work(db) }))
  }

  prepared().catch((error: unknown) => log.warn({ err: error }, 'the database is not ready yet'))
  return {
    commit,
    heads: () => read(readHeads),
    load: async (logs) => {
      await prepared()
      return database.snapshot((db) => readLogs(db, logs, clock.now()))
    },
    newer: async (log, since) => {
      const newer = await read((db) => readNewer(db, log, since))
      if (newer.kind !== 'other') return newer
      const [loaded] = await database.snapshot((db) => readLogs(db, [log], clock.now()))
      return loaded === undefined ? { kind: 'missing' } : { kind: 'reload', loaded }
    },
    past: async (log, at) => {
      await prepared()
      return database.snapshot((db) => readPast(db, log, at))
    },
    changes: (log, query) => read((db) => readChanges(db, log, query)),
    saveKeyUses: (uses) => write((db) => saveKeyUses(db, uses)),
    keyUses: (keys, mostEach) => read((db) => readKeyUses(db, keys, mostEach)),
    pruneKeyUses: (before, mostEach) => write((db) => pruneKeyUses(db, before, mostEach)),
    saveUsage: (batches) => write((db) => saveUsage(db, batches, clock.now())),
    turnUsage: (oldest) => write((db) => turnUsage(db, clock.now(), oldest)),
    usage: (log, flag, query) => read((db) => readUsage(db, log, flag, query)),
    flagReads: (logs) => read((db) => readFlagReads(db, logs)),
    readersOf: (log, flag, most) => read((db) => readReaders(db, log, flag, most)),
    putNotice: (board, name, text, forMs) => write((db) => putNotice(db, board, name, text, forMs)),
    notices: (board) => read((db) => readNotices(db, board)),
    removeNotice: (board, name) => write((db) => removeNotice(db, board, name)),
    saveKillReport: (log, report) => write((db) => saveKillReport(db, log, report)),
    killReport: (log, kill) => read((db) => readKillReport(db, log, kill)),
    listen: (onNotice) =>
      database.listen((payload) => {
        const notice = readNotice(payload, instance)
        if (notice !== undefined) onNotice(notice)
      }),
    readOnly: () => readOnly,
    ping: async () => {
      await prepared()
      await database.ping()
    },
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

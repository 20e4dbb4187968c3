/**
 * What the store's contract tests share: a subject, logs to write to, and the smallest edits there are.
 */
import { randomBytes } from 'node:crypto'
import type { Json } from '@halyard/sdk/core'
import { sql } from 'drizzle-orm'
import { type Actor, type Edit, type EntryEdit, type LogId, SYSTEM } from '../../server/domain/change.ts'
import { minter } from '../../server/domain/mint.ts'
import { type Database, rowsOf } from '../../server/store/database.ts'
import { createStore } from '../../server/store/open-store.ts'
import type { Loaded, Store } from '../../server/store/store.ts'

export const ANN: Actor = { kind: 'api-key', id: 'ann', name: 'Ann' }
/** 2026-01-02T03:04:05.678Z */
export const NOW = 1_767_323_045_678
export const mint = minter(randomBytes)

/** A driver under test, and how to be rid of it. */
export type Driver = { readonly database: Database; remove(): Promise<void> }
export type Subject = {
  readonly store: Store
  readonly database: Database
  /** The store's clock: `NOW` until a test sets it. */
  readonly clock: { now: () => number }
  /** What the store logged, newest last. */
  readonly logged: readonly { readonly message: string; readonly detail: object }[]
  /** Rows of plain SQL, past the store. */
  rows<Row>(statement: string): Promise<readonly Row[]>
}

export function subjectOn(database: Database): Subject {
  const clock = { now: () => NOW }
  const logged: { message: string; detail: object }[] = []
  const keep = (detail: object, message: string) => void logged.push({ message, detail })
  const log = { info: keep, warn: keep, error: keep }
  return {
    database,
    clock,
    logged,
    store: createStore(database, { clock: { now: () => clock.now() }, randomBytes, log }),
    rows: <Row>(statement: string) =>
      // With the owner's rights: what the service itself may not do.
      database.transact('migration', async (db) => ({
        keep: true,
        value: rowsOf<Row>(await db.execute(sql.raw(statement))),
      })),
  }
}

/** An edit of one log, under the action `test.edit`. */
export const edit =
  (log: LogId, ...edits: EntryEdit[]): Edit<string> =>
  () => ({ action: 'test.edit', edits: new Map([[log, edits]]), warnings: [], result: 'done' })

export const flag = (key: string, definition: Json): EntryEdit => ({ kind: 'flag', key, definition })

/** Adds one to the number kept under `key`, as an editor does who reads before writing. */
export const increment =
  (log: LogId, key: string): Edit<number> =>
  (logs) => {
    const before = logs.get(log)?.state.entries.get('flag')?.get(key)?.definition ?? 0
    const next = Number(before) + 1
    return {
      action: 'test.increment',
      edits: new Map([[log, [flag(key, next)]]]),
      warnings: [],
      result: next,
    }
  }

export type Family = { readonly project: LogId; readonly environments: readonly LogId[] }

/** Opens a project's log and environments' logs below it, all of them empty. */
export async function openFamily(store: Store, environments = 1): Promise<Family> {
  const project = `prj_${mint()}`
  const children = Array.from({ length: environments }, () => `env_${mint()}`).sort()
  await store.commit({
    scope: { path: [SYSTEM] },
    actor: ANN,
    edit: () => ({
      action: 'test.open',
      edits: new Map(),
      opens: [
        { id: project, kind: 'project', parent: SYSTEM, project: 'shop', environment: '', entries: [] },
        ...children.map((id) => ({
          id,
          kind: 'environment' as const,
          parent: project,
          project: 'shop',
          environment: 'production',
          entries: [],
        })),
      ],
      warnings: [],
      result: undefined,
    }),
  })
  return { project, environments: children }
}

/** One environment's log, opened for the asking. */
export async function openEnvironment(store: Store): Promise<LogId> {
  const { environments } = await openFamily(store)
  return environments[0]!
}

export async function loadOne(store: Store, log: LogId): Promise<Loaded> {
  const [loaded] = await store.load([log])
  if (loaded === undefined) throw new Error(`${log} is not there`)
  return loaded
}

/** Writes entries to a log as Ann. */
export const write = (store: Store, log: LogId, ...edits: EntryEdit[]) =>
  store.commit({ scope: { path: [log] }, actor: ANN, edit: edit(log, ...edits) })

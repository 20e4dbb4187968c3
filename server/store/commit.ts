/**
 * The single write transaction: lock, view, run the pure edits one after another, write once. It decides what is
 * written and what each caller gets; when the transaction ends is the driver's part.
 */
import { compareStates, type State } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import { WentBack } from '../domain/epochs.ts'
import { type Notice, noticeText } from '../domain/notice.ts'
import type { Allow, Db, Outcome } from './database.ts'
import { type Desk, deskOf, headOf, keepOnDesks, type Run, runEdit } from './desk.ts'
import { type LockedRow, lockLogs, readStates } from './locking.ts'
import { recall } from './repeat.ts'
import type { CommitRequest, Committed } from './store.ts'
import { type Written, write } from './write.ts'

export type CommitContext = {
  /** Epoch milliseconds. */
  readonly now: number
  readonly mint: () => string
  /** Names this instance in its notifications, so that it can tell its own; undefined: nobody is notified. */
  readonly instance: string | undefined
  readonly allow: Allow
}

/** What becomes of a request, should the transaction commit. */
export type Verdict =
  | { readonly committed: Committed<unknown> }
  | { readonly refused: unknown }
  /** The request was committed before, as this change: its answer is rebuilt once the transaction has ended. */
  | { readonly repeats: string }

/** A log's newest record as it is logged, so that something outside of the database can be held against it. */
export type NewHead = {
  readonly log: LogId
  readonly project: string
  readonly environment: string
  readonly epoch: number
  readonly revision: number
  readonly hash: string
}

/** What a transaction came to. */
export type Together = { readonly verdicts: readonly Verdict[]; readonly heads: readonly NewHead[] }

/** Bytes of texts after which a transaction takes no more edits: one large import must not delay many small ones. */
const MOST_BYTES = 1024 * 1024

/** Milliseconds that writing a document, and a mebibyte, may take on a slow machine. */
const SLOW_MS = { document: 1, mebibyte: 500 }
/** Up to here the transaction's own deadline is enough. */
const ORDINARY_MS = 1000

/**
 * Runs commits of one scope in an open transaction, in order; an edit sees what the ones before it wrote, and a
 * refusal touches nobody else.
 * @returns a verdict for each request that was run, fewer than asked where the transaction is full; and new heads
 * @throws where a log of the scope is not there, or the database fails
 */
export async function commitAll(
  db: Db,
  requests: readonly CommitRequest<unknown>[],
  context: CommitContext,
): Promise<Outcome<Together>> {
  const [first] = requests
  if (first === undefined) return { keep: false, value: { verdicts: [], heads: [] } }
  const rows = await lockLogs(db, first.scope)
  const seen = await recall(db, rows, requests)
  const states = await readStates(db, rows, (log) => newestKnown(requests, log))
  // Logs are read by time: where this machine's clock is behind another's, their time stands still.
  const now = Math.max(context.now, ...rows.map((row) => row.changedAt))
  const desks = rows.map((row) => deskOf(row, states(row), row))

  const verdicts: Verdict[] = []
  const writes: Written[] = []
  let bytes = 0
  for (const request of requests) {
    const change = context.mint()
    let run: Run
    try {
      const repeats = seen.of(request)
      if (repeats !== undefined) {
        verdicts.push({ repeats })
        continue
      }
      refuseBehind(desks, request)
      run = runEdit(desks, request, { now, change })
    } catch (refused) {
      verdicts.push({ refused })
      continue
    }
    verdicts.push({ committed: run.committed })
    if (request.dryRun === true || !run.changes) continue
    writes.push(run)
    seen.add(request, change)
    keepOnDesks(desks, run)
    bytes += run.bytes
    // Logs that open or close change what a scope holds: whoever comes next must lock anew.
    if (bytes > MOST_BYTES || run.openings.length > 0 || run.committed.closed.length > 0) break
  }
  if (writes.length > 0) {
    const documents = writes.flatMap(documentsOf)
    const slow = documents.length * SLOW_MS.document + (bytes / 2 ** 20) * SLOW_MS.mebibyte
    if (slow > ORDINARY_MS) await context.allow(ORDINARY_MS + slow)
    const heads = desks.filter((desk) => desk.changed).map(headOf)
    const { instance } = context
    const notice = instance === undefined ? undefined : (of: Notice) => noticeText(of, instance)
    await write(db, { at: now, writes, heads, notice })
  }
  return { keep: writes.length > 0, value: { verdicts, heads: newHeads(rows, desks, writes) } }
}

/**
 * Nothing is committed to a log that is behind what its caller has seen: it would pass for what was lost.
 * @throws WentBack
 */
function refuseBehind(desks: readonly Desk[], { known }: CommitRequest<unknown>): void {
  const behind = desks.filter((desk) => {
    const seen = known?.(desk.row.id)
    return seen !== undefined && compareStates(headOf(desk), seen) < 0
  })
  if (behind.length > 0) throw new WentBack(behind.map((desk) => desk.row.id))
}

function newHeads(
  rows: readonly LockedRow[],
  desks: readonly Desk[],
  writes: readonly Written[],
): readonly NewHead[] {
  const moved = desks.flatMap((desk, index): NewHead[] => {
    const { log, epoch, revision, headHash: hash } = headOf(desk)
    const row = rows[index]
    if (row === undefined || row.headHash === hash) return []
    return [{ log, project: row.project, environment: row.environment, epoch, revision, hash }]
  })
  const opened = writes.flatMap(({ openings }) =>
    openings.map(({ opening: { project, environment }, plan: { log, delta, hash } }): NewHead => {
      const { epoch, revision } = delta
      return { log, project, environment, epoch, revision, hash }
    }),
  )
  return [...moved, ...opened]
}

const documentsOf = ({ plans, openings }: Written) =>
  [...plans, ...openings.map(({ plan }) => plan)].flatMap((plan) => plan.versions)

function newestKnown(requests: readonly CommitRequest<unknown>[], log: LogId): State | undefined {
  let newest: State | undefined
  for (const request of requests) {
    const held = request.known?.(log)
    if (held !== undefined && (newest === undefined || compareStates(newest, held) < 0)) newest = held
  }
  return newest
}

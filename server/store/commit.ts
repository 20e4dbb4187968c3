/**
 * The single write transaction: lock, view, run the pure edits one after another, write once. It decides what is
 * written and what each caller gets; when the transaction ends is the driver's part.
 */
import { apply, compareStates, emptyState, type State } from '@halyard/sdk/core'
import type { Change, LockedLogs, LogId, Opening } from '../domain/change.ts'
import type { Allow, Db, Outcome } from './database.ts'
import { type LockedRow, lockLogs, readStates } from './locking.ts'
import { type LogPlan, planLog, planOpening, type Signature } from './plan.ts'
import type { CommitRequest, Committed, Loaded, Notice, Provenance } from './store.ts'
import { type Head, type Written, write } from './write.ts'

export type CommitContext = {
  /** Epoch milliseconds. */
  readonly now: number
  readonly mint: () => string
  /** Names this instance in its notifications, so that it can tell its own. */
  readonly instance: string
  readonly allow: Allow
}

/** What becomes of a request, should the transaction commit. */
export type Verdict = { readonly committed: Committed<unknown> } | { readonly refused: unknown }

/** Bytes of texts after which a transaction takes no more edits: one large import must not delay many small ones. */
const MOST_BYTES = 1024 * 1024

/** Milliseconds that writing a document, and a mebibyte, may take on a slow machine. */
const SLOW_MS = { document: 1, mebibyte: 500 }
/** Up to here the transaction's own deadline is enough. */
const ORDINARY_MS = 1000

/** A locked log while edits run on it. */
type Desk = {
  readonly row: LockedRow
  state: State
  /** Leads on from `state`; applied only when another edit asks for it. */
  next: LogPlan | undefined
  headHash: string
  bytes: number
  changed: boolean
  closes: boolean
}

/**
 * Runs commits of one scope in an open transaction, in order; an edit sees what the ones before it wrote, and a
 * refusal touches nobody else.
 * @returns a verdict for each request that was run: fewer than asked where the transaction is full
 * @throws where a log of the scope is not there, or the database fails
 */
export async function commitAll(
  db: Db,
  requests: readonly CommitRequest<unknown>[],
  given: CommitContext,
): Promise<Outcome<readonly Verdict[]>> {
  const [first] = requests
  if (first === undefined) return { keep: false, value: [] }
  const rows = await lockLogs(db, first.scope)
  const states = await readStates(db, rows, (log) => newestKnown(requests, log))
  // Logs are read by time: where this machine's clock is behind another's, their time stands still.
  const now = Math.max(given.now, ...rows.map((row) => row.changedAt))
  const context = { ...given, now }
  const desks = rows.map((row): Desk => {
    const state = states(row)
    return {
      row,
      state,
      next: undefined,
      headHash: row.headHash,
      bytes: row.bytes,
      changed: false,
      closes: false,
    }
  })

  const verdicts: Verdict[] = []
  const writes: Written[] = []
  let bytes = 0
  for (const request of requests) {
    let run: Run
    try {
      run = runEdit(desks, request, context)
    } catch (refused) {
      verdicts.push({ refused })
      continue
    }
    verdicts.push({ committed: run.committed })
    if (request.dryRun === true || !run.changes) continue
    writes.push(run)
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
    await write(db, { at: context.now, writes, heads, notice: noticeFrom(context) })
  }
  return { keep: writes.length > 0, value: verdicts }
}

/** One edit's outcome: what it writes, and what its caller gets. */
type Run = Written & {
  readonly changes: boolean
  readonly bytes: number
  readonly committed: Committed<unknown>
}

function runEdit(desks: readonly Desk[], request: CommitRequest<unknown>, context: CommitContext): Run {
  const { actor, comment } = request
  const logs = viewsOf(desks)
  const change = request.edit(logs, { now: context.now, actor, comment, mint: context.mint })
  checkReach(change, logs)
  const signature: Signature = {
    change: context.mint(),
    at: context.now,
    actor,
    action: change.action,
    comment: comment ?? null,
  }
  const plans = desks.flatMap(({ row, state, headHash, bytes }): LogPlan[] => {
    const edits = change.edits.get(row.id)
    const plan = edits && planLog({ log: row.id, state, headHash, bytes }, edits, signature)
    return plan === undefined ? [] : [plan]
  })
  const openings = (change.opens ?? []).map((opening) => ({ opening, plan: planOpening(opening, signature) }))
  const closed = [...new Set(change.closes)]
  const provenance: Provenance = { at: context.now, by: actor }
  const revisionOf = (desk: Desk) =>
    (request.dryRun === true ? undefined : plans.find((plan) => plan.log === desk.row.id))?.delta.revision
  return {
    signature,
    plans,
    openings,
    changes: plans.length > 0 || openings.length > 0 || closed.length > 0,
    bytes: [...plans, ...openings.map(({ plan }) => plan)].reduce((sum, plan) => sum + plan.written, 0),
    committed: {
      result: change.result,
      action: change.action,
      warnings: change.warnings,
      provenance,
      deltas: new Map(plans.map((plan) => [plan.log, plan.delta])),
      opened: openings.map(({ opening, plan }) => openedLog(opening, plan, provenance)),
      closed,
      heads: new Map(
        desks.map((desk) => {
          const { epoch, revision } = desk.state
          return [desk.row.id, { epoch, revision: revisionOf(desk) ?? revision }]
        }),
      ),
    },
  }
}

const documentsOf = ({ plans, openings }: Written) =>
  [...plans, ...openings.map(({ plan }) => plan)].flatMap((plan) => plan.versions)

/** The logs as the next edit sees them. */
function viewsOf(desks: readonly Desk[]): LockedLogs {
  return new Map(
    desks.map((desk) => {
      if (desk.next !== undefined) {
        desk.state = applied(desk.state, desk.next)
        desk.next = undefined
      }
      const { id, kind, parent } = desk.row
      return [id, { id, kind, parent, state: desk.state, bytes: desk.bytes }]
    }),
  )
}

function keepOnDesks(desks: readonly Desk[], run: Run): void {
  for (const desk of desks) {
    const plan = run.plans.find((candidate) => candidate.log === desk.row.id)
    if (run.committed.closed.includes(desk.row.id)) desk.changed = desk.closes = true
    if (plan === undefined) continue
    desk.next = plan
    desk.headHash = plan.hash
    desk.bytes = plan.bytes
    desk.changed = true
  }
}

function headOf({ row, state, next, headHash, bytes, closes }: Desk): Head {
  const { epoch } = state
  const { revision, digest } = next?.delta ?? state
  return { log: row.id, epoch, revision, digest, headHash, bytes, closes }
}

const noticeFrom =
  ({ instance }: CommitContext) =>
  ({ log, epoch, revision }: Notice): string =>
    JSON.stringify({ log, epoch, revision, from: instance })

/** An edit may change and close only what its scope locked. */
function checkReach(change: Change<unknown>, logs: LockedLogs): void {
  for (const id of [...change.edits.keys(), ...(change.closes ?? [])]) {
    if (!logs.has(id))
      throw new Error(`${change.action} reaches for log ${id}, which its scope does not lock`)
  }
}

function newestKnown(requests: readonly CommitRequest<unknown>[], log: LogId): State | undefined {
  let newest: State | undefined
  for (const request of requests) {
    const held = request.known?.(log)
    if (held !== undefined && (newest === undefined || compareStates(newest, held) < 0)) newest = held
  }
  return newest
}

function openedLog(opening: Opening, plan: LogPlan, provenance: Provenance): Loaded {
  const state = applied(emptyState(opening.project, opening.environment, plan.delta.epoch), plan)
  return {
    log: opening.id,
    kind: opening.kind,
    parent: opening.parent,
    epoch: state.epoch,
    revision: state.revision,
    state,
    provenance: new Map(plan.versions.length > 0 ? [[state.revision, provenance]] : []),
  }
}

function applied(state: State, plan: LogPlan): State {
  const next = apply(state, plan.delta)
  if ('refused' in next) throw new Error(`A plan for ${plan.log} does not apply: ${next.refused}`)
  return next
}

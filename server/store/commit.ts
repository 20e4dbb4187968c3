/**
 * The single write transaction: lock, view, run the pure edit, write once. It decides what is written and what
 * the caller gets; when the transaction ends is the driver's part.
 */
import { apply, emptyState, type State } from '@halyard/sdk/core'
import type { Change, LockedLogs, LogId, Opening } from '../domain/change.ts'
import type { Db, Outcome } from './database.ts'
import { type Known, type LockedRow, lockLogs, viewLogs } from './locking.ts'
import { type LogPlan, planLog, planOpening, type Signature } from './plan.ts'
import type { CommitRequest, Committed, Loaded, Notice, Provenance } from './store.ts'
import { type Move, write } from './write.ts'

export type CommitContext = {
  /** Epoch milliseconds. */
  readonly now: number
  readonly mint: () => string
  /** Names this instance in its notifications, so that it can tell its own. */
  readonly instance: string
  readonly known: Known
}

/** What a log is after the commit: the state before, and the plan that leads on from it. */
export type Aftermath = { readonly base: State; readonly plan: LogPlan }

export type CommitOutcome<R> = Outcome<Committed<R>> & { readonly aftermath: readonly Aftermath[] }

/** Runs one commit in an open transaction. `keep` is false where nothing is to be written. */
export async function commitIn<R>(
  db: Db,
  request: CommitRequest<R>,
  context: CommitContext,
): Promise<CommitOutcome<R>> {
  const rows = await lockLogs(db, request.scope)
  const logs = await viewLogs(db, rows, context.known)
  const { actor, comment } = request
  const change = request.edit(logs, { now: context.now, actor, comment, mint: context.mint })
  checkReach(change, logs)
  const signature: Signature = {
    change: context.mint(),
    at: context.now,
    actor,
    action: change.action,
    comment: comment ?? null,
  }

  const plans = new Map<LogId, LogPlan>()
  for (const row of rows) {
    const state = logs.get(row.id)?.state
    const edits = change.edits.get(row.id)
    if (state === undefined || edits === undefined) continue
    const plan = planLog({ log: row.id, state, headHash: row.headHash, bytes: row.bytes }, edits, signature)
    if (plan !== undefined) plans.set(row.id, plan)
  }
  const openings = (change.opens ?? []).map((opening) => ({ opening, plan: planOpening(opening, signature) }))
  const closes = new Set(change.closes)
  const moves = rows
    .filter((row) => plans.has(row.id) || closes.has(row.id))
    .map((row) => moveOf(row, plans.get(row.id), closes.has(row.id)))
  const keep = (moves.length > 0 || openings.length > 0) && request.dryRun !== true
  if (keep) {
    const notices = [...moves.map(noticeOfMove), ...openings.map(({ plan }) => noticeOfPlan(plan))]
    await write(db, {
      signature,
      moves,
      plans: [...plans.values()],
      openings,
      notices: notices.map((notice) => JSON.stringify({ ...notice, from: context.instance })),
    })
  }
  const provenance: Provenance = { at: context.now, by: actor }
  return {
    keep,
    aftermath: [...plans.values()].flatMap((plan) => {
      const base = logs.get(plan.log)?.state
      return keep && base !== undefined ? [{ base, plan }] : []
    }),
    value: {
      result: change.result,
      action: change.action,
      warnings: change.warnings,
      provenance,
      deltas: new Map([...plans].map(([log, plan]) => [log, plan.delta])),
      opened: openings.map(({ opening, plan }) => openedLog(opening, plan, provenance)),
      closed: [...closes],
      heads: new Map(
        rows.map(({ id, epoch, revision }) => [
          id,
          { epoch, revision: keep ? (plans.get(id)?.delta.revision ?? revision) : revision },
        ]),
      ),
    },
  }
}

/** An edit may change and close only what its scope locked. */
function checkReach(change: Change<unknown>, logs: LockedLogs): void {
  for (const id of [...change.edits.keys(), ...(change.closes ?? [])]) {
    if (!logs.has(id))
      throw new Error(`${change.action} reaches for log ${id}, which its scope does not lock`)
  }
}

function moveOf(row: LockedRow, plan: LogPlan | undefined, closes: boolean): Move {
  const { id: log, epoch, revision, headHash, bytes, digest } = row
  if (plan === undefined) return { log, epoch, revision, headHash, bytes, digest, closes }
  const next = plan.delta
  return {
    log,
    epoch,
    revision: next.revision,
    headHash: plan.hash,
    bytes: plan.bytes,
    digest: next.digest,
    closes,
  }
}

const noticeOfMove = ({ log, epoch, revision }: Move): Notice => ({ log, epoch, revision })
const noticeOfPlan = ({ log, delta }: LogPlan): Notice => ({
  log,
  epoch: delta.epoch,
  revision: delta.revision,
})

function openedLog(opening: Opening, plan: LogPlan, provenance: Provenance): Loaded {
  const state = apply(emptyState(opening.project, opening.environment, plan.delta.epoch), plan.delta)
  if ('refused' in state)
    throw new Error(`The first revision of ${opening.id} does not apply: ${state.refused}`)
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

/**
 * Locked logs while edits run on them, one after another: each sees what the ones before it wrote. Pure; it says what
 * a commit writes and what its caller gets, and nothing of when the transaction ends.
 */
import { apply, emptyState, type State } from '@halyard/sdk/core'
import { canonical } from '../domain/canonical.ts'
import type { Change, LockedLogs, Made, Opening } from '../domain/change.ts'
import { minterFrom } from '../domain/mint.ts'
import type { LockedRow } from './locking.ts'
import { type LogPlan, planLog, planOpening, planRecord, type Signature } from './plan.ts'
import type { CommitRequest, Committed, Loaded, Provenance } from './store.ts'
import type { Head, Written } from './write.ts'

/** A locked log while edits run on it. */
export type Desk = {
  readonly row: Pick<LockedRow, 'id' | 'kind' | 'parent'>
  state: State
  /** Leads on from `state`; applied only when another edit asks for it. */
  next: LogPlan | undefined
  headHash: string
  bytes: number
  changed: boolean
  closes: boolean
}

/** One edit's outcome: what it writes, and what its caller gets. */
export type Run = Written & {
  readonly changes: boolean
  readonly bytes: number
  readonly committed: Committed<unknown>
}

export function deskOf(
  row: Desk['row'],
  state: State,
  { headHash, bytes }: { readonly headHash: string; readonly bytes: number },
): Desk {
  return { row, state, next: undefined, headHash, bytes, changed: false, closes: false }
}

/**
 * Runs one edit on the logs as they stand on the desks. All that it mints follows from the change's id, so that the
 * same edit on the same logs gives the same again.
 * @param moment epoch milliseconds, the id of the change that this makes, and whether it was made before
 */
export function runEdit(
  desks: readonly Desk[],
  request: CommitRequest<unknown>,
  { now, change: id, again }: { readonly now: number; readonly change: string; readonly again?: Made },
): Run {
  const { actor, comment, idempotency } = request
  const logs = viewsOf(desks)
  const change = request.edit(logs, { now, actor, comment, mint: minterFrom(id), ...(again && { again }) })
  checkReach(change, logs)
  const signature: Signature = {
    change: id,
    at: now,
    actor,
    action: change.action,
    comment: comment ?? null,
    ...(idempotency && {
      request: { key: idempotency.key, digest: idempotency.digest, locked: lockedOf(desks) },
    }),
  }
  const baseOf = ({ row, state, headHash, bytes }: Desk) => ({ log: row.id, state, headHash, bytes })
  const plans = desks.flatMap((desk): LogPlan[] => {
    const edits = change.edits.get(desk.row.id)
    const epoch = change.epochs?.get(desk.row.id)
    const base = baseOf(desk)
    if (epoch !== undefined) {
      return [planRecord({ ...base, state: { ...base.state, epoch } }, edits ?? [], signature)]
    }
    const plan = edits && planLog(base, edits, signature)
    return plan === undefined ? [] : [plan]
  })
  const openings = (change.opens ?? []).map((opening) => ({ opening, plan: planOpening(opening, signature) }))
  const closed = [...new Set(change.closes)]
  // What changed nothing must be known again, too: repeated later, it could change something.
  const marked = desks.find((desk) => desk.row.id === request.scope.path.at(-1))
  const kept = idempotency !== undefined && idempotency.fresh !== true
  if (kept && plans.length + openings.length === 0 && marked !== undefined)
    plans.push(planRecord(baseOf(marked), [], signature))
  const provenance: Provenance = { at: now, by: actor }
  const movedTo = (desk: Desk) =>
    (request.dryRun === true ? undefined : plans.find((plan) => plan.log === desk.row.id))?.delta
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
          const { epoch, revision } = movedTo(desk) ?? desk.state
          return [desk.row.id, { epoch, revision }]
        }),
      ),
    },
  }
}

const lockedOf = (desks: readonly Desk[]): string =>
  canonical(Object.fromEntries(desks.map(({ row, state }) => [row.id, state.revision])))

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

/** The desks as the next edit finds them, and as the heads will be. */
export function keepOnDesks(desks: readonly Desk[], run: Run): void {
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

export function headOf({ row, state, next, headHash, bytes, closes }: Desk): Head {
  const { epoch, revision, digest } = next?.delta ?? state
  return { log: row.id, epoch, revision, digest, headHash, bytes, closes }
}

/** An edit may change and close only what its scope locked. */
function checkReach(change: Change<unknown>, logs: LockedLogs): void {
  for (const id of [...change.edits.keys(), ...(change.closes ?? []), ...(change.epochs?.keys() ?? [])]) {
    if (!logs.has(id))
      throw new Error(`${change.action} reaches for log ${id}, which its scope does not lock`)
  }
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
  // A new epoch is a reason to take a state whole, but not for whoever opens it.
  const next = apply({ ...state, epoch: plan.delta.epoch }, plan.delta)
  if ('refused' in next) throw new Error(`A plan for ${plan.log} does not apply: ${next.refused}`)
  return next
}

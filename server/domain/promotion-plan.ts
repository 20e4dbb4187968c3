/**
 * The plan of a promotion: what a dry run answers, and the later call gives back, to have the very change that was
 * looked at or none. It names the states of both sides, so that a refusal can say which of them has moved.
 */
import { createHash } from 'node:crypto'
import { canonical } from './canonical.ts'
import type { EntryEdit, LogView } from './change.ts'
import { quote } from './faults.ts'
import { Problem } from './problem.ts'
import type { Reading } from './reading.ts'

/** `<epoch>-<revision>` of the one side, then of the other, and the SHA-256 of both sides and what results. */
const FORM = /^\d+-\d+\.\d+-\d+\.[0-9a-f]{64}$/

const tagOf = ({ state }: LogView): string => `${state.epoch}-${state.revision}`

/** @param edits what the target's entries become, in any order */
export function planOf(from: LogView, to: LogView, edits: readonly EntryEdit[]): string {
  const [source, target] = [from, to].map(({ id, state: { epoch, revision } }) => ({
    log: id,
    epoch,
    revision,
  }))
  const entries = edits
    .map(({ kind, key, definition }) => [kind, key, definition] as const)
    .sort(([aKind, aKey], [bKind, bKey]) => (`${aKind}/${aKey}` < `${bKind}/${bKey}` ? -1 : 1))
  const hash = createHash('sha256').update(canonical({ source, target, entries }))
  return `${tagOf(from)}.${tagOf(to)}.${hash.digest('hex')}`
}

/** The plan that was given, if one was. */
export function readPlan(value: unknown, { faults, pointer }: Reading): string | undefined {
  if (value === undefined || (typeof value === 'string' && FORM.test(value))) return value
  faults.add(pointer, 'A plan is given back as a dry run of the promotion has answered it.')
  return undefined
}

/** @throws Problem `plan-stale` where a side is not what it was when the plan was made */
export function refuseMoved(plan: string, from: LogView, to: LogView): void {
  const tags = plan.split('.')
  const moved = [from, to].filter((side, index) => tags[index] !== tagOf(side))
  const [first, second] = moved.map(
    ({ state }) => `${quote(state.environment)} has moved to revision ${state.revision}`,
  )
  if (first === undefined) return
  throw new Problem(
    'plan-stale',
    `Since the plan was made, ${second === undefined ? first : `${first}, and ${second}`}. ${AGAIN}`,
  )
}

/** @throws Problem `plan-stale` where something else would result than was planned */
export function refuseOther(plan: string, expected: string): void {
  if (plan === expected) return
  throw new Problem(
    'plan-stale',
    `Neither environment has moved, but the plan was made for another request: for other flags, parts or segments. ${AGAIN}`,
  )
}
const AGAIN = 'Make a dry run again, look at what it answers, and apply its plan.'

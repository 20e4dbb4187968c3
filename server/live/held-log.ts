/**
 * A log as it is held, and what becomes of it from one state to the next: who wrote what, and kills that have no
 * revision. Values; where they are kept is the hub's.
 */
import { type Compiled, type State, withPending } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import type { Head, Provenance } from '../store/store.ts'
import type { Held, Source } from './live.ts'

/** `compiled` where the log is an environment's. */
export type HeldLog = Held & {
  readonly id: LogId
  readonly compiled: Compiled | undefined
  /** The database has it, too, as soon as that was seen. */
  readonly source: Source
}
export type HeldEnvironment = HeldLog & { readonly compiled: Compiled }

export function isEnvironment(held: HeldLog): held is HeldEnvironment {
  return held.compiled !== undefined
}

export function holding(
  head: Head,
  state: State,
  compiled: Compiled | undefined,
  provenance: ReadonlyMap<number, Provenance>,
  source: Source = 'database',
): HeldLog {
  const { log, kind, parent } = head
  return {
    id: log,
    head: { log, kind, parent, epoch: state.epoch, revision: state.revision },
    state,
    compiled,
    provenance,
    source,
  }
}

/** A kill without a revision stays until the log settles it, whoever has not heard of it. */
export function withKillsOf(before: State, next: State): State {
  const { pending, endedKills } = before
  if (pending.size + endedKills.size === 0) return next
  return withPending(next, Object.fromEntries(pending), [...endedKills])
}

/** Revisions that no current entry has are let go once they are as many as those that matter, and some. */
const SPARE_REVISIONS = 1_000

/** The provenance grows in place (a revision's never changes), so that a commit costs what it changes. */
export function recorded(
  before: HeldLog,
  state: State,
  added: Iterable<[number, Provenance]>,
): Map<number, Provenance> {
  const known = before.provenance as Map<number, Provenance>
  for (const [revision, provenance] of added) known.set(revision, provenance)
  let entries = 0
  for (const kind of state.entries.values()) entries += kind.size
  if (known.size <= 2 * entries + SPARE_REVISIONS) return known
  const current = new Map<number, Provenance>()
  for (const kind of state.entries.values()) {
    for (const { revision } of kind.values()) {
      const provenance = known.get(revision)
      if (provenance !== undefined) current.set(revision, provenance)
    }
  }
  const newest = known.get(state.revision)
  return newest === undefined ? current : current.set(state.revision, newest)
}

/** Whether the log that a log hangs from says that there is such a one. */
export function isNamed({ head }: HeldLog, parent: HeldLog | undefined): boolean {
  if (head.parent === null) return true
  for (const kind of ['project', 'environment']) {
    for (const { definition } of parent?.state.entries.get(kind)?.values() ?? []) {
      if ((definition as { readonly id?: unknown } | null)?.id === head.log) return true
    }
  }
  return false
}

/** What entry edits do to a state: whether they change it, by how many bytes, and the state that results. */
import { type Entry, entryOf, LIMITS, type State } from '@halyard/sdk/core'
import { canonical, canonicalBytes } from './canonical.ts'
import type { EntryEdit, LogId, LogView } from './change.ts'
import { entriesOf } from './documents.ts'
import type { Faults } from './faults.ts'
import type { DocumentChange } from './words/changes.ts'

/** Whether an edit changes anything. */
export function changes(state: State, { kind, key, definition }: EntryEdit): boolean {
  const current = entryOf(state, kind, key)
  if (current === undefined || definition === null) return (current === undefined) !== (definition === null)
  return canonical(current.definition) !== canonical(definition)
}

/** What an edit does to a document. */
export const replaced = (state: State, { kind, key, definition }: EntryEdit): DocumentChange => ({
  kind,
  key,
  before: entryOf(state, kind, key)?.definition ?? null,
  after: definition,
})

/** By how many bytes of canonical text the edits grow a state. */
export function growthOf(state: State, edits: readonly EntryEdit[]): number {
  let growth = 0
  for (const { kind, key, definition } of edits) {
    const current = entryOf(state, kind, key)
    if (definition !== null) growth += canonicalBytes(definition)
    if (current !== undefined) growth -= canonicalBytes(current.definition)
  }
  return growth
}

/** The edits of one log for a change; none where they change nothing. */
export function editsOf(
  { id, state }: LogView,
  ...edits: readonly EntryEdit[]
): [LogId, readonly EntryEdit[]][] {
  const changed = edits.filter((edit) => changes(state, edit))
  return changed.length === 0 ? [] : [[id, changed]]
}

/** A fault where an environment would grow beyond its size; what shrinks it is always let through. */
export function checkSize({ bytes }: LogView, growth: number, faults: Faults): void {
  if (growth <= 0 || bytes + growth <= LIMITS.rulesetBytes) return
  faults.add(
    '',
    `An environment holds at most ${LIMITS.rulesetBytes} bytes; with this it would be ${bytes + growth}.`,
  )
}

/**
 * The state with some entries replaced. Only the maps of their kinds are copied; members are left as they are, since
 * no check of documents looks at them and there may be a quarter of a million of their entries.
 */
export function stateWith(state: State, edits: readonly EntryEdit[]): State {
  const kinds = new Map(state.entries)
  const revision = state.revision + 1
  const copies = new Map<string, Map<string, Entry>>()
  for (const { kind, key, definition } of edits) {
    if (kind === 'members') continue
    const copy = copies.get(kind) ?? new Map(entriesOf(state, kind))
    copies.set(kind, copy)
    kinds.set(kind, copy)
    if (definition === null) copy.delete(key)
    else copy.set(key, { revision, definition })
  }
  return { ...state, revision, entries: kinds }
}

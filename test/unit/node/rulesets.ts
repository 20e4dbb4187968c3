/** States and edits of small environments, made with core's own functions. */
import {
  type Delta,
  type DeltaEntry,
  type Entry,
  emptyState,
  entryDigest,
  type FlagConfig,
  type Json,
  type State,
} from '@halyard/sdk/core'
import { plainFlag } from '../../support/plain-flag.ts'

export type Edit = { readonly kind?: string; readonly key: string; readonly definition: unknown }

/** A boolean flag that serves `on` or `off` to everybody. */
export function booleanFlag(on: boolean, more: Partial<FlagConfig> = {}): FlagConfig {
  return plainFlag({ fallthrough: { variant: on ? 'on' : 'off' }, ...more })
}

/** A flag of any type that serves `value` to everybody. */
export function flagOf(value: Json, more: Partial<FlagConfig> = {}): FlagConfig {
  const type = typeof value as FlagConfig['type']
  return booleanFlag(true, { type, variants: { on: value }, offVariant: null, ...more })
}

/** The delta of edits to a state: what a server's log would give. */
export function deltaOf(state: State, edits: readonly Edit[], steps = 1): Delta {
  const revision = state.revision + steps
  const entries: DeltaEntry[] = edits.map(({ kind = 'flag', key, definition }) => ({
    kind,
    key,
    revision,
    definition: definition as Json,
  }))
  return {
    epoch: state.epoch,
    base: state.revision,
    revision,
    entries,
    digest: digestOf(edited(state, entries)),
  }
}

/** The state that edits lead to. */
export function edit(state: State, edits: readonly Edit[], steps = 1): State {
  const delta = deltaOf(state, edits, steps)
  const entries = edited(state, delta.entries)
  return { ...state, revision: delta.revision, digest: delta.digest, entries }
}

/** An environment at revision 1 with these flags. */
export function environment(
  flags: { readonly [key: string]: FlagConfig },
  { epoch = 1_000, name = 'test', project = 'default' } = {},
): State {
  const edits = Object.entries(flags).map(([key, definition]) => ({ key, definition }))
  return edit(emptyState(project, name, epoch), edits)
}

function edited(state: State, changes: readonly DeltaEntry[]): State['entries'] {
  const entries = new Map([...state.entries].map(([kind, ofKind]) => [kind, new Map(ofKind)]))
  for (const { kind, key, revision, definition } of changes) {
    const ofKind: Map<string, Entry> = entries.get(kind) ?? new Map()
    if (definition === null) ofKind.delete(key)
    else ofKind.set(key, { revision, definition })
    entries.set(kind, ofKind)
  }
  for (const [kind, ofKind] of entries) if (ofKind.size === 0) entries.delete(kind)
  return entries
}

function digestOf(entries: State['entries']): number {
  let sum = 0
  for (const [kind, ofKind] of entries) {
    for (const [key, { revision }] of ofKind) sum = (sum + entryDigest(kind, key, revision)) % 2 ** 32
  }
  return sum
}

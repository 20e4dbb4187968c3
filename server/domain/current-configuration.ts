/**
 * What a flag's configuration in an environment is, why it has none, and what is to take its place: for all edits that
 * write one.
 */
import { entryOf, type FlagConfig, type FlagKey } from '@halyard/sdk/core'
import type { LockedLogs, LogView, Moment } from './change.ts'
import { entriesOf, type Identity, identityOf } from './documents.ts'
import { nearest, quote } from './faults.ts'
import { FLAG_TYPES, readFlagConfig } from './flags.ts'
import { Problem } from './problem.ts'
import { type Fields, fieldOf, isObject } from './reading.ts'
import type { Moved } from './warnings.ts'

/** Reads a configuration that is to replace the flag's current one. Nothing can be relied on where faults were added. */
export function draftConfiguration(
  logs: LockedLogs,
  view: LogView,
  flag: FlagKey,
  input: unknown,
  { mint }: Moment,
  { keepRanges, ...reading }: Parameters<typeof readFlagConfig>[1] & { readonly keepRanges: boolean },
): { readonly config: FlagConfig; readonly moved: readonly Moved[] } {
  const previous = entryOf(view.state, 'flag', flag)?.definition
  const before = fieldOf(previous, 'type')
  const moved: Moved[] = []
  const config = readFlagConfig(input, reading, {
    key: flag,
    type: identityAbove(logs, view, flag)?.type ?? FLAG_TYPES.find((type) => type === before),
    previous,
    keepRanges,
    mint,
    moved: (pointer, share) => {
      if (share > 0) moved.push({ pointer, share })
    },
  })
  return { config, moved }
}

/** The flag's configuration as it is; a Problem where there is none, or where it is too broken to be amended. */
export function currentConfiguration(logs: LockedLogs, view: LogView, flag: FlagKey): Fields {
  const entry = entryOf(view.state, 'flag', flag)
  if (entry === undefined) throw absentFlag(logs, view, flag)
  const { definition } = entry
  if (isObject(definition)) return definition
  throw new Problem('invalid-document', 'What is stored of this configuration is broken; PUT a whole one.')
}

const identityAbove = (logs: LockedLogs, { parent }: LogView, flag: FlagKey): Identity | undefined => {
  const project = logs.get(String(parent))
  return project && identityOf(project.state, flag)
}

/** Why a flag without a configuration here cannot be given one; nothing where it can. */
export function whyNotHere(logs: LockedLogs, view: LogView, flag: FlagKey): Problem | undefined {
  const identity = identityAbove(logs, view, flag)
  if (identity === undefined) {
    const didYouMean = nearest(flag, entriesOf(view.state, 'flag').keys())
    return new Problem('flag-not-found', `There is no flag ${quote(flag)}.`, { didYouMean })
  }
  if (identity.archived === null) return undefined
  return new Problem('flag-archived', `The flag ${quote(flag)} is archived; unarchive it first.`)
}

/** What to tell of a flag that has no configuration here. */
export function absentFlag(logs: LockedLogs, view: LogView, flag: FlagKey): Problem {
  return (
    whyNotHere(logs, view, flag) ??
    new Problem('flag-not-found', `The flag ${quote(flag)} has no configuration here; PUT one.`)
  )
}

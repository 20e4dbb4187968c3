/**
 * What a log does when its database is found behind a state that was seen: a backup was restored, or commits were lost.
 * It goes on in a new epoch, so that nobody goes backwards, and kills that were lost are added again. Scope: the log.
 */
import { compareStates, entryOf, type FlagKey, type State } from '@halyard/sdk/core'
import type { Change, Edit, EntryEdit, LogId, LogView } from './change.ts'
import { asJson, entriesOf, killOf, lockedLog } from './documents.ts'

export type Position = { readonly epoch: number; readonly revision: number }

/**
 * Any log, kind `epoch`, under the key `opened`: why its epoch was opened. What came after `found` in the epoch of
 * `seen` is lost, but for the kills.
 */
export type EpochDocument = {
  /** The newest state that anybody is known to have seen before. */
  readonly seen: Position
  /** What the database had. */
  readonly found: Position
}

/** A commit found logs behind what its caller holds: nothing was written, and new epochs must be opened first. */
export class WentBack extends Error {
  override readonly name = 'WentBack'
  readonly logs: readonly LogId[]
  constructor(logs: readonly LogId[]) {
    super(`the database went back: it is behind what was seen of ${logs.join(', ')}`)
    this.logs = logs
  }
}

/** A log is not in the database, where logs are closed and never removed: it is not whole, or another than before. */
export class MissingLog extends Error {
  override readonly name = 'MissingLog'
  constructor(log: LogId) {
    super(`the log ${log} is not in the database`)
  }
}

export const textOf = ({ epoch, revision }: Position): string => `${epoch}-${revision}`

export type Reopened = {
  /** Whether this opened a new epoch. */
  readonly opened: boolean
  /** Flags that were killed again, sorted. */
  readonly killedAgain: readonly FlagKey[]
}

/**
 * Brings a log in line with a state that was seen of it. Where the log is behind, that opens a new epoch; where
 * somebody was sooner who had seen less, only the kills are added that they could not know of. Else it changes nothing.
 */
export function reopen(id: LogId, seen: State): Edit<Reopened> {
  return (logs, { now }) => {
    const view = lockedLog(logs, id, 'environment-not-found')
    const { state } = view
    if (compareStates(state, seen) < 0) {
      const epoch = Math.max(Math.floor(now / 1000), state.epoch + 1, seen.epoch + 1)
      const kills = killsOf(seen).filter(([flag, kill]) => killOf(state, flag)?.id !== kill.id)
      return change(view, kills, { seen, found: state }, epoch)
    }
    const opening = openingUnknownTo(seen, state)
    return opening === undefined
      ? unchanged
      : change(view, unknownKills(state, seen, opening), { ...opening, seen })
  }
}

/** Whether `reopen` would add kills to a log that goes on in a newer epoch than that of the state that was seen. */
export function knowsOfMoreKills(state: State, seen: State): boolean {
  const opening = openingUnknownTo(seen, state)
  return opening !== undefined && unknownKills(state, seen, opening).length > 0
}

type Kills = readonly (readonly [FlagKey, { readonly id: string }, number])[]

/** Why the log's epoch was opened; undefined in its first. */
export function openingOf(state: State): EpochDocument | undefined {
  return entryOf(state, 'epoch', 'opened')?.definition as EpochDocument | undefined
}

/** The same, where it was opened by somebody who had seen less. */
function openingUnknownTo(seen: State, state: State): EpochDocument | undefined {
  const opening = openingOf(state)
  if (opening === undefined || state.epoch <= seen.epoch) return undefined
  return compareStates(seen, opening.seen) > 0 ? opening : undefined
}

const killsOf = (state: State): Kills =>
  [...entriesOf(state, 'kill')].map(([flag, { definition, revision }]) => [
    flag,
    definition as { readonly id: string },
    revision,
  ])

/** What the one who opened the epoch had seen, and is not there, was ended since. */
function unknownKills(state: State, seen: State, { seen: known }: EpochDocument): Kills {
  const since = known.epoch === seen.epoch ? known.revision : 0
  return killsOf(seen).filter(([flag, , revision]) => revision > since && killOf(state, flag) === undefined)
}

function change(
  { id }: LogView,
  kills: Kills,
  { seen, found }: EpochDocument,
  epoch?: number,
): Change<Reopened> {
  const document: EpochDocument = { seen: positionOf(seen), found: positionOf(found) }
  const edits = kills.map(
    ([flag, kill]): EntryEdit => ({ kind: 'kill', key: flag, definition: asJson(kill) }),
  )
  return {
    action: 'log.epoch',
    edits: new Map([[id, [...edits, { kind: 'epoch', key: 'opened', definition: asJson(document) }]]]),
    ...(epoch === undefined ? {} : { epochs: new Map([[id, epoch]]) }),
    warnings: [],
    result: { opened: epoch !== undefined, killedAgain: kills.map(([flag]) => flag).sort() },
  }
}

const positionOf = ({ epoch, revision }: Position): Position => ({ epoch, revision })

const unchanged: Change<Reopened> = {
  action: 'log.epoch',
  edits: new Map(),
  warnings: [],
  result: { opened: false, killedAgain: [] },
}

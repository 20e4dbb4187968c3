/**
 * Kills that were accepted while the database was away come into the log when it is back. Set union by a kill's id: a
 * flag that was killed meanwhile keeps its kill, which takes up the late one. Scope: the environment's log.
 */
import { entryOf, type FlagKey, type Kill } from '@halyard/sdk/core'
import type { Edit, EntryEdit, LogId } from './change.ts'
import { asJson, killOf, lockedLog } from './documents.ts'

export type SettledKills = {
  /** Flags that are not there any more: there is nothing to kill. */
  readonly absent: readonly FlagKey[]
}

/** @param kills by flag, as they were accepted */
export function settleKills(environment: LogId, kills: Readonly<Record<FlagKey, Kill>>): Edit<SettledKills> {
  return (logs) => {
    const { state } = lockedLog(logs, environment, 'environment-not-found')
    const edits: EntryEdit[] = []
    const absent: FlagKey[] = []
    for (const [flag, kill] of Object.entries(kills)) {
      if (entryOf(state, 'flag', flag) === undefined) {
        absent.push(flag)
        continue
      }
      const merged = withKill(killOf(state, flag), kill)
      if (merged !== undefined) edits.push({ kind: 'kill', key: flag, definition: asJson(merged) })
    }
    return {
      action: 'flag.kill',
      edits: new Map(edits.length > 0 ? [[environment, edits]] : []),
      warnings: [],
      result: { absent },
    }
  }
}

/** A flag's kill with one that came late; undefined where it is in it already. */
export function withKill(current: Kill | undefined, kill: Kill): Kill | undefined {
  if (current === undefined) return kill
  const { also = [] } = current
  if ([current, ...also].some(({ id }) => id === kill.id)) return undefined
  return { ...current, also: [...also, kill] }
}

/**
 * Kill and un-kill: they work on a flag of any shape, broken ones too, and nothing of the flag's own edits can undo
 * a kill. Scope: the environment's log.
 */
import {
  compile,
  type Entry,
  entryOf,
  evaluate,
  type FlagKey,
  type Json,
  type Kill,
  type State,
} from '@halyard/sdk/core'
import type { Edit, LogId } from './change.ts'
import { absentFlag } from './configurations.ts'
import { asJson, killOf, lockedLog } from './documents.ts'
import { quote } from './faults.ts'
import { asText } from './json-text.ts'
import { Problem } from './problem.ts'
import { allDependantsOf } from './references.ts'

/** UTF-16 code units. A longer comment is cut: it is no reason to refuse a kill. */
const LONGEST_COMMENT = 2_000

export type Killed = {
  readonly kill: Kill
  /** The flag was killed before; `kill` is the first one. */
  readonly already: boolean
  /** What apps get from now on. */
  readonly serves: Served
  /** Flags that require this one, directly or not, sorted: they serve their off variant now. */
  readonly alsoOff: readonly FlagKey[]
}
/** Names the kill of a flag before it is made, so that it is the same one wherever it is taken. */
export type KillIds = (flag: FlagKey) => string
export type Served = { readonly variant: string; readonly value: Json } | { readonly codeDefault: true }

export function kill(
  environment: LogId,
  flag: FlagKey,
  input: { readonly comment?: string | undefined; readonly ids?: KillIds } = {},
): Edit<Killed> {
  return (logs, moment) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const { state } = view
    const current = entryOf(state, 'flag', flag)
    if (current === undefined) throw absentFlag(logs, view, flag)
    const first = killOf(state, flag) ?? state.pending.get(flag)?.[0]
    const comment = input.comment ?? moment.comment
    const entry: Kill = first ?? {
      id: input.ids?.(flag) ?? moment.mint(),
      by: moment.actor.name,
      at: new Date(moment.now).toISOString(),
      ...(comment ? { comment: asText(comment.slice(0, LONGEST_COMMENT)) } : {}),
    }
    return {
      action: 'flag.kill',
      edits: new Map(
        first === undefined ? [[environment, [{ kind: 'kill', key: flag, definition: asJson(entry) }]]] : [],
      ),
      warnings: [],
      result: {
        kill: entry,
        already: first !== undefined,
        serves: servedWhenKilled(state, flag, current, entry, moment.now),
        alsoOff: allDependantsOf(state, flag),
      },
    }
  }
}

/** Ends a kill: exactly that entry goes. */
export function unkill(environment: LogId, flag: FlagKey): Edit<{ readonly ended: Kill }> {
  return (logs) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const ended = killOf(view.state, flag)
    if (ended === undefined) {
      if (entryOf(view.state, 'flag', flag) === undefined) throw absentFlag(logs, view, flag)
      throw new Problem('not-killed', `The flag ${quote(flag)} is not killed: there is nothing to end.`)
    }
    return {
      action: 'flag.unkill',
      edits: new Map([[environment, [{ kind: 'kill', key: flag, definition: null }]]]),
      warnings: [],
      result: { ended },
    }
  }
}

/** Asks the evaluator itself, with this flag alone. */
function servedWhenKilled(state: State, flag: FlagKey, current: Entry, entry: Kill, now: number): Served {
  const { revision } = state
  const alone: State = {
    ...state,
    entries: new Map([
      ['flag', new Map([[flag, current]])],
      ['kill', new Map([[flag, { revision, definition: asJson(entry) }]])],
    ]),
  }
  const { variant, value } = evaluate(compile(alone), flag, {}, now)
  return variant === undefined ? { codeDefault: true } : { variant, value }
}

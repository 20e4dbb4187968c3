/**
 * Kill and un-kill: they work on flags of any shape, broken ones too, and nothing of a flag's own edits can undo a
 * kill. Scope: the environment's log.
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
import type { Change, Edit, EntryEdit, LogId, LogView, Moment } from './change.ts'
import { absentFlag } from './current-configuration.ts'
import { asJson, entriesOf, killInForce, killOf, lockedLog } from './documents.ts'
import { quote, quoteSome } from './faults.ts'
import { asText } from './json-text.ts'
import { segmentOfChunk } from './member-chunks.ts'
import { type EditedWhileKilled, Problem } from './problem.ts'
import { allDependantsOf, segmentsUnder } from './references.ts'
import { withKill } from './settle-kills.ts'

/** UTF-16 code units. A longer comment is cut: it is no reason to refuse a kill. */
const LONGEST_COMMENT = 2_000
/** So many flags, or edits, are told of in a refusal. */
const MOST_TOLD = 100

export type KilledFlag = {
  readonly kill: Kill
  /** The flag was killed before; `kill` is the first one. */
  readonly already: boolean
  /** What apps get from now on. */
  readonly serves: Served
}
export type Killed = KilledFlag & {
  /** Flags that require this one, directly or not, sorted: they serve their off variant now. */
  readonly alsoOff: readonly FlagKey[]
}
export type KilledFlags = {
  /** By key, sorted. */
  readonly kills: ReadonlyMap<FlagKey, KilledFlag>
  /** Flags beyond those that require any of them, directly or not, sorted. */
  readonly alsoOff: readonly FlagKey[]
}
/** Names the kill of a flag before it is made, so that it is the same one wherever it is taken. */
export type KillIds = (flag: FlagKey) => string
export type Served = { readonly variant: string; readonly value: Json } | { readonly codeDefault: true }

export type KillInput = { readonly comment?: string | undefined; readonly ids?: KillIds }

export function kill(environment: LogId, flag: FlagKey, input: KillInput = {}): Edit<Killed> {
  return (logs, moment) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const current = entryOf(view.state, 'flag', flag)
    if (current === undefined) throw absentFlag(logs, view, flag)
    const one = taken(view.state, flag, current, input, moment)
    return changeOf(view, [one], moment, (killed, alsoOff) => ({ ...killed(one), alsoOff }))
  }
}

/**
 * Kills several flags at once: those of the list that have a configuration here, or all of the environment.
 * `expect`: how many these are, killed before or not; where there are more or fewer, none is killed.
 */
export function killFlags(
  environment: LogId,
  flags: readonly FlagKey[] | 'all',
  input: KillInput & { readonly expect?: number | undefined } = {},
): Edit<KilledFlags> {
  return (logs, moment) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const all = entriesOf(view.state, 'flag')
    const { again } = moment
    // Sent again, it answers for the flags that it killed, whichever are meant by now.
    const then = again && new Set([...all.keys()].filter((flag) => again.wrote(environment, 'kill', flag)))
    const keys = [...new Set([...(flags === 'all' ? all.keys() : flags), ...(then ?? [])])].sort()
    const matching = keys.flatMap((key) => {
      const current = all.get(key)
      if (current === undefined) return []
      const one = taken(view.state, key, current, input, moment)
      return then === undefined || one.already || then.has(key) ? one : []
    })
    if (matching.length === 0) throw new Problem('flag-not-found', 'No flag of this environment matches.')
    if (again === undefined && input.expect !== undefined && input.expect !== matching.length) {
      throw otherCount(
        input.expect,
        matching.map(({ flag }) => flag),
      )
    }
    return changeOf(view, matching, moment, (killed, alsoOff) => ({
      kills: new Map(matching.map((one) => [one.flag, killed(one)])),
      alsoOff,
    }))
  }
}

function otherCount(expected: number, flags: readonly FlagKey[]): Problem {
  return new Problem(
    'kill-count-differs',
    `${flags.length} flags match, and ${expected} were expected: ${quoteSome(flags)}. Nothing was killed; expect ${flags.length} if these are meant.`,
    { matching: { count: flags.length, flags: flags.slice(0, MOST_TOLD) } },
  )
}

/** A flag with its configuration, and the kill that it has: from before, or from now on. */
type Taken = {
  readonly flag: FlagKey
  readonly current: Entry
  readonly kill: Kill
  readonly already: boolean
}

function taken(state: State, flag: FlagKey, current: Entry, input: KillInput, moment: Moment): Taken {
  const own = state.pending.get(flag)?.find(({ id }) => id === input.ids?.(flag))
  // This very kill was accepted while the database was slow, and is in effect: it is written now, or never.
  const late = own && withKill(killOf(state, flag), own)
  if (late !== undefined) return { flag, current, kill: late, already: false }
  const first = killInForce(state, flag)
  if (first !== undefined) return { flag, current, kill: first, already: true }
  const comment = input.comment ?? moment.comment
  const kill: Kill = {
    id: input.ids?.(flag) ?? moment.mint(),
    by: moment.actor.name,
    at: new Date(moment.now).toISOString(),
    ...(comment ? { comment: asText(comment.slice(0, LONGEST_COMMENT)) } : {}),
  }
  return { flag, current, kill, already: false }
}

function changeOf<R>(
  { id, state }: LogView,
  all: readonly Taken[],
  { now }: Moment,
  resultOf: (killed: (one: Taken) => KilledFlag, alsoOff: readonly FlagKey[]) => R,
): Change<R> {
  const edits = all
    .filter(({ already }) => !already)
    .map(({ flag, kill }): EntryEdit => ({ kind: 'kill', key: flag, definition: asJson(kill) }))
  const serves = servedWhenKilled(state, all, now)
  const alsoOff = allDependantsOf(
    state,
    all.map(({ flag }) => flag),
  )
  return {
    action: 'flag.kill',
    edits: new Map(edits.length === 0 ? [] : [[id, edits]]),
    warnings: [],
    result: resultOf(({ flag, kill, already }) => ({ kill, already, serves: serves(flag) }), alsoOff),
  }
}

/** What an un-kill names: of the kills that an entry took up, the last, so that none ends unseen. */
export const newestOf = (kill: Kill): Kill => kill.also?.at(-1) ?? kill

/** Who wrote a revision, and when (epoch milliseconds), where that is known. */
export type WrittenBy = (revision: number) => { readonly at: number; readonly by: string } | undefined

export type Unkilled = {
  readonly ended: Kill
  /** What was changed since the kill, and takes effect with its end. */
  readonly editedWhileKilled: readonly EditedWhileKilled[]
}

/**
 * Ends a kill: exactly that entry goes. Refused where the flag is killed by another than the one that is named; and,
 * unless that is accepted, where the flag or a segment that it uses was edited since.
 */
export function unkill(
  environment: LogId,
  flag: FlagKey,
  input: {
    /** The id of the kill to end; null where none was seen, and whichever it is, where absent. */
    readonly kill?: string | null
    readonly acceptEdits?: boolean | undefined
    readonly writtenBy?: WrittenBy
  } = {},
): Edit<Unkilled> {
  return (logs, { again }) => {
    const view = lockedLog(logs, environment, 'environment-not-found')
    const { state } = view
    const entry = entryOf(state, 'kill', flag)
    const [late] = state.pending.get(flag) ?? []
    if (late !== undefined) throw notWrittenYet(flag, late)
    if (entry === undefined) {
      if (entryOf(state, 'flag', flag) === undefined) throw absentFlag(logs, view, flag)
      throw new Problem('not-killed', `The flag ${quote(flag)} is not killed: there is nothing to end.`)
    }
    const ended = entry.definition as unknown as Kill
    const { id, by, at } = newestOf(ended)
    if (again === undefined && input.kill !== undefined && input.kill !== id) {
      throw new Problem(
        'kill-changed',
        `The flag ${quote(flag)} is killed by another kill than the one that was meant: by ${quote(id)}, which is ${quote(by)}’s of ${at}. Nothing was ended; name that one if it is meant.`,
      )
    }
    const editedWhileKilled = editsSince(state, flag, entry.revision, ended, input.writtenBy)
    if (again === undefined && editedWhileKilled.length > 0 && input.acceptEdits !== true) {
      const edited = editedWhileKilled.map(({ kind, key }) => `${kind} ${key}`)
      throw new Problem(
        'edited-while-killed',
        `Since the flag ${quote(flag)} was killed, these were edited: ${quoteSome(edited)}. It stays killed; look at them, and accept the edits if they are meant to be served.`,
        { editedWhileKilled },
      )
    }
    return {
      action: 'flag.unkill',
      edits: new Map([[environment, [{ kind: 'kill', key: flag, definition: null }]]]),
      warnings: [],
      result: { ended, editedWhileKilled },
    }
  }
}

/** A kill that was taken without the database, which does not have it yet. */
export function notWrittenYet(flag: FlagKey, { by, at }: Kill): Problem {
  return new Problem(
    'unavailable',
    `The flag ${quote(flag)} is killed by ${quote(by)} since ${at}, and the database does not have that kill yet: nothing can end it before. Try again.`,
    { retryAfter: 1 },
  )
}

/** What the flag serves by, as far as it is newer than its kill. */
function editsSince(
  state: State,
  flag: FlagKey,
  killedIn: number,
  { at, also = [] }: Kill,
  writtenBy: WrittenBy = () => undefined,
): readonly EditedWhileKilled[] {
  const killedAt = Math.min(Date.parse(at), ...also.map((other) => Date.parse(other.at)))
  const edited: EditedWhileKilled[] = []
  const look = (kind: EditedWhileKilled['kind'], key: string, revision: number): void => {
    const written = writtenBy(revision)
    // A kill that was taken without the database has a later revision than what was written meanwhile.
    if (revision <= killedIn && !(written !== undefined && written.at > killedAt)) return
    const said = written && { at: new Date(written.at).toISOString(), by: written.by }
    edited.push({ kind, key, revision, ...said })
  }
  const configuration = entryOf(state, 'flag', flag)
  if (configuration !== undefined) look('flag', flag, configuration.revision)
  const segments = segmentsUnder(state, configuration?.definition)
  for (const key of [...segments].sort()) {
    const segment = entryOf(state, 'segment', key)
    if (segment !== undefined) look('segment', key, segment.revision)
  }
  const members = new Map<string, number>()
  for (const [chunk, { revision }] of segments.size === 0 ? [] : entriesOf(state, 'members')) {
    const segment = segmentOfChunk(chunk)
    if (segments.has(segment)) members.set(segment, Math.max(revision, members.get(segment) ?? 0))
  }
  for (const [key, revision] of [...members].sort()) look('members', key, revision)
  return edited.slice(0, MOST_TOLD)
}

/** Asks the evaluator itself, with these flags alone. */
function servedWhenKilled(state: State, all: readonly Taken[], now: number): (flag: FlagKey) => Served {
  const { revision } = state
  const compiled = compile({
    ...state,
    entries: new Map([
      ['flag', new Map(all.map(({ flag, current }) => [flag, current]))],
      ['kill', new Map(all.map(({ flag, kill }) => [flag, { revision, definition: asJson(kill) }]))],
    ]),
  })
  return (flag) => {
    const { variant, value } = evaluate(compiled, flag, {}, now)
    return variant === undefined ? { codeDefault: true } : { variant, value }
  }
}

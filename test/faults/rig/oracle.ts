/**
 * The oracle: what must hold when everything else is on fire. It is told what apps, remote callers and writers saw, and
 * reads the history past the service; what it expects comes from the reference evaluator and from what each write said
 * beforehand, never from the code that is tested.
 */
import { compareStates, type Json } from '@halyard/sdk/core'
import type { Outcome, Position } from './apps.ts'
import type { RemoteOutcome } from './evaluations.ts'
import { NUMBERED, PROBES, USERS } from './flags.ts'
import type { ChangeRecord, History } from './history.ts'
import { type Answer, type Find, reference, Unsupported } from './reference.ts'
import type { Write } from './writer.ts'

export type Seen = {
  readonly local: readonly Outcome[]
  readonly remote: readonly RemoteOutcome[]
  readonly writes: readonly Write[]
  /** Steps back, and evaluations that threw. */
  readonly wrong: readonly string[]
}

export type Verdict = {
  /** G0: answers that differ from an independent evaluation of the state that they name. */
  readonly wrongEvaluations: readonly string[]
  /** G1: writes that were answered 2xx, and are not in the history as they promised; and such as were done twice. */
  readonly lostWrites: readonly string[]
  /** G2, and what threw. */
  readonly wrong: readonly string[]
  /** Different (state, question, answer) that were checked, and the states among them. */
  readonly checked: { readonly local: number; readonly remote: number; readonly states: number }
  readonly acknowledged: number
}

/**
 * @param histories all that the database ever had: more than one where a backup was restored
 * @param unkeyed a release also wrote that kept no Idempotency-Key: a record without one may be any write's
 */
export function judge(seen: Seen, histories: readonly History[], unkeyed = false): Verdict {
  const states = new Set<string>()
  const wrongEvaluations: string[] = []
  const findAt = (position: Position): Find | undefined => {
    states.add(`${position.epoch}-${position.revision}`)
    for (const history of histories) {
      const find = history.at(position)
      if (find !== undefined) return find
    }
    return undefined
  }

  const kept = keptKills(seen.writes, histories)
  for (const outcome of seen.local) {
    const fault = faultIn(outcome, (at) => finds(findAt(at), kept, at))
    if (fault !== undefined)
      wrongEvaluations.push(
        `an SDK at ${tag(outcome.at)}: ${outcome.probe.flag} for ${outcome.probe.user}: ${fault}`,
      )
  }
  for (const outcome of seen.remote) {
    if (!OWN.has(outcome.flag)) continue
    const fault = remoteFaultIn(outcome, histories, (at) => finds(findAt(at), kept, at))
    if (fault !== undefined)
      wrongEvaluations.push(`a server at ${outcome.revision}: ${outcome.flag} for ${outcome.user}: ${fault}`)
  }
  wrongEvaluations.push(...againstLedger(seen))
  const acknowledged = seen.writes.filter((write) => write.acknowledged !== undefined)
  return {
    wrongEvaluations,
    lostWrites: [...lost(acknowledged, histories, unkeyed), ...twice(seen.writes, histories)],
    wrong: seen.wrong,
    checked: { local: seen.local.length, remote: seen.remote.length, states: states.size },
    acknowledged: acknowledged.length,
  }
}

/** The load's own flags: answers for all flags bring those along that a row has broken. */
const OWN: ReadonlySet<string> = new Set(PROBES.map(({ flag }) => flag))

const tag = ({ epoch, revision }: Position) => `${epoch}-${revision}`

/** A kill that may have been in effect before the log had it, whether somebody was told so or not. */
type KeptKill = {
  readonly flag: string
  /**
   * The state that it was answered at, and the one that has it, perhaps of a newer epoch and a lower revision: it shows
   * in none that are not between.
   */
  readonly on: Position | undefined
  /** Undefined where it never came into the log. */
  readonly until: Position | undefined
}

/** What the database takes sooner than this is not kept elsewhere before, milliseconds (ADR 32). */
const KEPT_AFTER_MS = 100

function keptKills(writes: readonly Write[], histories: readonly History[]): readonly KeptKill[] {
  return writes.flatMap(({ id, tries, expectation, acknowledged: on }) => {
    const { kind, key: flag, holds } = expectation
    if (kind !== 'kill' || holds(null)) return []
    const logged = on !== undefined && on.journaled !== true
    if (logged && tries.every(({ ms }) => ms < KEPT_AFTER_MS)) return []
    return [{ flag, on, until: recordOf(id, histories) }]
  })
}

function recordOf(id: string, histories: readonly History[]): ChangeRecord | undefined {
  return histories.flatMap(({ records }) => records).find(({ idempotencyKey }) => idempotencyKey === id)
}

/** By how many revisions one instance may be behind another. */
const BEHIND = 50

/**
 * The documents of a state, and the same with kills that the log did not have yet: who holds the state may have heard of
 * them or not.
 */
function finds(find: Find | undefined, kept: readonly KeptKill[], at: Position): readonly Find[] {
  if (find === undefined) return []
  const flags = kept.flatMap(({ flag, on, until }) => {
    const since = on && { epoch: on.epoch, revision: on.revision - BEHIND }
    const begun = since === undefined || compareStates(at, since) >= 0
    return begun && (until === undefined || compareStates(at, until) < 0) ? [flag] : []
  })
  const all: Find[] = [find]
  for (const flag of new Set(flags)) {
    for (const one of [...all])
      all.push((kind, key) => (kind === 'kill' && key === flag ? {} : one(kind, key)))
  }
  return all
}

type FindsAt = (position: Position) => readonly Find[]

/** What is wrong with an SDK's answer. */
function faultIn(outcome: Outcome, findsAt: FindsAt): string | undefined {
  const { probe, at, value, reason, errorCode } = outcome
  if (outcome.unserved) {
    const isDefault = same(value, probe.fallback) && errorCode === 'PROVIDER_NOT_READY'
    return isDefault ? undefined : `no state was held, and the answer is ${JSON.stringify(outcome)}`
  }
  const given = { value, variant: outcome.variant, reason, errorCode }
  return leastFault(
    findsAt(at).map((find) => {
      const answer = opinionOn(find, probe)
      if (answer === undefined) return undefined
      return difference(answer, given, answer.value === undefined ? probe.fallback : answer.value)
    }),
  )
}

/** @param faults by each of the states that it may have been; undefined is none */
function leastFault(faults: readonly (string | undefined)[]): string | undefined {
  if (faults.length === 0) return 'there never was such a state'
  return faults.includes(undefined) ? undefined : faults[0]
}

/** The load's own flags are such as the reference knows; of those that a row has broken it may know nothing. */
function opinionOn(find: Find, { flag, user }: Outcome['probe']): Answer | undefined {
  try {
    return reference(find, flag, USERS[user] as never)
  } catch (error) {
    if (error instanceof Unsupported && !OWN.has(flag)) return undefined
    throw error
  }
}

/** An answer over OFREP names the revision, but not the epoch: one of the histories must have it so. */
function remoteFaultIn(
  outcome: RemoteOutcome,
  histories: readonly History[],
  findsAt: FindsAt,
): string | undefined {
  const { revision, flag, user, value, variant, reason, errorCode } = outcome
  if (revision === null) return `an answer that names no state: ${errorCode ?? reason}`
  const faults = histories.flatMap((history) => {
    const epoch = history.epochOf(revision)
    if (epoch === undefined) return []
    return findsAt({ epoch, revision }).map((find) => {
      const answer = reference(find, flag, USERS[user] as never)
      return difference(answer, { value, variant, reason, errorCode }, answer.value ?? null)
    })
  })
  return leastFault(faults)
}

function difference(
  answer: Answer,
  given: Readonly<Record<'variant' | 'reason' | 'errorCode', string | null>> & { readonly value: Json },
  value: Json,
): string | undefined {
  const right =
    same(given.value, value) &&
    given.variant === (answer.variant ?? null) &&
    given.reason === answer.reason &&
    given.errorCode === (answer.errorCode ?? null)
  return right ? undefined : `${JSON.stringify(given)}, where ${JSON.stringify(answer)} is right`
}

const same = (one: Json, other: Json) => JSON.stringify(one) === JSON.stringify(other)

/**
 * A second opinion that needs neither database nor evaluator: a numbered flag has the number of the last write that was
 * acknowledged at or before the state's revision. Where a write was given up, its flag's number is unknown from then on.
 */
function againstLedger(seen: Seen): readonly string[] {
  const doubtful = new Set(
    seen.writes.flatMap(({ acknowledged, expectation }) =>
      acknowledged === undefined ? [expectation.key] : [],
    ),
  )
  const ledger = new Map<string, Write[]>()
  for (const write of seen.writes) {
    const { key } = write.expectation
    if (!NUMBERED.includes(key) || doubtful.has(key)) continue
    ledger.set(key, [...(ledger.get(key) ?? []), write])
  }
  return seen.local.flatMap(({ probe, at, value, unserved }) => {
    const writes = ledger.get(probe.flag)
    if (writes === undefined || unserved) return []
    const own = writes.filter(({ acknowledged }) => acknowledged?.epoch === at.epoch)
    const before = own.filter(({ acknowledged }) => (acknowledged?.revision ?? 0) <= at.revision)
    if (before.length === 0) return []
    const last = before.reduce((newest, write) =>
      (write.acknowledged?.revision ?? 0) > (newest.acknowledged?.revision ?? 0) ? write : newest,
    )
    return last.expectation.holds({ variants: { current: value } })
      ? []
      : [
          `an SDK at ${tag(at)}: ${probe.flag} is ${JSON.stringify(value)}, after ${last.what} at ${last.acknowledged?.revision}`,
        ]
  })
}

function lost(
  acknowledged: readonly Write[],
  histories: readonly History[],
  unkeyed: boolean,
): readonly string[] {
  return acknowledged.flatMap(({ id, what, expectation, acknowledged: told }) => {
    // One that found the flag killed, by a kill that was kept in the same way, has no record of its own.
    if (told === undefined || (told.journaled && told.already)) return []
    const promise = told.journaled ? asLogged(id, told, histories) : told
    if (promise === undefined) return [`${what}, kept before the log had it, never came there`]
    const history = histories.find(({ at }) => at(promise) !== undefined)
    const find = history?.at(promise)
    if (history === undefined || find === undefined)
      return [`${what}: revision ${tag(promise)} is not in the history`]
    const definition = find(expectation.kind, expectation.key) ?? null
    if (!expectation.holds(definition))
      return [`${what} at ${tag(promise)}: the document is ${JSON.stringify(definition)}`]
    const audited = history.records.some(
      ({ revision, idempotencyKey }) =>
        revision === promise.revision && (idempotencyKey === id || (unkeyed && idempotencyKey === null)),
    )
    return audited || promise.already ? [] : [`${what} at ${tag(promise)}: no change record tells of it`]
  })
}

/** A kill that was kept before the log had it, as of the revision that has it. */
function asLogged(
  id: string,
  told: NonNullable<Write['acknowledged']>,
  histories: readonly History[],
): Write['acknowledged'] {
  const record = recordOf(id, histories)
  return record && { ...told, epoch: record.epoch, revision: record.revision }
}

/** However often a request came, it is one change. */
function twice(writes: readonly Write[], histories: readonly History[]): readonly string[] {
  return writes.flatMap(({ id, what }) => {
    const most = Math.max(
      ...histories.map(({ records }) => records.filter(({ idempotencyKey }) => idempotencyKey === id).length),
    )
    return most > 1 ? [`${what} was done ${most} times`] : []
  })
}

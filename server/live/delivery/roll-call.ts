/**
 * Asks all instances who is connected to an environment, and they their SDKs. Nothing is told that nobody asked for: a
 * question is put up, each instance asks the processes that speak to it, and puts up its answer once. Where the boards
 * are away, instances are asked directly.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LogId } from '../../domain/change.ts'
import { isObject } from '../../domain/reading.ts'
import { inTime } from '../../waiting.ts'
import type { Noticeboard } from '../noticeboard.ts'
import type { Instance, Presence } from '../presence.ts'
import { singleFlight } from '../single-flight.ts'
import {
  type Attendance,
  attendanceOf,
  type Present,
  type RollCallAnswer,
  type ServerMissing,
} from './attendance.ts'
import { type Follower, type How, howOf, type Position, type Roster } from './roster.ts'

export type RollCall = {
  start(): void
  /**
   * Who is there now, and since when (epoch milliseconds) that is so: within seconds, or what was found out a moment
   * ago. Never rejects: who does not answer is missing.
   */
  of(environment: LogId): Promise<Attendance & { readonly at: number }>
  /** What this instance answers to another that asks it directly. */
  answer(question: Question): Promise<string>
  stop(): void
}

export type RollCallDeps = {
  /** Undefined where this instance is alone. */
  readonly boards: { readonly questions: Noticeboard; readonly answers: Noticeboard } | undefined
  /** Asks another instance directly: its answer. */
  readonly direct: (server: string, question: Question, withinMs: number) => Promise<string>
  readonly presence: Pick<Presence, 'known' | 'own' | 'seen'>
  readonly roster: (environment: LogId) => Roster | undefined
  /** Asks the SDKs that are connected here what they hold, to be answered within that time, milliseconds. */
  readonly ask: (environment: LogId, withinMs: number) => void
  readonly windowMs: (environment: LogId) => number
  readonly held: (environment: LogId) => Position | undefined
  /** Why an environment cannot be brought forward, where that is so. */
  readonly refusal: (environment: LogId) => string | undefined
  /** Epoch milliseconds. */
  readonly clock: { now(): number }
}

export type Question = { readonly id: string; readonly environment: LogId; readonly by: string }

/** From one look for questions to the next, milliseconds. */
const LOOK_MS = 500
/** A question stands for as long as its asker waits. */
const WAIT_MS = 4_000
const ANSWER_STANDS_MS = 10_000
/** Who has not answered by the boards so long after the question is asked directly, milliseconds: it may not reach them. */
const DIRECTLY_MS = 1_500
/** From one look for answers to the next: soon at first, later less often, milliseconds. */
const READ_MS = { first: 50, most: 400, growth: 1.3, withinMs: 500 }
/** How long SDKs have beyond their window, and how often it is looked whether all have answered, milliseconds. */
const GRACE_MS = 500
const HEARD_MS = 20
/** How long an SDK's answer is under way, milliseconds. */
const UNDER_WAY_MS = 100
/** What was found out is good for this long, milliseconds. */
const FRESH_MS = 1_000
/** More processes are counted, and not named. */
const MOST_NAMED = 20_000

export function createRollCall(deps: RollCallDeps): RollCall {
  const { boards, direct, presence, roster, ask, windowMs, held, refusal, clock } = deps
  const self = presence.own().id
  const calls = shared(callAll)
  const ownAnswers = shared(answer)
  /** Questions that were answered, and when. */
  const answered = new Map<string, number>()
  let looking: NodeJS.Timeout | undefined
  let stopped = false

  /** What is known here, once those who are connected had their time to say what they hold. */
  async function answer(environment: LogId): Promise<RollCallAnswer> {
    const asked = clock.now()
    const window = windowMs(environment)
    ask(environment, window)
    const until = asked + window + GRACE_MS
    // Behind a load balancer, those whom others ask may answer here; the others see the question a look later.
    const others = (await presence.known(READ_MS.withinMs)).some((id) => id !== self)
    const atLeast = others ? asked + LOOK_MS + window + UNDER_WAY_MS : asked
    const silent = (): boolean => {
      for (const { streams, heardAt } of roster(environment)?.all() ?? []) {
        if (streams > 0 && heardAt < asked) return true
      }
      return false
    }
    while (clock.now() < atLeast || (silent() && clock.now() < until)) {
      if (stopped) break
      await sleep(HEARD_MS)
    }
    return answerOf(presence.own(), held(environment), refusal(environment), roster(environment), clock.now())
  }

  const answerTo = async ({ id, environment }: Pick<Question, 'id' | 'environment'>): Promise<string> =>
    JSON.stringify({ to: id, ...(await ownAnswers(environment)) })

  async function look(): Promise<void> {
    const texts = (await boards?.questions.all().catch(() => undefined)) ?? []
    const now = clock.now()
    for (const [id, at] of answered) if (now - at > ANSWER_STANDS_MS) answered.delete(id)
    const open = texts
      .flatMap((text) => readQuestion(text) ?? [])
      .filter(({ id, by }) => by !== self && !answered.has(id))
    for (const { id, environment } of open) {
      answered.set(id, now)
      void answerTo({ id, environment }).then((said) =>
        boards?.answers.put(`${self}:${id}`, said, ANSWER_STANDS_MS).catch(() => undefined),
      )
    }
  }

  const lookOnce = singleFlight(look)

  async function callAll(environment: LogId): Promise<Attendance & { readonly at: number }> {
    const question: Question = { id: randomUUID(), environment, by: self }
    const until = clock.now() + WAIT_MS
    const answers = new Map<string, RollCallAnswer>()
    const note = (text: string): void => {
      const said = readAnswer(text, question.id)
      if (said !== undefined) answers.set(said.server.id, said)
    }
    const directly = new Set<string>()
    const askDirectly = (server: string): void => {
      if (answers.has(server) || directly.has(server)) return
      directly.add(server)
      direct(server, question, WAIT_MS).then(note, () => undefined)
    }
    const put = boards?.questions
      .put(`${self}:${environment}`, JSON.stringify(question), WAIT_MS)
      .then(() => true)
    const asking = Promise.all([presence.known(READ_MS.withinMs), put && inTime(put, READ_MS.withinMs)]).then(
      ([known, isUp]) => {
        const others = known.filter((id) => id !== self)
        if (!isUp) others.forEach(askDirectly)
        return others
      },
    )
    const [own, others] = await Promise.all([ownAnswers(environment), asking])
    answers.set(self, own)
    let pause = READ_MS.first
    while (others.some((id) => !answers.has(id)) && clock.now() < until && !stopped) {
      if (until - clock.now() < WAIT_MS - DIRECTLY_MS) others.forEach(askDirectly)
      const texts = boards && (await inTime(boards.answers.all(), READ_MS.withinMs))
      texts?.forEach(note)
      await sleep(pause)
      pause = Math.min(READ_MS.most, pause * READ_MS.growth)
    }
    await boards?.questions.remove(`${self}:${environment}`).catch(() => undefined)
    const missing = others.filter((id) => !answers.has(id)).map(missingOf)
    return { ...attendanceOf([...answers.values()], missing), at: clock.now() }
  }

  function missingOf(server: string): ServerMissing {
    const seen = presence.seen(server)
    if (seen === undefined) return { server }
    const { version, address } = seen.instance
    return {
      server,
      version,
      ...(address !== undefined && { address }),
      silentMs: Math.max(0, clock.now() - seen.at),
    }
  }

  /** One at a time for an environment; who asks meanwhile, or a moment later, gets the same. */
  function shared<T>(work: (environment: LogId) => Promise<T>): (environment: LogId) => Promise<T> {
    const running = new Map<LogId, Promise<T>>()
    return (environment) => {
      let found = running.get(environment)
      if (found === undefined) {
        found = work(environment)
        running.set(environment, found)
        const forget = (): void => void running.delete(environment)
        found.then(() => setTimeout(forget, FRESH_MS).unref(), forget)
      }
      return found
    }
  }

  return {
    start() {
      if (boards === undefined) return
      looking ??= setInterval(lookOnce, LOOK_MS).unref()
    },
    of: calls,
    answer: answerTo,
    stop() {
      stopped = true
      clearInterval(looking)
    },
  }
}

function answerOf(
  { id, version, address, since }: Instance,
  at: Position | undefined,
  reason: string | undefined,
  roster: Roster | undefined,
  now: number,
): RollCallAnswer {
  const names = new Map<string, { readonly at: number; readonly name: RollCallAnswer['names'][number] }>()
  const whoIs = ({ app, version: of, sdk }: Follower): number => {
    const key = JSON.stringify([app, of, sdk])
    const known = names.get(key)
    if (known !== undefined) return known.at
    names.set(key, { at: names.size, name: [app, of, sdk] })
    return names.size - 1
  }
  const present: Present[] = []
  for (const follower of roster?.all() ?? []) {
    if (present.length >= MOST_NAMED) break
    const { instance, epoch, revision, heardAt, everyMs } = follower
    const silentMs = Math.max(0, now - heardAt)
    present.push([whoIs(follower), instance, epoch, revision, howOf(follower), silentMs, everyMs])
  }
  const refused = at === undefined ? 'it has not loaded this environment' : reason
  return {
    server: { id, version, ...(address !== undefined && { address }), since },
    epoch: at?.epoch ?? 0,
    revision: at?.revision ?? 0,
    ...(refused !== undefined && { refused }),
    names: [...names.values()].map(({ name }) => name),
    present,
    unnamed: Math.max(0, (roster?.size ?? 0) - present.length),
    left: roster?.departed(now).slice(0, MOST_NAMED) ?? [],
  }
}

function readQuestion(text: string): Question | undefined {
  const told = objectIn(text)
  const { id, environment, by } = told ?? {}
  if (typeof id !== 'string' || typeof environment !== 'string' || typeof by !== 'string') return undefined
  return { id, environment, by }
}

/** An answer to that question; undefined for what is none. Other versions of the service may tell more. */
function readAnswer(text: string, question: string): RollCallAnswer | undefined {
  // Answers to others are as large, and of no interest.
  if (!text.includes(question)) return undefined
  const told = objectIn(text)
  if (told?.to !== question) return undefined
  const { server, epoch, revision, names, present, unnamed, left } = told
  const numbers = [epoch, revision, unnamed].every((one) => typeof one === 'number')
  const lists = [names, present, left].every((one) => Array.isArray(one))
  if (!numbers || !lists || !isServer(server)) return undefined
  const named = (names as unknown[]).every(isTexts)
  return named && (present as unknown[]).every(isPresent) && isTexts(left)
    ? (told as RollCallAnswer & typeof told)
    : undefined
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const told: unknown = JSON.parse(text)
    return isObject(told) ? told : undefined
  } catch {
    return undefined
  }
}

function isServer(told: unknown): boolean {
  if (!isObject(told)) return false
  const { id, version, since } = told
  return typeof id === 'string' && typeof version === 'string' && typeof since === 'number'
}

const HOWS: ReadonlySet<unknown> = new Set<How>(['stream', 'poll', 'away', 'elsewhere'])

function isPresent(told: unknown): boolean {
  if (!Array.isArray(told)) return false
  const [who, instance, epoch, revision, how, silentMs, everyMs] = told
  const numbers = [who, epoch, revision, silentMs, everyMs]
  return typeof instance === 'string' && HOWS.has(how) && numbers.every((one) => typeof one === 'number')
}

function isTexts(told: unknown): boolean {
  return Array.isArray(told) && told.every((text) => typeof text === 'string')
}

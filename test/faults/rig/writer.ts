/**
 * Several writes a second, and a kill or its end every few seconds, against whichever server answers. Each write says
 * beforehand what it must leave in the log, and comes again under its own Idempotency-Key when it was not answered.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '@halyard/sdk/core'
import type { KillReport } from '../../../server/live/delivery/account.ts'
import { ANY, type Answer, DEVELOPMENT, type Rest } from '../../support/rest.ts'
import { CONDITIONS, KILLED, NUMBERED, RULED, SEGMENT, SPLIT } from './flags.ts'
import { memberChunk } from './reference.ts'
import { now } from './timeline.ts'

/** A server as writers reach it; `many`: one address of several servers, each of which may answer. */
export type Target = {
  readonly name: string
  readonly rest: Rest
  readonly evaluate: EvaluateFlag
  readonly many?: boolean
}
export type EvaluateFlag = (flag: string) => Promise<Readonly<Record<string, Json>>>

/** What a write must leave: the document under (kind, key) as of its revision; `null` for one that it removes. */
export type Expectation = {
  readonly kind: 'flag' | 'kill' | 'members'
  readonly key: string
  readonly holds: (definition: Json) => boolean
}

export type Tried = {
  readonly target: string
  readonly at: number
  readonly ms: number
  readonly status: number | string
}
export type Write = {
  /** Its Idempotency-Key. */
  readonly id: string
  readonly what: string
  readonly expectation: Expectation
  /** Every time that it was sent. */
  readonly tries: readonly Tried[]
  /** When it was answered 2xx, and as which revision; undefined where it never was. */
  readonly acknowledged?: {
    readonly at: number
    readonly epoch: number
    readonly revision: number
    /** It found done what it asked for, and wrote nothing. */
    readonly already: boolean
    /** Of a kill that the log does not have yet: the state is the one that it was taken on. */
    readonly journaled?: boolean
  }
}

export type Kill = {
  readonly flag: string
  readonly at: number
  /** From its first try to its 2xx, however many servers were asked; undefined where none took it. */
  readonly ms: number | undefined
  readonly tries: readonly Tried[]
  /** What the 2xx said. */
  readonly answer: KillAnswer | undefined
}

/** As far as it is judged. Releases of the past say nothing of delivery. */
export type KillAnswer = Partial<KillReport> & {
  readonly epoch: number
  readonly revision: number
  readonly already?: boolean
  readonly durability?: string
}

export type Writer = {
  readonly writes: readonly Write[]
  readonly kills: readonly Kill[]
  /** Answers that may never be. */
  readonly wrong: readonly string[]
  /** Ends when what is under way is answered. */
  readonly stop: () => Promise<void>
}

type Request = {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly expectation: Expectation
}

type Acknowledged = {
  readonly epoch: number
  readonly revision: number
  readonly already?: boolean
  readonly durability?: string
}

/** Of an answer to a kill: no revision has it yet. */
export function isJournaled({ durability }: Pick<Acknowledged, 'durability'>): boolean {
  return durability?.startsWith('journal') === true
}

/** A kill that not everyone has acknowledged yet is answered 202. */
export function isTaken(status: number | string): boolean {
  return status === 200 || status === 202
}

export type Pace = { readonly writers?: number; readonly pauseMs?: number; readonly killEveryMs?: number }

/** Sent again so often, so far apart, to another server each time; then given up. */
const TRIES = 3
const AGAIN_MS = 250

export function startWriter(
  targets: readonly Target[],
  { writers = 3, pauseMs = 400, killEveryMs = 2_000 }: Pace = {},
): Writer {
  const writes: Write[] = []
  const kills: Kill[] = []
  const wrong: string[] = []
  let stopped = false
  let number = 0
  let turn = 0

  async function tryOnce(request: Request, id: string, target: Target): Promise<[Tried, Answer | undefined]> {
    const at = now()
    const headers = { ...ANY, 'idempotency-key': id, ...request.headers }
    try {
      const answer = await target.rest.ask(request.method, request.path, request.body, headers)
      return [{ target: target.name, at, ms: now() - at, status: answer.status }, answer]
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause?.code
      return [{ target: target.name, at, ms: now() - at, status: cause ?? String(error) }, undefined]
    }
  }

  /** Sends it until it is answered 2xx, or given up. What is neither 2xx nor 503 is a fault of somebody's. */
  async function send(
    request: Request,
    tries = TRIES,
    againMs = AGAIN_MS,
  ): Promise<[Write, Answer | undefined, Target | undefined]> {
    const id = randomUUID()
    const { what, expectation } = request
    const tried: Tried[] = []
    for (let attempt = 0; attempt < tries && (attempt === 0 || !stopped); attempt += 1) {
      if (attempt > 0) await sleep(againMs)
      turn += 1
      const target = targets[turn % targets.length] as Target
      const [one, answer] = await tryOnce(request, id, target)
      tried.push(one)
      if (answer === undefined || answer.status === 503) continue
      if (answer.status < 200 || answer.status > 299) {
        wrong.push(`${what} was answered ${answer.status}: ${JSON.stringify(answer.body)}`)
        break
      }
      const { epoch, revision, already = false, ...rest } = answer.body as Acknowledged
      const acknowledged = { at: now(), epoch, revision, already, journaled: isJournaled(rest) }
      const write = { id, what, expectation, tries: tried, acknowledged }
      writes.push(write)
      return [write, answer, target]
    }
    const write = { id, what, expectation, tries: tried }
    writes.push(write)
    return [write, undefined, undefined]
  }

  async function writing(): Promise<void> {
    while (!stopped) {
      number += 1
      await send(requestFor(number))
      await sleep(pauseMs * (0.5 + Math.random()))
    }
  }

  /** A person at three in the morning: asks one server after the other, at once. */
  async function killing(): Promise<void> {
    for (let round = 0; !stopped; round += 1) {
      const flag = KILLED[round % KILLED.length] as string
      const path = `${DEVELOPMENT}/flags/${flag}/kill`
      const at = now()
      const [kill, answer, target] = await send(
        {
          what: `kill ${flag}`,
          method: 'PUT',
          path,
          body: { comment: `round ${round}` },
          expectation: { kind: 'kill', key: flag, holds: (definition) => definition !== null },
        },
        targets.length,
        0,
      )
      kills.push({
        ...{ flag, at, ms: answer && now() - at, tries: kill.tries },
        answer: answer?.body as KillAnswer | undefined,
      })
      if (answer !== undefined && target !== undefined) await isOff(flag, answer, target)
      await sleep(killEveryMs / 2)
      // Given up, it may have been done or not: then there may be nothing to end.
      if (answer !== undefined) await endKill(flag, path)
      await sleep(killEveryMs / 2)
    }
  }

  /** For as long as it takes: what is killed must not stay so because nobody could be asked. */
  async function endKill(flag: string, path: string): Promise<void> {
    await send(
      {
        what: `end the kill of ${flag}`,
        method: 'DELETE',
        path,
        expectation: { kind: 'kill', key: flag, holds: (definition) => definition === null },
      },
      Number.POSITIVE_INFINITY,
    )
  }

  /** A 2xx means: already evaluated by the server that answered; and what it says of the value is the truth. */
  async function isOff(flag: string, { body }: Answer, target: Target): Promise<void> {
    const { serves, revision } = body as { serves: Json; revision: number }
    if (JSON.stringify(serves) !== '{"variant":"off","value":false}')
      wrong.push(`the kill of ${flag} says that it serves ${JSON.stringify(serves)}`)
    const seen = await target.evaluate(flag).catch(() => undefined)
    const metadata = seen?.metadata as { readonly revision?: number; readonly killed?: boolean } | undefined
    if (seen === undefined || typeof metadata?.revision !== 'number') return
    if (metadata.revision < revision && !target.many)
      wrong.push(
        `${target.name} answered the kill at ${revision}, and then evaluates at ${metadata.revision}`,
      )
    else if (metadata.revision === revision && (seen.value !== false || metadata.killed !== true))
      wrong.push(`${target.name} evaluates the killed ${flag} as ${JSON.stringify(seen)}`)
  }

  const running = Promise.all([killing(), ...Array.from({ length: writers }, writing)])
  // A failure of the writer itself shows where it is stopped.
  running.catch(() => {})
  return {
    writes,
    kills,
    wrong,
    stop: async () => {
      stopped = true
      await running
    },
  }
}

/** The `n`th write: no two leave the same document. */
function requestFor(n: number): Request {
  const flagPath = (key: string) => `${DEVELOPMENT}/flags/${key}`
  const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T
  const kind = n % 8
  if (kind === 0) {
    const key = at(RULED, n / 8)
    const description = `write ${n}`
    return {
      what: `rules of ${key}`,
      method: 'PATCH',
      path: flagPath(key),
      body: { rules: [{ id: 'r', description, when: at(CONDITIONS, n / 8), serve: { variant: 'in' } }] },
      expectation: {
        kind: 'flag',
        key,
        holds: (definition) =>
          (definition as { rules?: { description?: string }[] } | null)?.rules?.[0]?.description ===
          description,
      },
    }
  }
  if (kind === 1) {
    const key = at(SPLIT, (n - 1) / 8)
    const percent = (1_000 + ((n * 7_919) % 98_000)) / 1_000
    const rest = Math.round((100 - percent) * 1_000) / 1_000
    return {
      what: `split of ${key}`,
      method: 'PUT',
      path: `${flagPath(key)}/fallthrough`,
      body: {
        split: {
          shares: [
            { variant: 'on', percent },
            { variant: 'off', percent: rest },
          ],
        },
      },
      expectation: {
        kind: 'flag',
        key,
        holds: (definition) => JSON.stringify(definition).includes(`${percent}`),
      },
    }
  }
  if (kind === 2) {
    // Somebody who is new, and by turns somebody whom the load asks about.
    const added = `member-${n}`
    const known = `user-${(n >> 3) % 12}`
    const change = (n >> 3) % 24 < 12 ? { add: [added, known] } : { add: [added], remove: [known] }
    return {
      what: 'members',
      method: 'PATCH',
      path: `${DEVELOPMENT}/segments/${SEGMENT}/members`,
      body: { included: change },
      expectation: {
        kind: 'members',
        key: `${SEGMENT}/${memberChunk(added)}`,
        holds: (definition) =>
          (definition as { included?: string[] } | null)?.included?.includes(added) === true,
      },
    }
  }
  const key = at(NUMBERED, n)
  return {
    what: `value of ${key}`,
    method: 'PATCH',
    path: flagPath(key),
    body: { variants: { current: n } },
    expectation: {
      kind: 'flag',
      key,
      holds: (definition) =>
        (definition as { variants?: { current?: number } } | null)?.variants?.current === n,
    },
  }
}

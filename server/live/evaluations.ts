/**
 * Evaluations for OFREP: single, and all flags of a scope as one cached body. The cache key says everything that an
 * answer depends on, so that nothing ever has to be invalidated. Hides both caches (in memory, and shared by instances
 * where that is worth it) and how bodies are put together.
 */
import { hash } from 'node:crypto'
import { type Compiled, type Context, type Decision, evaluate, type FlagKey } from '@halyard/sdk/core'
import { LRUCache } from 'lru-cache'
import type { LogId } from '../domain/change.ts'
import { SDK_FEATURES } from '../domain/sdk-features.ts'
import type { AnswerCache } from './answer-cache.ts'
import { answerOf, bytesOf, notFound, tailOf } from './answers.ts'
import { costOf, WORTH_SHARING } from './cost.ts'
import { createDoorkeeper } from './doorkeeper.ts'
import type { Caller } from './key-uses.ts'
import type { Answer, BulkAnswer, LiveEnvironment } from './live.ts'
import type { LiveMetrics } from './metrics.ts'
import { type Project, projectionOn } from './projection.ts'
import { WINDOW_MS, windowAt } from './stream-token.ts'
import type { Usage } from './usage.ts'
import { intervalAt, type Scope, sees, viewOf } from './view.ts'

export type Evaluations = {
  evaluate(environment: LiveEnvironment, flag: FlagKey, context: Context): Decision
  answer(
    environment: LiveEnvironment,
    scope: Scope,
    flag: FlagKey,
    context: Context,
    caller?: Caller | undefined,
  ): Answer
  evaluateAll(
    environment: LiveEnvironment,
    principal: { readonly scope: Scope; readonly keyId: string },
    context: Context,
    knows?: (etag: string) => boolean,
  ): BulkAnswer | Promise<BulkAnswer>
}

export type EvaluationsDeps = {
  readonly clock: { now(): number }
  readonly metrics: LiveMetrics
  /** Told of each single evaluation that has a caller. */
  readonly counted?: Usage['evaluated'] | undefined
  readonly streamToken: (environment: LogId, keyId: string, scope: Scope) => string
  /** Bound of all cached answers together, keys included. An answer is cached when it is asked for again. */
  readonly cacheBytes: number
  /** What instances share, where they share anything. */
  readonly shared?: AnswerCache | undefined
  /** The estimated cost from which on a shared answer is asked for; see cost.ts. */
  readonly worthSharing?: number
  /** What rules may be made of here; by default, what this release knows. */
  readonly understood?: readonly string[]
}

/**
 * Rises when bodies get another form, or rules another meaning, so that no answer and no ETag of an older release is
 * taken for one of this.
 */
const FORM = 1
/** A release skips a rule with a part that it does not know, and the one beside it, which does, answers otherwise. */
const UNDERSTOOD = [...new Set(Object.values(SDK_FEATURES).flatMap(Object.keys))].sort()
const INACTIVITY_DELAY_SECONDS = 60
/** Of SHA-256, in hexadecimal: 128 bits. */
const ETAG_DIGITS = 32
/** A shared answer is kept for an hour at most, and never past the stream token in it. */
const SHARED_MS = 60 * 60 * 1000
/** What an entry costs beside its body and key. */
const ENTRY_BYTES = 300

const OPENING = Buffer.from('{"flags":[')
const COMMA = 0x2c
const NOTHING = Buffer.alloc(0)

type Cached = { readonly body: Buffer; readonly etag: string }

/** Keys of one environment whose endings are remembered, before they are made anew. */
const MOST_ENDINGS = 1_000

const projections = new WeakMap<Compiled, Project>()
/** What ends each bulk answer on a state, by scope, key and token window. */
const endings = new WeakMap<Compiled, Map<string, Buffer>>()

export function createEvaluations(deps: EvaluationsDeps): Evaluations {
  const {
    clock,
    metrics,
    counted: told,
    streamToken,
    cacheBytes,
    shared,
    worthSharing = WORTH_SHARING,
    understood = UNDERSTOOD,
  } = deps
  const evaluator = `${FORM}.${hash('sha256', understood.join()).slice(0, 8)}`
  const cache = new LRUCache<string, Cached>({
    maxSize: cacheBytes,
    maxEntrySize: Math.ceil(cacheBytes / 8),
    // Two bytes a character: a key with one character beyond Latin-1 is kept so.
    sizeCalculation: ({ body }, key) => body.length + 2 * key.length + ENTRY_BYTES,
  })

  const doorkeeper = createDoorkeeper()
  /** Questions that the shared cache is being asked: many ask the same when a state is new. */
  const flights = new Map<string, Promise<BulkAnswer>>()

  /** States whose answers nobody keeps. */
  const tooLarge = { server: new WeakSet<Compiled>(), client: new WeakSet<Compiled>() }

  function counted(answer: BulkAnswer): BulkAnswer {
    metrics.bulkAnswers[answer.from]++
    return answer
  }

  function remember({ key, digest, etag }: Question, body: Buffer): void {
    if (!doorkeeper(digest)) return
    cache.set(key, { body: ownBytes(body), etag })
    metrics.evaluationCacheBytes = cache.calculatedSize
  }

  function computed(question: Question): BulkAnswer {
    const body = question.compute()
    remember(question, body)
    return { body, etag: question.etag, from: 'computed' }
  }

  function isWorthAsking(cache: AnswerCache, compiled: Compiled, scope: Scope): boolean {
    return costOf(compiled, scope) >= worthSharing && !tooLarge[scope].has(compiled) && cache.usable()
  }

  function fetched(cache: AnswerCache, question: Question): Promise<BulkAnswer> {
    const { key, etag, now } = question
    const flight = flights.get(key) ?? fetchOrCompute()
    flights.set(key, flight)
    return flight

    async function fetchOrCompute(): Promise<BulkAnswer> {
      try {
        const body = await cache.get(key)
        if (body !== undefined) {
          remember(question, body)
          return { body, etag, from: 'redis' }
        }
        const answer = computed(question)
        if (answer.body.length > cache.mostBytes) tooLarge[question.scope].add(question.compiled)
        else cache.set(key, answer.body, Math.min(SHARED_MS, WINDOW_MS - (now % WINDOW_MS)))
        return answer
      } finally {
        flights.delete(key)
      }
    }
  }

  function write(
    environment: LiveEnvironment,
    principal: { readonly scope: Scope; readonly keyId: string },
    context: Context,
    now: number,
  ): Buffer {
    const { compiled } = environment
    const { scope } = principal
    const tail = tailOf(compiled)
    const parts: Buffer[] = []
    for (const key of viewOf(compiled).keys[scope]) {
      parts.push(bytesOf(evaluate(compiled, key, context, now), key, scope, tail))
    }
    return joined(parts, endingOf(environment, principal, windowAt(now)))
  }

  /** Made once a state and key: a token's signature costs as much as dozens of evaluations. */
  function endingOf(
    { id, compiled }: LiveEnvironment,
    { scope, keyId }: { readonly scope: Scope; readonly keyId: string },
    window: number,
  ): Buffer {
    let made = endings.get(compiled)
    if (made === undefined || made.size > MOST_ENDINGS) {
      made = new Map()
      endings.set(compiled, made)
    }
    const name = `${window} ${scope} ${keyId}`
    let ending = made.get(name)
    if (ending === undefined) {
      const { flagSetId } = viewOf(compiled)
      const { epoch, revision } = compiled.state
      const metadata = JSON.stringify({ flagSetId, epoch, revision })
      const requestUri = `/ofrep/v1/stream?token=${streamToken(id, keyId, scope)}`
      const eventStreams = JSON.stringify([
        { type: 'sse', endpoint: { requestUri }, inactivityDelaySec: INACTIVITY_DELAY_SECONDS },
      ])
      ending = Buffer.from(`],"metadata":${metadata},"eventStreams":${eventStreams}}`)
      made.set(name, ending)
    }
    return ending
  }

  return {
    evaluate: ({ compiled }, flag, context) => evaluate(compiled, flag, context, clock.now()),
    answer({ id, compiled }, scope, flag, context, caller) {
      const known = compiled.flags.get(flag)
      if (known === undefined || !sees(scope, known)) return notFound(flag)
      const decision = evaluate(compiled, flag, context, clock.now())
      if (caller !== undefined) told?.(id, caller, known.key, decision)
      return answerOf(decision, flag, scope, compiled)
    },
    evaluateAll(environment, principal, context, knows) {
      const now = clock.now()
      const key = keyOf(evaluator, environment, principal, context, now)
      const cached = key === undefined ? undefined : cache.get(key)
      if (cached !== undefined) return counted({ body: cached.body, etag: cached.etag, from: 'memory' })
      if (key === undefined) {
        const body = write(environment, principal, context, now)
        return counted({ body, etag: `"${hash('sha256', body).slice(0, ETAG_DIGITS)}"`, from: 'computed' })
      }
      const digest = hash('sha256', key)
      const etag = `"${digest.slice(0, ETAG_DIGITS)}"`
      if (knows?.(etag)) return counted({ body: NOTHING, etag, from: 'unchanged' })
      const { compiled } = environment
      const { scope } = principal
      const compute = (): Buffer => write(environment, principal, context, now)
      const question = { key, digest, etag, now, compiled, scope, compute }
      if (shared === undefined || !isWorthAsking(shared, compiled, scope)) return counted(computed(question))
      return fetched(shared, question).then(counted)
    },
  }
}

/** What is asked, under the key that says it all. */
type Question = {
  readonly key: string
  readonly digest: string
  readonly etag: string
  readonly now: number
  readonly compiled: Compiled
  readonly scope: Scope
  readonly compute: () => Buffer
}

/** Small buffers are cut from pieces that they share: one that is kept for long keeps alone what it counts. */
function ownBytes(body: Buffer): Buffer {
  if (body.buffer.byteLength === body.length) return body
  const own = Buffer.allocUnsafeSlow(body.length)
  own.set(body)
  return own
}

/** The parts between the opening and the ending, with commas between them. */
function joined(parts: readonly Buffer[], ending: Buffer): Buffer {
  let length = OPENING.length + Math.max(0, parts.length - 1) + ending.length
  for (const part of parts) length += part.length
  const body = Buffer.allocUnsafe(length)
  body.set(OPENING)
  let at = OPENING.length
  for (const part of parts) {
    if (at > OPENING.length) body[at++] = COMMA
    body.set(part, at)
    at += part.length
  }
  body.set(ending, at)
  return body
}

function keyOf(
  evaluator: string,
  { id, compiled }: LiveEnvironment,
  { scope, keyId }: { readonly scope: Scope; readonly keyId: string },
  context: Context,
  now: number,
): string | undefined {
  let project = projections.get(compiled)
  if (project === undefined) {
    project = projectionOn(compiled.reads)
    projections.set(compiled, project)
  }
  const projected = project(context)
  if (projected === undefined) return undefined
  const interval = intervalAt(compiled.instants, now)
  return `${evaluator} ${id} ${viewOf(compiled).tag} ${scope} ${keyId} ${windowAt(now)} ${interval} ${projected}`
}

/**
 * The management API, as any client meets it: JSON over HTTP. A write carries an Idempotency-Key and is sent again
 * where the server is away for a moment, so that it is done once. Each try that fails is told. What is refused is a
 * `Refused`, in words; where nobody knows whether a write was done, that is said.
 */
import { randomUUID } from 'node:crypto'
import { ReadableStream } from 'node:stream/web'
import { createBackoff } from '../transport/backoff.ts'
import { retryAfterMs } from '../transport/retry-after.ts'
import { type Edge, EXIT, type Given, Refusal, reasonOf } from './command.ts'
import { ago } from './delivered.ts'
import { kindOf, type ProblemDetails, problemOf, problemText } from './problem-text.ts'
import { type Server, serverOf } from './settings.ts'

/** How long each try may take, and all of them; what the server is asked to wait comes to both. Milliseconds. */
export type Patience = { readonly eachMs: number; readonly allMs: number }

const USUAL: Patience = { eachMs: 15_000, allMs: 30_000 }
/** Members of a large segment take their time. */
const UPLOAD: Patience = { eachMs: 600_000, allMs: Number.POSITIVE_INFINITY }
/** For who is on call: a server answers these within a second or two, or not at all. */
export const URGENT: Patience = { eachMs: 4_000, allMs: 8_000 }

const ATTEMPTS = 4
const LONGEST_PAUSE_MS = 10_000
/** A try that is given less is not worth it. */
const LEAST_MS = 1_000
const AGAIN = new Set([429, 502, 503, 504])

export type Query = Readonly<Record<string, string | number | undefined>>
export type Write = {
  readonly body?: unknown
  /** Bytes of this media type instead of JSON: made afresh for each attempt. */
  readonly lines?: { readonly type: string; readonly bytes: () => AsyncIterable<Uint8Array> }
  readonly query?: Query
  readonly comment?: string | undefined
  readonly ifMatch?: string
  /** What to say where nobody knows whether it was done. */
  readonly unsure?: string
}
export type Page<T> = { readonly items: readonly T[]; readonly cursor: string | null }

export type Api = {
  readonly server: Server
  get<T>(path: string, query?: Query): Promise<T>
  /** A question that is sent as a body and changes nothing. */
  ask<T>(path: string, body: unknown): Promise<T>
  write<T>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, write?: Write): Promise<T>
  /** All items of a list, page by page. */
  all<T>(path: string, query?: Query): Promise<T[]>
}

/** The server refused; `problem` says why. */
export class Refused extends Refusal {
  override readonly problem: ProblemDetails
  /** Such as `flag-not-found`. */
  readonly kind: string | undefined
  constructor(problem: ProblemDetails, text = problemText(problem)) {
    super(text, AGAIN.has(problem.status) ? EXIT.unavailable : EXIT.failed, problem)
    this.problem = problem
    this.kind = kindOf(problem)
  }
}

/** A path under `/api/v1`, its parts encoded. */
export function at(...parts: readonly string[]): string {
  return `/api/v1/${parts.map(encodeURIComponent).join('/')}`
}

export function apiOf(edge: Edge, given: Given, patience?: Patience): Api {
  return createApi(edge, serverOf(edge, given), patience)
}

type Sent = Write & { readonly method: string; readonly path: string; readonly safe?: true }

export function createApi(edge: Edge, server: Server, patience = USUAL): Api {
  const send = <T>(request: Sent): Promise<T> =>
    sendTo(edge, server, request, request.lines === undefined ? patience : UPLOAD)
  const api: Api = {
    server,
    get: (path, query = {}) => send({ method: 'GET', path, query, safe: true }),
    ask: (path, body) => send({ method: 'POST', path, body, safe: true }),
    write: (method, path, write = {}) => send({ method, path, ...write }),
    async all<T>(path: string, query: Query = {}) {
      const items: T[] = []
      let cursor: string | undefined
      do {
        const page: Page<T> = await api.get(path, { ...query, cursor })
        items.push(...page.items)
        cursor = page.cursor ?? undefined
      } while (cursor !== undefined)
      return items
    },
  }
  return api
}

async function sendTo<T>(edge: Edge, server: Server, request: Sent, patience: Patience): Promise<T> {
  const { method, path, query = {}, body, lines, comment, ifMatch, safe } = request
  const url = new URL(`${server.url}${path}`)
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  const headers: Record<string, string> = {
    authorization: `Bearer ${server.key}`,
    accept: 'application/json',
    ...(safe !== true && { 'idempotency-key': randomUUID() }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(lines !== undefined && { 'content-type': lines.type }),
    ...(comment !== undefined && { 'halyard-comment': headerOf(comment) }),
    ...(ifMatch !== undefined && { 'if-match': ifMatch }),
  }
  const backoff = createBackoff({ firstMs: 500, mostMs: 4_000, healthyMs: 0, random: edge.random })
  const waitMs = waitOf(query)
  const until = edge.now() + patience.allMs + waitMs
  let mayBeDone = false
  for (let attempt = 1; ; attempt += 1) {
    const tryMs = Math.min(patience.eachMs + waitMs, until - edge.now())
    const tried = await triedOnce(server, tryMs, url, {
      method,
      headers,
      redirect: 'error',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(lines !== undefined && { body: ReadableStream.from(lines.bytes()), duplex: 'half' }),
    } as RequestInit)
    if ('text' in tried) return parsed(tried.text, server) as T
    mayBeDone ||= tried.mayHaveCome && safe !== true && query.dryRun === undefined
    const pauseMs = Math.min(LONGEST_PAUSE_MS, tried.againMs?.(edge.now()) ?? backoff.failed(edge.now()))
    const late = edge.now() + pauseMs + waitMs + LEAST_MS > until
    if (tried.final || attempt === ATTEMPTS || late) {
      throw mayBeDone ? unsureOf(tried.refusal, request) : tried.refusal
    }
    edge.tell(`${tried.what}: trying again${pauseMs < 1_000 ? '' : ` in ${ago(pauseMs)}`}.`)
    await edge.pause(pauseMs)
  }
}

type Failed = {
  /** Without an end: what was wrong with this try. */
  readonly what: string
  readonly refusal: Refusal
  /** Another try would come to the same. */
  readonly final: boolean
  /** Somebody may have taken it, and done it. */
  readonly mayHaveCome: boolean
  /** How long the server asks to wait before the next. */
  readonly againMs?: (now: number) => number | undefined
}

async function triedOnce(
  server: Server,
  tryMs: number,
  url: URL,
  request: RequestInit,
): Promise<{ readonly text: string } | Failed> {
  try {
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(tryMs) })
    const text = await answer.text()
    if (answer.ok) return { text }
    const { status } = answer
    return {
      what: `${server.url} is ${status === 429 ? 'busy' : 'away'} for now (${status})`,
      refusal: refusalOf(status, text, server),
      final: !AGAIN.has(status),
      // A proxy that has lost the server on the way.
      mayHaveCome: status === 502 || status === 504,
      againMs: (now) => retryAfterMs(answer.headers.get('retry-after') ?? undefined, now),
    }
  } catch (error) {
    const cause = rootOf(error)
    // What the command itself refuses, in the midst of what it sends.
    if (cause instanceof Refusal) throw cause
    const nobody = codeOf(cause) === 'ECONNREFUSED' || codeOf(cause) === 'ENOTFOUND'
    const late = cause instanceof Error && cause.name === 'TimeoutError'
    return {
      what: late
        ? `${server.url} has not answered within ${ago(tryMs)}`
        : `${server.url} cannot be reached (${reasonOf(cause)})`,
      refusal: unreachable(server, late ? 'it did not answer in time' : reasonOf(cause)),
      final: nobody,
      mayHaveCome: !nobody,
    }
  }
}

/** What became of the last try, and that an earlier one, or this one, may have done it. */
function unsureOf(
  { message, exitCode, problem }: Refusal,
  { unsure = 'It is NOT known whether it was done: look before you do it again.' }: Sent,
): Refusal {
  const [happened = message] = message.split(HINT)
  return new Refusal(`${happened} ${unsure}`, exitCode, problem)
}

/** How long the server is asked to wait before it answers, milliseconds. */
function waitOf({ timeout }: Query): number {
  const [, number, unit] = /^(\d{1,6})(ms|s)?$/.exec(String(timeout ?? '')) ?? []
  return Number(number ?? 0) * (unit === 's' ? 1_000 : 1)
}

/** The server reads this header's bytes as UTF-8; fetch takes bytes as Latin-1, and no line ends. */
function headerOf(comment: string): string {
  return Buffer.from(comment.replaceAll(/\s*[\r\n]+\s*/g, ' '), 'utf8').toString('latin1')
}

function parsed(text: string, server: Server): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    throw new Refusal(`What answers at ${server.url} is not Halyard: it sent no JSON. Is the address right?`)
  }
}

function refusalOf(status: number, text: string, server: Server): Refused {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined
  }
  const problem = problemOf(status, body)
  const known = kindOf(problem)
  if (known === 'unauthenticated') {
    return new Refused(
      problem,
      `${server.url} does not know the key (from ${server.from}): it may have been revoked, or have expired.`,
    )
  }
  if (known === 'route-not-found' || (known === undefined && status === 404)) {
    return new Refused(
      problem,
      `What answers at ${server.url} does not have this: is the address right, and the server as new as this command?`,
    )
  }
  return new Refused(problem)
}

const HINT = ' Is the server running, and the address right? (--url, HALYARD_URL, halyard login)'

function unreachable(server: Server, said: string): Refusal {
  return new Refusal(`${server.url} cannot be reached: ${said}.${HINT}`, EXIT.unavailable)
}

function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? rootOf(error.cause) : error
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return (error as NodeJS.ErrnoException | undefined)?.code
}

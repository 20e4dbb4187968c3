/**
 * The management API, as any client meets it: JSON over HTTP. A write carries an Idempotency-Key and is sent again
 * where the server is away for a moment, so that it is done once. What is refused is a `Refused`, in words.
 */
import { randomUUID } from 'node:crypto'
import { ReadableStream } from 'node:stream/web'
import { createBackoff } from '../transport/backoff.ts'
import { retryAfterMs } from '../transport/retry-after.ts'
import { type Edge, EXIT, type Given, Refusal, reasonOf } from './command.ts'
import { kindOf, type ProblemDetails, problemOf, problemText } from './problem-text.ts'
import { type Server, serverOf } from './settings.ts'

const ATTEMPTS = 4
const TIMEOUT_MS = 15_000
const LONGEST_PAUSE_MS = 10_000
/** Members of a large segment take their time. */
const UPLOAD_TIMEOUT_MS = 600_000
const AGAIN = new Set([429, 502, 503, 504])

export type Query = Readonly<Record<string, string | number | undefined>>
export type Write = {
  readonly body?: unknown
  /** Bytes of this media type instead of JSON: made afresh for each attempt. */
  readonly lines?: { readonly type: string; readonly bytes: () => AsyncIterable<Uint8Array> }
  readonly query?: Query
  readonly comment?: string | undefined
  readonly ifMatch?: string
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

export function apiOf(edge: Edge, given: Given): Api {
  return createApi(edge, serverOf(edge, given))
}

type Sent = Write & { readonly method: string; readonly path: string; readonly safe?: true }

export function createApi(edge: Edge, server: Server): Api {
  const send = <T>(request: Sent): Promise<T> => sendTo(edge, server, request)
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

async function sendTo<T>(edge: Edge, server: Server, request: Sent): Promise<T> {
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
  for (let attempt = 1; ; attempt += 1) {
    const last = attempt === ATTEMPTS
    let answer: Response
    try {
      answer = await fetch(url, {
        method,
        headers,
        redirect: 'error',
        signal: AbortSignal.timeout(lines === undefined ? TIMEOUT_MS + waitOf(query) : UPLOAD_TIMEOUT_MS),
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(lines !== undefined && { body: ReadableStream.from(lines.bytes()), duplex: 'half' }),
      } as RequestInit)
      const text = await answer.text()
      if (answer.ok) return parsed(text, server) as T
      if (!AGAIN.has(answer.status) || last) throw refusalOf(answer.status, text, server)
    } catch (error) {
      if (error instanceof Refusal) throw error
      const cause = rootOf(error)
      if (cause instanceof Refusal) throw cause
      if (last || codeOf(cause) === 'ECONNREFUSED' || codeOf(cause) === 'ENOTFOUND')
        throw unreachable(server, cause)
      await edge.pause(backoff.failed(edge.now()))
      continue
    }
    const asked = retryAfterMs(answer.headers.get('retry-after') ?? undefined, edge.now())
    await edge.pause(Math.min(LONGEST_PAUSE_MS, asked ?? backoff.failed(edge.now())))
  }
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

function unreachable(server: Server, cause: unknown): Refusal {
  const said =
    cause instanceof Error && cause.name === 'TimeoutError' ? 'it did not answer in time' : reasonOf(cause)
  return new Refusal(
    `${server.url} cannot be reached: ${said}. Is the server running, and the address right? (--url, HALYARD_URL, halyard login)`,
    EXIT.unavailable,
  )
}

function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? rootOf(error.cause) : error
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return (error as NodeJS.ErrnoException | undefined)?.code
}

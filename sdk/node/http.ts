/**
 * One HTTP exchange with deadlines and bounds, over node:http. It is not `fetch`, because a pending `fetch` keeps the
 * process alive and its socket cannot be had: here sockets are unref'ed, and closing an agent really closes them.
 */
import { createHash } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { TransportError } from '../transport/errors.ts'

export type Agents = { readonly http: http.Agent; readonly https: https.Agent; close(): void }

/** The connections of one client: a free one is kept and used again. */
export function createAgents(): Agents {
  const options = { keepAlive: true, maxFreeSockets: 1 }
  const plain = new http.Agent(options)
  const secure = new https.Agent(options)
  return {
    http: plain,
    https: secure,
    close() {
      plain.destroy()
      secure.destroy()
    },
  }
}

export type Call = {
  readonly url: URL
  /** JSON to be sent by POST; without it the call is a GET. */
  readonly body?: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly agents: Agents
  /** How long the answer's headers may take, in milliseconds. */
  readonly headersMs: number
  readonly signal: AbortSignal
}

export type Answer = {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** The raw body. Whoever holds it must read it to its end or destroy it. */
  readonly body: http.IncomingMessage
}

/**
 * Sends a request and resolves with the answer's head, whatever its status; redirects are not followed, so that a key
 * never goes where it was not sent. Rejects with `TransportError` `network` or `deadline`, or the signal's reason.
 */
export async function send(call: Call): Promise<Answer> {
  try {
    return await attempt(call)
  } catch (error) {
    // The server may close a kept connection just as it is used again; that says nothing about the server.
    if (error instanceof LostReusedConnection) return await attempt(call)
    throw error
  }
}

class LostReusedConnection extends TransportError {}

function attempt({ url, headers, body, agents, headersMs, signal }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const secure = url.protocol === 'https:'
    const request = (secure ? https : http).request(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers:
        body === undefined
          ? headers
          : {
              ...headers,
              'Content-Type': 'application/json',
              'Content-Length': String(Buffer.byteLength(body)),
            },
      agent: secure ? agents.https : agents.http,
    })
    let answered: http.IncomingMessage | undefined
    const timer = setTimeout(() => {
      request.destroy(new TransportError('deadline', `${url.origin} did not answer within ${headersMs} ms.`))
    }, headersMs).unref()
    const abort = (): void => {
      request.destroy(signal.reason)
      answered?.destroy(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    request.on('close', () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      // Node tells of an answer that nobody asked for, such as 101, by this alone. After all else it changes nothing.
      reject(new TransportError('network', `${url.origin} ended the connection without an answer.`))
    })
    request.on('socket', (socket) => {
      socket.unref()
      // Where a name has several addresses, each attempt has a handle of its own, which knows nothing of that.
      if (socket.connecting) socket.on('connectionAttempt', () => socket.unref())
    })
    // An error after the answer's head is the body's to report.
    request.on('error', (cause: Error & { code?: string }) => {
      if (signal.aborted) reject(signal.reason)
      else if (cause instanceof TransportError) reject(cause)
      else {
        const message = `${url.origin} cannot be reached: ${said(cause)}`
        const lost = request.reusedSocket && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')
        reject(
          lost
            ? new LostReusedConnection('network', message, { cause })
            : new TransportError('network', message, { cause }),
        )
      }
    })
    request.on('response', (answer) => {
      clearTimeout(timer)
      answered = answer
      // A body that nobody reads yet must not bring the process down when its connection breaks.
      answer.on('error', () => {})
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer })
    })
    request.end(body)
  })
}

/** Where a name has several addresses, Node says what each of them met, and has no message of its own. */
function said(cause: Error): string {
  const causes: readonly Error[] = cause instanceof AggregateError ? cause.errors : [cause]
  return causes.map(({ message }) => message).join(', ')
}

export type BodyBounds = {
  /** Bytes after decompression. */
  readonly mostBytes: number
  /** How long the whole body may take, in milliseconds. */
  readonly withinMs: number
}

/**
 * Reads a body as UTF-8 text, decompressed. Rejects with `TransportError`: `oversize`, `deadline`, `network` where it
 * was cut short, `invalid-answer` where it is not what its headers say; a digest among them is checked.
 */
export async function readText(answer: Answer, bounds: BodyBounds): Promise<string> {
  const { body } = answer
  const timer = setTimeout(() => {
    body.destroy(new TransportError('deadline', `The answer did not end within ${bounds.withinMs} ms.`))
  }, bounds.withinMs).unref()
  try {
    const source = decoded(answer)
    const expected = sha256Of(answer)
    const hash = createHash('sha256')
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > bounds.mostBytes) {
        throw new TransportError('oversize', `The answer is longer than ${bounds.mostBytes} bytes.`)
      }
      if (expected !== undefined) hash.update(chunk)
      chunks.push(chunk)
    }
    if (expected !== undefined && hash.digest('base64') !== expected) {
      throw new TransportError('invalid-answer', 'The answer is damaged: its digest does not hold.')
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw bodyError(cause, answer)
  } finally {
    clearTimeout(timer)
    // A body that was read to its end gives its connection back by itself; any other takes it along.
    if (!body.readableEnded) body.destroy()
  }
}

function decoded({ headers, body }: Answer): Readable {
  const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (encoding === 'identity') return body
  if (encoding !== 'gzip' && encoding !== 'br') {
    throw new TransportError(
      'invalid-answer',
      `The answer has a content encoding that was not asked for: ${brief(encoding)}`,
    )
  }
  const decoder = encoding === 'gzip' ? createGunzip() : createBrotliDecompress()
  body.on('error', (error) => decoder.destroy(error))
  return body.pipe(decoder)
}

/**
 * What the decoded body must hash to, in base64, where the answer says so in `Unencoded-Digest` (RFC 9530's dictionary
 * of digests, over the content without its encoding, so that a proxy may encode anew). Other algorithms are not looked
 * at; a SHA-256 that is not whole holds for nothing.
 */
function sha256Of({ headers }: Answer): string | undefined {
  const members = String(headers['unencoded-digest'] ?? '').split(',')
  const member = members.map((text) => text.trim()).findLast((text) => /^sha-256(?![\w.*-])/.test(text))
  return member && (/^sha-256=:([A-Za-z0-9+/]{43}=):(?:;|$)/.exec(member)?.[1] ?? 'nothing')
}

function bodyError(cause: unknown, { body }: Answer): TransportError {
  if (cause instanceof TransportError) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  return body.complete
    ? new TransportError('invalid-answer', `The answer cannot be decoded: ${message}`, { cause })
    : new TransportError('network', `The answer broke off: ${message}`, { cause })
}

/** Foreign text made fit for a log line: short, and without control characters. */
export function brief(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200)
}

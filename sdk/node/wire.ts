/**
 * The requests that an SDK makes, against one of several addresses: `GET /sdk/v1/ruleset` and `GET /sdk/v1/stream`,
 * and what it tells the server. It resolves with what is certainly a state or a stream; all else is a
 * `TransportError`.
 */
import { RulesetError, type State, stateOf } from '../core/index.ts'
import { TransportError } from '../transport/errors.ts'
import { retryAfterMs } from '../transport/retry-after.ts'
import { SDK_VERSION } from '../transport/version.ts'
import { type Answer, brief, createAgents, readText, send } from './http.ts'
import type { Keys } from './keys.ts'
import { keyId } from './keys.ts'
import { BOUNDS, type Surroundings } from './timing.ts'

export type WireOptions = {
  /** In the order in which they are tried. */
  readonly urls: readonly [URL, ...URL[]]
  readonly keys: Keys
  readonly app: { readonly name: string; readonly version: string }
  readonly instance: string
  readonly surroundings: Surroundings
  /** Aborts every request. */
  readonly signal: AbortSignal
}

export type RulesetRequest = {
  /** The tag of the held state. */
  readonly tag: string | undefined
  /** Use a connection of its own and give it up afterwards: for a poll beside a stream. */
  readonly aside: boolean
  /** How long the answer's head may take, in milliseconds. */
  readonly headersMs: number
}

export type Wire = {
  /** How many addresses there are. */
  readonly addresses: number
  /** The state that the server holds; undefined where it is the one named by `tag`. */
  ruleset(request: RulesetRequest): Promise<State | undefined>
  /** An open stream. Whoever holds it reads it to its end or destroys its body. */
  stream(lastEventId: string): Promise<Answer>
  /** The last stream opened and was of no use: another address is tried next. */
  passOver(): void
  /**
   * Tells the server something: resolves when it has taken it. On a connection of its own beside a stream. Rejects with
   * `TransportError`; where an address cannot be reached, after the others were tried.
   * @param path below the address, such as `sdk/v1/acks`
   * @param until aborts this request, instead of what aborts all others
   */
  post(path: string, body: object, until?: AbortSignal): Promise<void>
  /** After a refusal: whether there may be another key to try than the one that was refused. */
  renewed(): Promise<boolean>
  close(): void
}

export function createWire({ urls, keys, app, instance, surroundings, signal }: WireOptions): Wire {
  const { timing, clock } = surroundings
  const agents = createAgents()
  let at = 0
  let streamedAt = 0
  let refusedKey: string | undefined
  let streams = 0
  /** The one that is open, of all that this process ever opened: behind a load balancer each request finds its own way. */
  let streaming: number | undefined
  const common = {
    'Halyard-App': `${encodeURIComponent(app.name)}/${encodeURIComponent(app.version)}`,
    'Halyard-Instance': encodeURIComponent(instance),
    'Halyard-SDK': `node/${SDK_VERSION}`,
  }

  const streamHeader = () => (streaming === undefined ? {} : { 'Halyard-Stream': String(streaming) })

  /** Runs an exchange with the current address; after a failure the next one is current. */
  async function withAddress<R>(
    path: string,
    run: (url: URL, key: string, tried: number) => Promise<R>,
  ): Promise<R> {
    const key = await keys.current()
    const tried = at
    const base = urls[tried] ?? urls[0]
    try {
      return await run(new URL(path, base), key, tried)
    } catch (error) {
      failedAt(tried)
      throw error
    }
  }

  function failedAt(tried: number): void {
    if (at === tried && !signal.aborted) at = (tried + 1) % urls.length
  }

  async function open(
    url: URL,
    key: string,
    headers: Record<string, string>,
    headersMs: number,
  ): Promise<Answer> {
    const answer = await send({
      url,
      agents,
      headersMs,
      signal,
      headers: { ...common, ...streamHeader(), ...headers, Authorization: `Bearer ${key}` },
    })
    if (answer.status === 200 || answer.status === 304) return answer
    throw await refusal(answer, url, key)
  }

  async function refusal(answer: Answer, url: URL, key: string): Promise<TransportError> {
    const { status, headers } = answer
    const said = await problemOf(answer)
    if (status === 401 || status === 403 || status === 404) {
      refusedKey = key
      keys.refused(key)
      return new TransportError(
        'refused',
        `${url.origin}${url.pathname} refused the key ${keyId(key)} with ${status}${said}. Check that the URL is a Halyard server's and that the key is a valid server key of it.`,
        { status },
      )
    }
    const away = retryAfterMs(headers['retry-after'], clock())
    const redirect = status >= 300 && status < 400 ? ' (redirects are not followed: name the final URL)' : ''
    return new TransportError('status', `${url.origin}${url.pathname} answered ${status}${said}${redirect}`, {
      status,
      retryAfterMs: away,
    })
  }

  /** Whether the key is good is the ruleset's to say: an older server may have no such address. */
  async function tell(url: URL, key: string, body: string, until: AbortSignal): Promise<void> {
    const answer = await send({
      url,
      agents,
      headersMs: timing.headersMs,
      signal: until,
      headers: { ...common, ...streamHeader(), Connection: 'close', Authorization: `Bearer ${key}` },
      body,
    })
    // Nobody waits for what else it says, nor may that hold its connection for ever.
    readText(answer, { mostBytes: BOUNDS.problem, withinMs: timing.headersMs }).catch(() => {})
    const { status, headers } = answer
    if (status >= 200 && status < 300) return
    const away = retryAfterMs(headers['retry-after'], clock())
    throw new TransportError('status', `${url.origin}${url.pathname} answered ${status}`, {
      status,
      retryAfterMs: away,
    })
  }

  return {
    addresses: urls.length,

    ruleset: ({ tag, aside, headersMs }) =>
      withAddress('sdk/v1/ruleset', async (url, key) => {
        const answer = await open(
          url,
          key,
          {
            Accept: 'application/json',
            'Accept-Encoding': 'br, gzip',
            ...(tag !== undefined && { 'If-None-Match': validators(tag) }),
            ...(aside && { Connection: 'close' }),
          },
          headersMs,
        )
        if (answer.status === 304) {
          answer.body.resume()
          if (tag === undefined) throw invalid(url, 'it answered 304 to a request without If-None-Match')
          if (!names(answer.headers.etag, tag)) {
            throw invalid(url, 'it answered 304 for a state that was not asked about')
          }
          return undefined
        }
        if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(answer.headers['content-type'] ?? '')) {
          answer.body.destroy()
          throw invalid(
            url,
            `its content type is ${brief(answer.headers['content-type'] ?? 'missing')}, not JSON: is something else at this address?`,
          )
        }
        const text = await readText(answer, { mostBytes: BOUNDS.ruleset, withinMs: timing.bodyMs })
        return parsed(text, url)
      }),

    stream: (lastEventId) =>
      withAddress('sdk/v1/stream', async (url, key, tried) => {
        streams += 1
        const number = streams
        const headers = {
          Accept: 'text/event-stream',
          'Cache-Control': 'no-store',
          'Last-Event-ID': lastEventId,
          'Halyard-Stream': String(number),
        }
        const answer = await open(url, key, headers, timing.headersMs)
        if (answer.status === 200 && /^text\/event-stream\b/i.test(answer.headers['content-type'] ?? '')) {
          streaming = number
          streamedAt = tried
          answer.body.once('close', () => {
            if (streaming === number) streaming = undefined
          })
          return answer
        }
        answer.body.destroy()
        throw invalid(url, 'it is no event stream: does a proxy answer in its place?')
      }),

    passOver: () => failedAt(streamedAt),

    async post(path, body, until = signal) {
      const key = await keys.current()
      const text = JSON.stringify(body)
      for (let tried = 0; ; tried += 1) {
        const base = urls[(at + tried) % urls.length] ?? urls[0]
        try {
          return await tell(new URL(path, base), key, text, until)
        } catch (error) {
          const unreachable = error instanceof TransportError && error.code === 'network'
          if (!unreachable || tried + 1 >= urls.length) throw error
        }
      }
    },

    async renewed() {
      try {
        return (await keys.current()) !== refusedKey
      } catch {
        // The next attempt asks again, and reports what fails.
        return true
      }
    },

    close: () => agents.close(),
  }
}

/** Each encoding of a state has a validator of its own, named for both (RFC 9110, 8.8.3.3). */
function validators(tag: string): string {
  return `"${tag}", "${tag};br", "${tag};gzip"`
}

/** Whether a validator is of this state: whatever its encoding, and what a proxy that encodes anew makes of it. */
function names(etag: string | undefined, tag: string): boolean {
  return etag === undefined || /^(?:W\/)?"([^";]*?)(?:-[a-z]+)?(?:;[^"]*)?"$/.exec(etag)?.[1] === tag
}

function parsed(text: string, url: URL): State {
  try {
    return stateOf(JSON.parse(text))
  } catch (cause) {
    if (cause instanceof RulesetError) throw invalid(url, cause.message, cause)
    // The parser's own message quotes the text.
    throw invalid(url, 'it is not JSON, or was cut short', cause)
  }
}

function invalid(url: URL, why: string, cause?: unknown): TransportError {
  return new TransportError(
    'invalid-answer',
    `The answer of ${url.origin}${url.pathname} was ignored: ${why}.`,
    { cause },
  )
}

/** What an RFC 9457 body says, for a log line. */
async function problemOf(answer: Answer): Promise<string> {
  try {
    const text = await readText(answer, { mostBytes: BOUNDS.problem, withinMs: 1_000 })
    const { detail, title }: { detail?: unknown; title?: unknown } = JSON.parse(text)
    const said = typeof detail === 'string' ? detail : title
    return typeof said === 'string' && said !== '' ? ` (${brief(said)})` : ''
  } catch {
    // The status alone is the message; the body only makes it kinder.
    return ''
  }
}

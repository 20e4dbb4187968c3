/**
 * fetch as a page has it: with its Origin, behind the CORS protocol (Fetch standard, "CORS protocol"): a preflight
 * where one is due, no answer that is not allowed, no header that is not exposed. It keeps what went over the wire.
 */

export type Exchange = {
  readonly method: string
  readonly url: URL
  /** As sent. */
  readonly headers: Headers
  readonly status: number
  readonly etag: string | null
  /** The answer's text so far; a stream's grows. */
  readonly body: () => string
}

export type Browser = {
  readonly fetch: typeof globalThis.fetch
  readonly exchanges: () => readonly Exchange[]
  /** Those of bulk evaluations. */
  readonly evaluations: () => readonly Exchange[]
}

/** This process's own: a test may give a page's to everybody. */
const { fetch } = globalThis
const SAFELISTED_REQUEST = ['accept', 'accept-language', 'content-language', 'last-event-id', 'cache-control']
const SAFELISTED_RESPONSE = ['cache-control', 'content-language', 'content-length', 'content-type', 'expires']

/** @param origin of the page, such as `http://localhost:5173` */
export function browser(origin: string): Browser {
  const exchanges: Exchange[] = []
  const page = { origin, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }

  async function preflight(request: Request, unsafe: readonly string[]): Promise<void> {
    const answer = await fetch(request.url, {
      method: 'OPTIONS',
      headers: {
        ...page,
        'access-control-request-method': request.method,
        'access-control-request-headers': unsafe.toSorted().join(','),
      },
    })
    await answer.body?.cancel()
    exchanges.push(exchangeOf('OPTIONS', request, new Headers(page), answer, () => ''))
    const allowed = listOf(answer.headers, 'access-control-allow-headers')
    const missing = unsafe.filter((name) => !allowed.includes(name))
    if (!answer.ok || !allows(answer, origin) || missing.length > 0) {
      throw new TypeError(`blocked by CORS at the preflight (${answer.status}; not allowed: ${missing})`)
    }
    const methods = listOf(answer.headers, 'access-control-allow-methods')
    if (
      !['GET', 'HEAD', 'POST'].includes(request.method) &&
      !methods.includes(request.method.toLowerCase())
    ) {
      throw new TypeError(`blocked by CORS at the preflight: ${request.method} is not allowed`)
    }
  }

  return {
    exchanges: () => exchanges,
    evaluations: () =>
      exchanges.filter(({ method, url }) => method === 'POST' && url.pathname === '/ofrep/v1/evaluate/flags'),
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const unsafe = [...request.headers.keys()].filter((name) => !SAFELISTED_REQUEST.includes(name))
      if (unsafe.length > 0) await preflight(request, unsafe)
      const headers = new Headers([...request.headers, ...Object.entries(page)])
      const answer = await fetch(new Request(request, { headers }))
      const [seen, kept] = answer.body?.tee() ?? [null, null]
      exchanges.push(exchangeOf(request.method, request, headers, answer, collect(kept)))
      if (!allows(answer, origin)) {
        await seen?.cancel()
        throw new TypeError(`blocked by CORS: ${answer.status} without this origin`)
      }
      const exposed = listOf(answer.headers, 'access-control-expose-headers')
      const shown = [...answer.headers].filter(
        ([name]) => SAFELISTED_RESPONSE.includes(name) || exposed.includes(name),
      )
      const response = new Response(seen, { status: answer.status, headers: shown })
      Object.defineProperty(response, 'url', { value: answer.url })
      return response
    },
  }
}

function exchangeOf(
  method: string,
  request: Request,
  headers: Headers,
  answer: Response,
  body: () => string,
): Exchange {
  const { status } = answer
  return { method, url: new URL(request.url), headers, status, etag: answer.headers.get('etag'), body }
}

function allows(answer: Response, origin: string): boolean {
  const allowed = answer.headers.get('access-control-allow-origin')
  return allowed === origin || allowed === '*'
}

const listOf = (headers: Headers, name: string): readonly string[] =>
  (headers.get(name) ?? '').split(',').map((part) => part.trim().toLowerCase())

/** Reads on beside the reader that the page has. */
function collect(stream: ReadableStream<Uint8Array> | null): () => string {
  let text = ''
  const read = async () => {
    const decoder = new TextDecoder()
    for await (const bytes of stream ?? []) text += decoder.decode(bytes, { stream: true })
  }
  // A page that closes its stream ends this copy too; what was read is kept.
  read().catch(() => {})
  return () => text
}

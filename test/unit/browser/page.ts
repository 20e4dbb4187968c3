/**
 * A page's surroundings in Node, and a server whose every answer a test decides. What needs a real browser is in
 * test/browser.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Client, ConnectOptions, FlagAnswer } from '@halyard/sdk/browser'
import { EventSource } from 'eventsource'
import { onTestFinished, vi } from 'vitest'
import { connectIn } from '../../../sdk/browser/client.ts'

export const KEY = 'hly_pub_abcdefghij_secret'

/** A bulk evaluation that waits for its answer. */
export type Asked = {
  readonly context: { readonly [attribute: string]: unknown }
  readonly headers: IncomingMessage['headers']
  readonly query: URLSearchParams
  readonly flags: (flags: readonly FlagAnswer[], etag?: string) => void
  readonly status: (code: number, headers?: Readonly<Record<string, string>>) => void
  readonly text: (body: string) => void
  readonly cut: () => void
}

export type Batch = {
  readonly batch: string
  readonly counts: readonly Readonly<Record<string, unknown>>[]
  readonly events: readonly Readonly<Record<string, unknown>>[]
}

export type Page = {
  readonly url: string
  /** All that were asked; answered by `reply` where it is set. */
  readonly asked: readonly Asked[]
  reply: ((asked: Asked) => void) | undefined
  readonly batches: readonly (Batch & { readonly [name: string]: unknown })[]
  /** How the next batches are answered; 0 cuts the connection. */
  batchStatus: number
  /** What was sent by `sendBeacon`. */
  readonly beacons: readonly string[]
  /** Writes an event to all open streams. */
  readonly tell: (data: object) => void
  readonly streams: () => number
  readonly hide: (hidden: boolean) => void
  readonly connect: (options?: Partial<ConnectOptions>) => Promise<Client>
}

export async function page({
  search = '',
  storage,
}: {
  search?: string
  storage?: object
} = {}): Promise<Page> {
  const asked: Asked[] = []
  const batches: Batch[] = []
  const beacons: string[] = []
  const streams = new Set<ServerResponse>()
  const events = new EventTarget()
  const document = { hidden: false }
  const clients: Client[] = []

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://server')
    if (url.pathname === '/ofrep/v1/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('id: 1-1\n\n')
      streams.add(response)
      response.once('close', () => streams.delete(response))
      return
    }
    let body = ''
    for await (const chunk of request) body += chunk
    if (url.pathname === '/sdk/v1/telemetry') {
      batches.push(JSON.parse(body))
      if (made.batchStatus === 0) request.socket.destroy()
      else response.writeHead(made.batchStatus).end('{}')
      return
    }
    const status: Asked['status'] = (code, headers = {}) => response.writeHead(code, headers).end()
    const one: Asked = {
      context: JSON.parse(body).context,
      headers: request.headers,
      query: url.searchParams,
      flags(flags, etag = '"one"') {
        const eventStreams = [{ type: 'sse', endpoint: { requestUri: '/ofrep/v1/stream?token=t' } }]
        response.writeHead(200, { 'content-type': 'application/json', etag })
        response.end(JSON.stringify({ flags, metadata: { revision: 7 }, eventStreams }))
      },
      status,
      text: (text) => response.writeHead(200).end(text),
      cut: () => request.socket.destroy(),
    }
    asked.push(one)
    made.reply?.(one)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  vi.stubGlobal('document', document)
  vi.stubGlobal('location', { search })
  vi.stubGlobal('navigator', { sendBeacon: (_: string, text: string) => beacons.push(text) })
  vi.stubGlobal('addEventListener', events.addEventListener.bind(events))
  vi.stubGlobal('EventSource', EventSource)
  vi.stubGlobal('localStorage', storage)

  const made: Page = {
    url,
    asked,
    reply: undefined,
    batches: batches as Page['batches'],
    batchStatus: 202,
    beacons,
    tell: (data) => {
      for (const stream of streams) stream.write(`id: 1-2\ndata: ${JSON.stringify(data)}\n\n`)
    },
    streams: () => streams.size,
    hide(hidden) {
      document.hidden = hidden
      events.dispatchEvent(new Event('visibilitychange'))
    },
    async connect(options) {
      const client = await connectIn({ url, key: KEY, startTimeoutMs: 200, ...options }, { pace: 0.01 })
      clients.push(client)
      return client
    },
  }
  onTestFinished(async () => {
    made.batchStatus = 202
    await Promise.all(clients.map((client) => client.close()))
    vi.unstubAllGlobals()
    server.closeAllConnections()
    server.close()
  })
  return made
}

/** `localStorage` as the standard has it, of so many characters. */
export function memoryStorage(
  most = Number.POSITIVE_INFINITY,
): Storage & { readonly items: Map<string, string> } {
  const items = new Map<string, string>()
  return {
    items,
    get length() {
      return items.size
    },
    key: (index) => [...items.keys()][index] ?? null,
    getItem: (name) => items.get(name) ?? null,
    setItem(name, value) {
      if (value.length > most) throw new DOMException('full', 'QuotaExceededError')
      items.set(name, value)
    },
    removeItem: (name) => void items.delete(name),
    clear: () => items.clear(),
  }
}

export const flag = (key: string, value: unknown, variant = 'v'): FlagAnswer =>
  ({ key, value, variant, reason: 'STATIC', metadata: { version: 3 } }) as FlagAnswer

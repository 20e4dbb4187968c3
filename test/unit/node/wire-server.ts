/**
 * A real HTTP server on loopback that speaks the wire of docs/adr/0003, with core's own functions, and can be told to
 * fail in the ways that servers, networks and proxies do.
 */
import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { murmur3, rulesetOf, type State, tagOf, withPending } from '@halyard/sdk/core'
import { deltaOf, type Edit, edit } from './rulesets.ts'

export const KEY = 'hly_srv_one_secretsecretsecret'

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void
export type Call = {
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly status: number
}

export type Acknowledged = {
  readonly epoch: number
  readonly revision: number
  readonly afterMs?: number
  readonly kills?: readonly string[]
  readonly closing?: true
}

export type WireServerOptions = {
  readonly port?: number
  readonly heartbeatMs?: number
}

export type WireServer = Awaited<ReturnType<typeof startWireServer>>

export async function startWireServer(
  initial: State,
  { port = 0, heartbeatMs = 40 }: WireServerOptions = {},
) {
  let state = initial
  const keys = new Set([KEY])
  const streams = new Set<http.ServerResponse>()
  const sockets = new Set<Socket>()
  const calls: Call[] = []
  /** Given: answers in the wire's place. */
  const instead: { [path in 'ruleset' | 'stream' | 'acks' | 'telemetry']?: Handler | undefined } = {}
  const acks: Acknowledged[] = []
  let greeting = true
  let quiet = false

  const server = http.createServer((request, response) => {
    const path = request.url ?? ''
    response.on('close', () => calls.push({ path, headers: request.headers, status: response.statusCode }))
    if (path === '/sdk/v1/ruleset') (instead.ruleset ?? ruleset)(request, response)
    else if (path === '/sdk/v1/stream') (instead.stream ?? stream)(request, response)
    else if (path === '/sdk/v1/acks') (instead.acks ?? acknowledge)(request, response)
    else if (path === '/sdk/v1/telemetry' && instead.telemetry) instead.telemetry(request, response)
    else problem(response, 404, 'There is nothing at this address')
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  const beat = setInterval(() => {
    if (!quiet) for (const response of streams) response.write(heartbeat())
  }, heartbeatMs)

  function authorised(request: http.IncomingMessage, response: http.ServerResponse): boolean {
    if (keys.has(request.headers.authorization?.replace('Bearer ', '') ?? '')) return true
    problem(response, 401, 'A valid key is needed')
    return false
  }

  function ruleset(request: http.IncomingMessage, response: http.ServerResponse): void {
    if (!authorised(request, response)) return
    const body = JSON.stringify(rulesetOf(state))
    const accepted = request.headers['accept-encoding'] ?? ''
    const [encoding, bytes] = accepted.includes('br')
      ? ['br', brotliCompressSync(body)]
      : accepted.includes('gzip')
        ? ['gzip', gzipSync(body)]
        : ['identity', Buffer.from(body)]
    const etag = `"${tagOf(state)};${encoding}"`
    if (request.headers['if-none-match']?.split(', ').includes(etag)) {
      response.writeHead(304, { etag }).end()
      return
    }
    response
      .writeHead(200, {
        'content-type': 'application/json',
        'content-encoding': encoding as string,
        'unencoded-digest': `sha-256=:${createHash('sha256').update(body).digest('base64')}:`,
        etag,
      })
      .end(bytes)
  }

  function acknowledge(request: http.IncomingMessage, response: http.ServerResponse): void {
    if (!authorised(request, response)) return
    let body = ''
    request.setEncoding('utf8').on('data', (text) => {
      body += text
    })
    request.on('end', () => {
      acks.push(JSON.parse(body))
      response.writeHead(204).end()
    })
  }

  function stream(request: http.IncomingMessage, response: http.ServerResponse): void {
    if (!authorised(request, response)) return
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.flushHeaders()
    streams.add(response)
    response.on('close', () => streams.delete(response))
    if (!greeting) return
    const current = request.headers['last-event-id'] === `${state.epoch}-${state.revision}`
    response.write(current ? heartbeat() : event('reload', position()))
  }

  const position = () => ({ epoch: state.epoch, revision: state.revision })
  const event = (type: string, content: object, id?: string): string => {
    const data = JSON.stringify(content)
    const hash = murmur3(data, 0).toString(16).padStart(8, '0')
    return `event: ${type}\nid: ${id ?? `${state.epoch}-${state.revision}-${hash}`}\ndata: ${data}\n\n`
  }
  const heartbeat = () => event('heartbeat', position())
  let mangle = (frame: string): readonly string[] => [frame]
  const send = (frame: string): void => {
    for (const part of mangle(frame)) for (const response of streams) response.write(part)
  }

  async function listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  }
  await listen()
  const actual = (server.address() as AddressInfo).port

  return {
    url: `http://127.0.0.1:${actual}`,
    port: actual,
    calls,
    /** What clients acknowledged. */
    acks,
    keys,
    instead,
    /** The wire's own answer, for those who answer in its place now and then. */
    ruleset,
    streams,
    sockets,
    event,
    send,
    get state(): State {
      return state
    },
    /** Commits, and pushes the delta to every stream. */
    edit(edits: readonly Edit[], { push = true } = {}): void {
      const delta = deltaOf(state, edits)
      state = edit(state, edits)
      if (push) send(event('delta', delta))
    },
    /** Kills or settles without a revision, and pushes. */
    pend(pending: Parameters<typeof withPending>[1], endedKills: readonly string[] = []): void {
      state = withPending(state, pending, endedKills)
      send(event('pending', { pending: rulesetOf(state).pending, endedKills: [...state.endedKills] }))
    },
    /** What becomes of each frame that is sent, on its way. */
    mangle(by: typeof mangle): void {
      mangle = by
    },
    /** Another history: a restored backup, another epoch. */
    become(next: State): void {
      state = next
    },
    /** Connections stay open, and nothing more is said on them. */
    quiet(is = true): void {
      quiet = is
      greeting = !is
    },
    onConnection: (callback: () => void) => void server.on('connection', callback),
    rulesets: () => calls.filter(({ path }) => path === '/sdk/v1/ruleset').length,
    /** As `kill -9` would: every socket is cut. */
    async stop(): Promise<void> {
      clearInterval(beat)
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

export function problem(response: http.ServerResponse, status: number, detail: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers })
  response.end(JSON.stringify({ type: 'about:blank', title: 'Problem', status, detail }))
}

/**
 * A response as a stream of server-sent events: adapts it to the live room's Sink. Thousands are open and idle at
 * once, so it keeps the raw response alone; Fastify's request and reply are let go.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { Problem } from '../domain/problem.ts'
import type { Sink, StreamHandle } from '../live/live.ts'

/** A dead peer is noticed by TCP after about this long, milliseconds. */
const KEEP_ALIVE_MS = 60_000
/** How soon to ask again on another connection, seconds. */
const ELSEWHERE_AFTER = 1
/** How long a peer may take to read the last bytes after an end, milliseconds. */
const LAST_READ_MS = 5_000

/** The head is written with the first frame, so that a stream that is refused can still be answered otherwise. */
class ResponseSink implements Sink {
  readonly #response: ServerResponse
  readonly #head: Readonly<Record<string, string>>

  constructor(response: ServerResponse, head: Readonly<Record<string, string>>) {
    this.#response = response
    this.#head = head
  }

  begin(): void {
    if (this.#response.headersSent) return
    const { socket } = this.#response
    socket?.setNoDelay(true)
    socket?.setKeepAlive(true, KEEP_ALIVE_MS)
    socket?.setTimeout(0)
    this.#response.writeHead(200, this.#head)
    this.#response.flushHeaders()
  }

  write(frame: Buffer): boolean {
    this.begin()
    return this.#response.write(frame)
  }

  onDrain(callback: () => void): void {
    this.#response.on('drain', callback)
  }

  pendingBytes(): number {
    return this.#response.writableLength
  }

  end(discard = false): void {
    const response = this.#response
    if (discard) {
      response.destroy()
      return
    }
    response.end()
    if (!response.writableFinished) {
      const stuck = setTimeout(() => response.destroy(), LAST_READ_MS).unref()
      response.once('close', () => clearTimeout(stuck))
    }
  }
}

/**
 * Turns a reply into a stream.
 * @param open opens the stream on the sink; where it throws before a frame was written, the reply is still free
 * @throws Problem `unavailable` where an answer is still to come before this one on its connection (RFC 9112, 9.3.2):
 * nothing could be written, and Node does not tell such a response that its connection is gone
 */
export function stream(
  reply: FastifyReply,
  headers: Readonly<Record<string, string>>,
  open: (sink: Sink) => StreamHandle,
): void {
  const response = reply.raw
  if (response.socket === null) {
    throw new Problem(
      'unavailable',
      'Another answer comes first on this connection. Ask for a stream on a connection of its own.',
      { retryAfter: ELSEWHERE_AFTER, routine: true },
    )
  }
  const sink = new ResponseSink(response, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    ...headers,
  })
  const handle = open(sink)
  reply.hijack()
  sink.begin()
  if (response.destroyed || response.writableEnded) handle.close()
  else response.once('close', () => handle.close())
}

/**
 * How connections end. Those that are kept for more requests are told, with an answer, that there will be none; those
 * that never carried a request do not hold up a close; and nobody loses an answer for sending too much.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** A request may be on its way on such a connection: it has this long to arrive, milliseconds. */
const GRACE_MS = 1_000
/** What is thrown away of a refused body: for so long, milliseconds, and so many bytes. */
const DISCARDED = { ms: 5_000, bytes: 256 * 1024 * 1024 }

/**
 * Watches for connections that were opened and have not carried a request. Browsers, proxies and clients open them
 * ahead; Node counts them neither idle nor busy, so that they would hold up a close for a minute.
 * @returns what to call when the server begins to close
 */
export function watchUnusedConnections(server: Server): () => void {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return () => {
    setTimeout(() => {
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
    }, GRACE_MS).unref()
  }
}

/**
 * From now on every answer ends its connection, and says so (`Connection: close`), so that nobody keeps one for the
 * moment at which it is closed under a request.
 */
export function keepNoConnections(server: Server): void {
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false
  })
}

/**
 * Throws away what is left of a body that was refused. A connection that is closed while its peer still sends is reset,
 * and the answer is lost with it (RFC 9112, 9.6); one that sends for ever is closed all the same.
 */
export function discardRest(request: IncomingMessage): void {
  let left = DISCARDED.bytes
  const end = (): void => void request.destroy()
  const timer = setTimeout(end, DISCARDED.ms).unref()
  request.once('close', () => clearTimeout(timer))
  request.on('data', ({ length }: Buffer) => {
    left -= length
    if (left < 0) end()
  })
  request.resume()
}

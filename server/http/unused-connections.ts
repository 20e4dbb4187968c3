/**
 * Connections that were opened and have not carried a request. Browsers, proxies and clients open them ahead; Node
 * counts them neither idle nor busy, so that they would hold up a close for a minute.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** A request may be on its way on such a connection: it has this long to arrive, milliseconds. */
const GRACE_MS = 1_000

/** Watches a server. @returns what to call when it begins to close */
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

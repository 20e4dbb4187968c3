/** A load balancer that knows nothing of what it carries: one address, each connection to the next of several. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** Ends with the test that asks for it. @returns its URL */
export async function behindOneAddress(urls: readonly string[]): Promise<string> {
  let turn = 0
  const sockets = new Set<Socket>()
  const balancer = createServer((socket) => {
    const { hostname, port } = new URL(urls[turn++ % urls.length]!)
    const onward = connect(Number(port), hostname)
    for (const one of [socket, onward]) {
      sockets.add(one)
      one
        .on('error', () => {})
        .on('close', () => {
          socket.destroy()
          onward.destroy()
        })
    }
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((listens) => balancer.listen(0, '127.0.0.1', listens))
  onTestFinished(() => {
    balancer.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(balancer.address() as AddressInfo).port}`
}

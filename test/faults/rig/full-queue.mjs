/**
 * Listens on a port of loopback, and never takes a connection: once its queue is full, the kernel drops whoever comes,
 * without a word. The first argument is the port.
 */
import net from 'node:net'

net.createServer().listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 1 }, () => {
  process.stdout.write('full\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})

/**
 * The baseline of `streams`: server-sent events from Node alone. It keeps every response that asks for `/stream`, and
 * writes the body of a POST to all of them, one after the other. The argument is its port.
 */
import { createServer, type ServerResponse } from 'node:http'

const streams = new Set<ServerResponse>()
const server = createServer((request, response) => {
  if (request.method === 'POST') {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const frame = Buffer.concat(pieces)
      for (const stream of streams) stream.write(frame)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
    return
  }
  if (request.url !== '/stream') {
    response.writeHead(200).end()
    return
  }
  response.socket?.setNoDelay(true)
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.write(': open\n\n')
  streams.add(response)
  response.on('close', () => streams.delete(response))
})
process.once('SIGTERM', () => process.exit(0))
server.listen(Number(process.argv[2]), '127.0.0.1')

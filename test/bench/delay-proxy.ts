/**
 * A TCP proxy in a process of its own that adds half a round trip to what goes each way, to fractions of a
 * millisecond: timers count whole ones, so it looks at the clock for as long as something is under way.
 * `delay-proxy.js <port to go to> <round trip, ms>`; says the port that it listens on.
 */
import { connect, createServer, type Socket } from 'node:net'

const [target = '', roundTrip = ''] = process.argv.slice(2)
const delay = Number(roundTrip) / 2
type Chunk = { readonly due: number; readonly to: Socket; readonly bytes: Buffer }
const underWay: Chunk[] = []
let watching = false

function watch(): void {
  const now = performance.now()
  while (underWay[0] !== undefined && underWay[0].due <= now) {
    const { to, bytes } = underWay.shift() as Chunk
    to.write(bytes)
  }
  watching = underWay.length > 0
  if (watching) setImmediate(watch)
}

function pass(from: Socket, to: Socket): void {
  from.setNoDelay(true)
  from.on('data', (bytes) => {
    if (delay === 0) {
      to.write(bytes)
      return
    }
    underWay.push({ due: performance.now() + delay, to, bytes })
    if (!watching) watch()
  })
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
}

const server = createServer((client) => {
  const there = connect(Number(target), '127.0.0.1')
  pass(client, there)
  pass(there, client)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.(typeof address === 'object' && address !== null ? address.port : 0)
})
process.on('disconnect', () => process.exit(0))

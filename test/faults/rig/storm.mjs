/**
 * Thousands of streams from one process, each of them as an SDK opens it: after an end it comes back with full jitter
 * (1 s to 30 s, doubling), no sooner than it was told, and asks for the ruleset meanwhile. The first argument is JSON;
 * an end of the input ends it. Says four times a second how many are open.
 */
import net from 'node:net'

const { port, key, streams, lastEventId } = JSON.parse(process.argv[2])
const now = () => Number(process.hrtime.bigint()) / 1e6
const BACKOFF = { first: 1_000, most: 30_000 }
/** As SDKs do, not all at once: to begin with, so many a second. */
const PER_SECOND = 450

let open = 0
let refused = 0
let unreachable = 0
let polls = 0
let events = 0

const head = (path, more) =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${key}\r\nHalyard-App: storm/1.0.0\r\nHalyard-SDK: node/0.1.0\r\n${more}\r\n`
const STREAM = head('/sdk/v1/stream', `Accept: text/event-stream\r\nLast-Event-ID: ${lastEventId}\r\n`)
const POLL = head('/sdk/v1/ruleset', 'Accept-Encoding: gzip\r\nConnection: close\r\n')

function client() {
  let failures = 0
  function connect() {
    const socket = net.connect({ port, host: '127.0.0.1' })
    let state = 'connecting'
    let retryAfterMs = 0
    socket.setNoDelay(true)
    socket.write(STREAM)
    socket.on('data', (bytes) => {
      if (state === 'open') {
        events += 1
        return
      }
      const text = bytes.toString('latin1')
      if (text.startsWith('HTTP/1.1 200')) {
        state = 'open'
        failures = 0
        open += 1
        return
      }
      if (state === 'connecting') {
        state = 'refused'
        refused += 1
        retryAfterMs = 1_000 * Number(/retry-after: (\d+)/i.exec(text)?.[1] ?? 0)
        socket.destroy()
      }
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (state === 'open') open -= 1
      if (state === 'connecting') unreachable += 1
      const jitter = Math.random() * Math.min(BACKOFF.most, BACKOFF.first * 2 ** failures)
      failures += 1
      setTimeout(connect, Math.max(jitter, retryAfterMs * (1 + 0.2 * Math.random())))
      if (state === 'open') setTimeout(poll, 5_000 * (1 + Math.random()))
    })
  }
  connect()
}

function poll() {
  polls += 1
  const socket = net.connect({ port, host: '127.0.0.1' })
  socket.end(POLL)
  socket.on('error', () => {})
  socket.resume()
}

let started = 0
const starting = setInterval(() => {
  for (let some = 0; some < PER_SECOND / 10 && started < streams; some += 1) {
    started += 1
    client()
  }
  if (started === streams) clearInterval(starting)
}, 100)

setInterval(() => {
  process.stdout.write(`${JSON.stringify({ at: now(), open, refused, unreachable, polls, events })}\n`)
}, 250)
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))

/**
 * Asks a server for far more than its limits let through, over raw sockets: management requests and evaluations over
 * connections that are kept, and streams over a new one each. It sends at its rate whether or not it is answered, up to
 * a bound of what is under way, and never comes later because it was told to. The first argument is JSON; an end of the
 * input ends it. Says four times a second what was answered.
 */
import net from 'node:net'

const { port, managementKey, sdkKey, perSecond, path, waiting: more } = JSON.parse(process.argv[2])
/** Of each kind under way at once: a flood is not to be ended by what this process may have open. */
const MOST_WAITING = { management: 64, evaluations: 64, streams: 1_500, ...more }
const TICK_MS = 10

const counts = {}
for (const kind of Object.keys(MOST_WAITING)) counts[kind] = { sent: 0, unsent: 0, statuses: {} }
function took(kind, status) {
  const { statuses } = counts[kind]
  statuses[status] = (statuses[status] ?? 0) + 1
}

const context = '{"context":{"targetingKey":"user-0"}}'
const head = (line, key, more = '') =>
  `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${key}\r\nHalyard-App: flood/1.0.0\r\nHalyard-SDK: node/0.1.0\r\n${more}\r\n`
const REQUESTS = {
  management: head(`GET ${path}`, managementKey),
  evaluations:
    head(
      'POST /ofrep/v1/evaluate/flags',
      sdkKey,
      `Content-Type: application/json\r\nContent-Length: ${context.length}\r\n`,
    ) + context,
  streams: head('GET /sdk/v1/stream', sdkKey, 'Accept: text/event-stream\r\n'),
}

/** Connections that are kept: each asks when it is free and the rate has something for it. */
function kept(kind) {
  let due = 0
  const free = []
  function lane() {
    const socket = net.connect({ port, host: '127.0.0.1' })
    let left = 0
    socket.setNoDelay(true)
    socket.on('connect', () => free.push(socket))
    socket.on('data', (bytes) => {
      // An answer's head comes in one piece with the beginning of its body.
      if (left === 0) {
        const text = bytes.toString('latin1')
        took(kind, text.slice(9, 12))
        const end = text.indexOf('\r\n\r\n') + 4
        left = end + Number(/content-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0)
      }
      left = Math.max(0, left - bytes.length)
      if (left === 0) free.push(socket)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      const at = free.indexOf(socket)
      if (at >= 0) free.splice(at, 1)
      took(kind, 'closed')
      setTimeout(lane, 100)
    })
  }
  const lanes = perSecond[kind] > 0 ? MOST_WAITING[kind] : 0
  for (let index = 0; index < lanes; index += 1) lane()
  return (some) => {
    due += some
    while (due >= 1 && free.length > 0) {
      due -= 1
      counts[kind].sent += 1
      free.pop().write(REQUESTS[kind])
    }
    // What could not be sent is not sent later in one go.
    const over = Math.max(0, due - perSecond[kind] / 10)
    counts[kind].unsent += over
    due -= over
  }
}

/** A connection each; one that is let in is held. */
let waiting = 0
function stream() {
  const socket = net.connect({ port, host: '127.0.0.1' })
  let answered = false
  waiting += 1
  const done = (status) => {
    if (answered) return
    answered = true
    waiting -= 1
    took('streams', status)
  }
  socket.write(REQUESTS.streams)
  socket.on('data', (bytes) => {
    if (answered) return
    const status = bytes.toString('latin1', 9, 12)
    done(status)
    if (status !== '200') socket.destroy()
  })
  socket.on('error', (error) => done(error.code))
  socket.on('close', () => done('closed'))
}
let owed = 0
function streams(some) {
  owed += some
  while (owed >= 1) {
    owed -= 1
    if (waiting >= MOST_WAITING.streams) counts.streams.unsent += 1
    else {
      counts.streams.sent += 1
      stream()
    }
  }
}

const send = { management: kept('management'), evaluations: kept('evaluations'), streams }
let last = performance.now()
setInterval(() => {
  const at = performance.now()
  for (const [kind, rate] of Object.entries(perSecond)) send[kind]((rate * (at - last)) / 1_000)
  last = at
}, TICK_MS)
setInterval(() => process.stdout.write(`${JSON.stringify(counts)}\n`), 250)
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))

/**
 * Load over plain sockets: every connection keeps one request in flight. Leaner than any HTTP client, so that the
 * server is what is measured.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export type Load = {
  /** Requests a second, over about `ms`. Every answer must have the status. */
  readonly run: (ms: number) => Promise<{ readonly perSecond: number; readonly requests: number }>
  readonly close: () => void
}

export function post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Buffer {
  const text = JSON.stringify(body)
  const lines = Object.entries({ host: '127.0.0.1', 'content-type': 'application/json', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\n${lines}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}

/** @param requests sent in turn, whichever connection is free, so that not every answer is the same */
export async function load(
  port: number,
  requests: readonly Buffer[],
  status: number,
  connections = 32,
): Promise<Load> {
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true })
      await once(socket, 'connect')
      return socket
    }),
  )
  let turn = 0
  const next = () => {
    const request = requests[turn % requests.length]
    turn += 1
    if (!request) throw new Error('there is nothing to send')
    return request
  }
  const lanes = sockets.map((socket) => lane(socket, next, status))
  return {
    run: async (ms) => {
      const start = performance.now()
      const counts = await Promise.all(lanes.map((run) => run(start + ms)))
      const total = counts.reduce((sum, count) => sum + count, 0)
      return { perSecond: (total * 1_000) / (performance.now() - start), requests: total }
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** One connection: sends, awaits the whole answer, sends again until the time is over. */
function lane(socket: Socket, next: () => Buffer, status: number): (until: number) => Promise<number> {
  let count = 0
  let until = 0
  let settle: ((count: number) => void) | undefined
  let fail: ((fault: Error) => void) | undefined
  let pending: Buffer | undefined
  const expected = Buffer.from(`HTTP/1.1 ${status} `)
  socket.on('data', (chunk) => {
    const bytes = pending ? Buffer.concat([pending, chunk]) : chunk
    const end = answerEnd(bytes)
    if (end === undefined || bytes.length < end) {
      pending = bytes
      return
    }
    pending = undefined
    if (bytes.compare(expected, 0, expected.length, 0, expected.length) !== 0 || bytes.length !== end) {
      fail?.(new Error(`the answer is not ${status}: ${bytes.toString('utf8', 0, 400)}`))
      return
    }
    count += 1
    if (performance.now() < until) socket.write(next())
    else settle?.(count)
  })
  socket.on('error', (fault) => fail?.(fault))
  socket.on('close', () => fail?.(new Error('the connection was closed')))
  return (end) =>
    new Promise((resolve, reject) => {
      until = end
      count = 0
      settle = resolve
      fail = reject
      socket.write(next())
    })
}

const HEAD_END = Buffer.from('\r\n\r\n')

/** Where the answer ends, once its head is here. A 204 and a 304 have no body. */
function answerEnd(bytes: Buffer): number | undefined {
  const head = bytes.indexOf(HEAD_END)
  if (head < 0) return undefined
  const text = bytes.toString('latin1', 0, head).toLowerCase()
  if (text.startsWith('http/1.1 304') || text.startsWith('http/1.1 204')) return head + 4
  const at = text.indexOf('content-length: ')
  if (at < 0) throw new Error(`an answer without content-length: ${text}`)
  return head + 4 + Number.parseInt(text.slice(at + 16), 10)
}

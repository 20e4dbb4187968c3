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
      const reader: Reader = { read: () => {} }
      // One buffer a connection for its whole life: reading an answer allocates nothing.
      const callback = (length: number, buffer: Uint8Array) => {
        reader.read(buffer as Buffer, length)
        return true
      }
      const onread = { buffer: Buffer.allocUnsafe(64 * 1_024), callback }
      const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread })
      await once(socket, 'connect')
      return Object.assign(socket, { reader })
    }),
  )
  let turn = 0
  const next = () => {
    const request = requests[turn % requests.length]
    turn += 1
    if (!request) throw new Error('there is nothing to send')
    return request
  }
  const lanes = sockets.map((socket) => lane(socket, socket.reader, next, status))
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

/** What a connection's bytes are given to: the first `length` of the buffer, which the next bytes overwrite. */
type Reader = { read: (buffer: Buffer, length: number) => void }

/** One connection: sends, awaits the whole answer, sends again until the time is over. */
function lane(
  socket: Socket,
  reader: Reader,
  next: () => Buffer,
  status: number,
): (until: number) => Promise<number> {
  let count = 0
  let until = 0
  let settle: ((count: number) => void) | undefined
  let fail: ((fault: Error) => void) | undefined
  /** Of the answer that is coming in; 0 before its head is here. */
  let whole = 0
  let got = 0
  let head: Buffer = NOTHING
  const expected = Buffer.from(`HTTP/1.1 ${status} `)
  reader.read = (buffer, length) => {
    got += length
    if (whole === 0) {
      const bytes = buffer.subarray(0, length)
      head = head.length === 0 ? bytes : Buffer.concat([head, bytes])
      const end = answerEnd(head)
      if (end === undefined) {
        head = Buffer.from(head)
        return
      }
      if (head.compare(expected, 0, expected.length, 0, expected.length) !== 0) {
        fail?.(new Error(`the answer is not ${status}: ${head.toString('utf8', 0, 400)}`))
        return
      }
      whole = end
      head = NOTHING
    }
    if (got < whole) return
    if (got > whole) fail?.(new Error('more came than was asked for'))
    whole = got = 0
    count += 1
    if (performance.now() < until) socket.write(next())
    else settle?.(count)
  }
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

const NOTHING = Buffer.alloc(0)
const HEAD_END = Buffer.from('\r\n\r\n')

/** Where the answer ends, once its head is here. A 204 and a 304 have no body. */
function answerEnd(bytes: Buffer): number | undefined {
  const head = bytes.indexOf(HEAD_END)
  if (head < 0) return undefined
  const text = bytes.toString('latin1', 0, head)
  if (text.startsWith('HTTP/1.1 304') || text.startsWith('HTTP/1.1 204')) return head + 4
  const at = text.search(/content-length: /i)
  if (at < 0) throw new Error(`an answer without content-length: ${text}`)
  return head + 4 + Number.parseInt(text.slice(at + 16), 10)
}

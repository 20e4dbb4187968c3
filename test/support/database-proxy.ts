/**
 * A TCP proxy in front of Postgres that can let its notifications get lost. It reads just enough of the protocol for
 * that: the frames that the server sends (PostgreSQL documentation, "Message Formats": a type byte, then a length that
 * counts itself).
 */
import { type Carry, type TcpProxy, tcpProxy } from './tcp-proxy.ts'

export type DatabaseProxy = TcpProxy & {
  /** The database's URL, by way of the proxy. */
  readonly url: string
  /** From now on every NotificationResponse is dropped. */
  readonly loseNotifications: () => void
  readonly lost: () => number
}

const NOTIFICATION = 'A'.charCodeAt(0)
const HEAD_BYTES = 5

/**
 * @param databaseUrl of a database that is reached over TCP without TLS
 * @param away start with the database taken away
 */
export async function databaseProxy(databaseUrl: string, { away = false } = {}): Promise<DatabaseProxy> {
  let losing = false
  let lost = 0
  const keep = (type: number): boolean => {
    if (type !== NOTIFICATION || !losing) return true
    lost += 1
    return false
  }
  const proxy = await tcpProxy(databaseUrl, { away, treatment: () => ({ down: frames(keep) }) })
  return {
    ...proxy,
    url: proxy.via(databaseUrl),
    loseNotifications: () => {
      losing = true
    },
    lost: () => lost,
  }
}

/** Cuts a stream of bytes into the server's frames, and passes on those whose type is kept. */
function frames(kept: (type: number) => boolean): Carry {
  let rest: Buffer = Buffer.alloc(0)
  return (bytes, pass) => {
    rest = Buffer.concat([rest, bytes])
    const passed: Buffer[] = []
    for (;;) {
      if (rest.length < HEAD_BYTES) break
      const end = 1 + rest.readUInt32BE(1)
      if (rest.length < end) break
      if (kept(rest.readUInt8(0))) passed.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    pass(Buffer.concat(passed))
  }
}

/**
 * A TCP proxy in front of Postgres, with which a test takes the database away and gives it back, or lets its
 * notifications get lost. It reads just enough of the protocol for that: the frames that the server sends
 * (PostgreSQL documentation, "Message Formats": a type byte, then a length that counts itself).
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from './postgres-process.ts'

export type DatabaseProxy = {
  /** The database's URL, by way of the proxy. */
  readonly url: string
  /** From now on every NotificationResponse is dropped. */
  readonly loseNotifications: () => void
  readonly lost: () => number
  /** Ends every connection and refuses new ones, as a database does that is not running. */
  readonly takeAway: () => Promise<void>
  readonly giveBack: () => Promise<void>
  readonly close: () => Promise<void>
}

const NOTIFICATION = 'A'.charCodeAt(0)
const HEAD_BYTES = 5

/**
 * @param databaseUrl of a database that is reached over TCP without TLS
 * @param away start with the database taken away
 */
export async function databaseProxy(databaseUrl: string, { away = false } = {}): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl)
  const port = await freePort()
  const sockets = new Set<Socket>()
  let losing = false
  let lost = 0
  let listener: Server | undefined

  function join(client: Socket): void {
    const database = connect({ host: target.hostname, port: Number(target.port || 5432) })
    const keep = frames((type) => {
      if (type !== NOTIFICATION || !losing) return true
      lost += 1
      return false
    })
    client.on('data', (bytes) => database.write(bytes))
    database.on('data', (bytes) => client.write(keep(bytes)))
    for (const [socket, other] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('end', () => other.end())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  }

  async function giveBack(): Promise<void> {
    listener = createServer(join).listen(port, '127.0.0.1')
    await once(listener, 'listening')
  }
  async function takeAway(): Promise<void> {
    if (listener === undefined) return
    const closed = once(listener, 'close')
    listener.close()
    for (const socket of sockets) socket.destroy()
    await closed
    listener = undefined
  }

  if (!away) await giveBack()
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return {
    url: url.href,
    loseNotifications: () => {
      losing = true
    },
    lost: () => lost,
    takeAway,
    giveBack,
    close: takeAway,
  }
}

/** Cuts a stream of bytes into the server's frames, and passes on those whose type is kept. */
function frames(kept: (type: number) => boolean): (bytes: Buffer) => Buffer {
  let rest: Buffer = Buffer.alloc(0)
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    const passed: Buffer[] = []
    for (;;) {
      if (rest.length < HEAD_BYTES) break
      const end = 1 + rest.readUInt32BE(1)
      if (rest.length < end) break
      if (kept(rest.readUInt8(0))) passed.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    return Buffer.concat(passed)
  }
}

/**
 * A TCP proxy before Postgres that reads the protocol as it passes (PostgreSQL documentation, "Frontend/Backend
 * Protocol"): an exchange is what stands between two ReadyForQuery messages, which is one round trip.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** What was asked (the first words of each statement), and the transaction's state after it: I, T or E. */
export type Exchange = { readonly connection: number; readonly asked: string; readonly after: string }
export type Counter = {
  /** The same database through the proxy. */
  readonly url: string
  /** All exchanges since the last call. */
  readonly take: () => readonly Exchange[]
  readonly close: () => Promise<void>
}

export async function countRoundTrips(url: string): Promise<Counter> {
  const target = new URL(url)
  let exchanges: Exchange[] = []
  const open = new Set<Socket>()
  let connections = 0
  const server = createServer((near) => {
    const connection = connections
    connections += 1
    const far = connect({ host: target.hostname, port: Number(target.port || 5_432) })
    const prepared = new Map<string, string>()
    let asked: string[] = []
    const up = messages(true, (type, body) => {
      if (type === 'Q') asked.push(text(body, 0))
      if (type === 'P') {
        const name = text(body, 0)
        prepared.set(name, text(body, name.length + 1))
      }
      if (type === 'B') {
        const portal = text(body, 0)
        asked.push(prepared.get(text(body, portal.length + 1)) ?? '?')
      }
    })
    const down = messages(false, (type, body) => {
      if (type !== 'Z') return
      if (asked.length > 0)
        exchanges.push({ connection, asked: asked.join('; '), after: text(body, 0).charAt(0) })
      asked = []
    })
    for (const [from, to, read] of [
      [near, far, up],
      [far, near, down],
    ] as const) {
      open.add(from)
      from.on('data', (chunk) => {
        read(chunk)
        to.write(chunk)
      })
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
      from.on('error', () => to.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(address.port)
  return {
    url: through.href,
    take: () => {
      const taken = exchanges
      exchanges = []
      return taken
    },
    close: async () => {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Cuts a direction's bytes into messages. A client's first has no type: it is passed over. */
function messages(
  startup: boolean,
  onMessage: (type: string, body: Buffer) => void,
): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0)
  let first = startup
  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    for (;;) {
      const head = first ? 0 : 1
      if (held.length < head + 4) return
      const end = head + held.readInt32BE(head)
      if (held.length < end) return
      if (!first) onMessage(String.fromCharCode(held[0] ?? 0), held.subarray(5, end))
      first = false
      held = held.subarray(end)
    }
  }
}

/** A zero-terminated string. */
function text(bytes: Buffer, from: number): string {
  const end = bytes.indexOf(0, from)
  return bytes.toString('utf8', from, end < 0 ? bytes.length : end)
}

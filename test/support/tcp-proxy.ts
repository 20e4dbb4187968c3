/**
 * A TCP proxy on loopback with which a test does to a connection what networks do: delay it, cut it, silence it, lose
 * one end of it, hold its bytes back or change them. It knows no protocol; who does gives it a treatment.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from './postgres-process.ts'

/** Passes bytes on, in order, perhaps later. */
export type Pass = (bytes: Buffer, afterMs?: number) => void
/** What becomes of the bytes that came from one side. */
export type Carry = (bytes: Buffer, pass: Pass) => void
export type Link = { readonly client: Socket; readonly server: Socket }
/** Made anew for each connection, so that it may keep what it knows of one. `up`: from the client to the server. */
export type Treatment = (link: Link) => { readonly up?: Carry; readonly down?: Carry }

export type TcpProxy = {
  readonly port: number
  /** The same URL, by way of the proxy. */
  readonly via: (url: string) => string
  /** Open now. */
  readonly connections: () => number
  /** All goes through again. What was lost stays lost, and a vanished connection stays vanished. */
  readonly heal: () => void
  /** From now on, every connection's bytes are treated so. */
  readonly treat: (treatment: Treatment) => void
  readonly delay: (ms: number) => void
  /** Nothing is read from either side, and nothing is closed: the other end seems asleep. */
  readonly freeze: () => void
  /** The far ends of what is open now are gone, and nobody was told: bytes into the void. New connections work. */
  readonly vanish: () => void
  /** Resets what is open. New connections work. */
  readonly cut: () => void
  /** New connections go there, as where a name is given to another machine; what is open stays. */
  readonly leadTo: (target: string) => void
  /** Resets what is open, and refuses new connections, as where nothing listens. */
  readonly takeAway: () => Promise<void>
  readonly giveBack: () => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * @param target a URL whose host and port are reached over TCP
 * @param away start as after `takeAway`
 */
export async function tcpProxy(
  target: string,
  { away = false, treatment }: { readonly away?: boolean; readonly treatment?: Treatment } = {},
): Promise<TcpProxy> {
  let far = addressOf(target)
  const port = await freePort()
  const links = new Set<OpenLink>()
  const base = treatment ?? (() => ({}))
  let current = base
  let frozen = false
  let listener: Server | undefined

  function join(client: Socket): void {
    const link = openLink(client, connect(far), () => links.delete(link))
    links.add(link)
    link.treat(current)
    if (frozen) link.freeze()
  }
  async function giveBack(): Promise<void> {
    if (listener !== undefined) return
    listener = createServer({ allowHalfOpen: true }, join).listen(port, '127.0.0.1')
    await once(listener, 'listening')
  }
  async function takeAway(): Promise<void> {
    if (listener === undefined) return
    const closed = once(listener, 'close')
    listener.close()
    listener = undefined
    for (const link of links) link.cut()
    await closed
  }
  const treat = (next: Treatment): void => {
    current = next
    for (const link of links) link.treat(next)
  }

  if (!away) await giveBack()
  return {
    port,
    via: (url) => {
      const through = new URL(url)
      through.hostname = '127.0.0.1'
      through.port = String(port)
      // A bare address comes back as it was given, without the slash that URL adds.
      return url.endsWith('/') ? through.href : through.href.replace(/\/$/, '')
    },
    connections: () => links.size,
    heal: () => {
      frozen = false
      // One that reads a protocol from its start must not begin anew in the middle.
      if (current !== base) treat(base)
      for (const link of links) link.thaw()
    },
    treat,
    delay: (ms) =>
      treat(() => ({ up: (bytes, pass) => pass(bytes, ms), down: (bytes, pass) => pass(bytes, ms) })),
    freeze: () => {
      frozen = true
      for (const link of links) link.freeze()
    },
    vanish: () => {
      for (const link of links) link.vanish()
    },
    cut: () => {
      for (const link of links) link.cut()
    },
    leadTo: (target) => {
      far = addressOf(target)
    },
    takeAway,
    giveBack,
    close: takeAway,
  }
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'postgres:': 5432,
  'postgresql:': 5432,
  'redis:': 6379,
}

function addressOf(target: string): { readonly host: string; readonly port: number } {
  const { hostname, port, protocol } = new URL(target)
  return { host: hostname, port: Number(port || DEFAULT_PORTS[protocol]) }
}

type OpenLink = {
  readonly treat: (treatment: Treatment) => void
  readonly freeze: () => void
  readonly thaw: () => void
  readonly vanish: () => void
  readonly cut: () => void
}

function openLink(client: Socket, server: Socket, onGone: () => void): OpenLink {
  let carries: ReturnType<Treatment> = {}
  let vanished = false
  const up = lane(server)
  const down = lane(client)
  const both = [client, server] as const

  client.on('data', (bytes) => {
    if (!vanished) (carries.up ?? straight)(bytes, up.pass)
  })
  server.on('data', (bytes) => (carries.down ?? straight)(bytes, down.pass))
  // What was passed on is read to its end before the end itself.
  client.on('end', () => (vanished ? client.destroy() : up.end()))
  server.on('end', () => down.end())
  for (const [socket, other] of [both, [server, client]] as const) {
    socket.setNoDelay(true)
    socket.on('error', () => {
      if (!vanished) other.resetAndDestroy()
    })
    socket.on('close', () => {
      if (!vanished) other.destroy()
      if (client.destroyed) onGone()
    })
  }
  return {
    treat: (treatment) => {
      carries = treatment({ client, server })
    },
    freeze: () => {
      for (const socket of both) socket.pause()
      up.hold(true)
      down.hold(true)
    },
    thaw: () => {
      for (const socket of both) socket.resume()
      up.hold(false)
      down.hold(false)
    },
    vanish: () => {
      vanished = true
      down.discard()
      server.destroy()
      client.resume()
    },
    cut: () => {
      for (const socket of both) socket.resetAndDestroy()
    },
  }
}

const straight: Carry = (bytes, pass) => pass(bytes)

/** Bytes on their way to a socket: in order, each at its time. */
function lane(to: Socket) {
  const queue: { readonly due: number; readonly bytes: Buffer | undefined }[] = []
  let timer: NodeJS.Timeout | undefined
  let held = false

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    while (!held && queue[0] !== undefined) {
      const { due, bytes } = queue[0]
      const left = due - performance.now()
      if (left > 0) {
        timer = setTimeout(flush, left)
        return
      }
      queue.shift()
      if (bytes === undefined) to.end()
      else if (to.writable) to.write(bytes)
    }
  }
  function push(bytes: Buffer | undefined, afterMs: number): void {
    // Never before what was passed earlier.
    const due = Math.max(performance.now() + afterMs, queue.at(-1)?.due ?? 0)
    queue.push({ due, bytes })
    flush()
  }
  return {
    pass: (bytes: Buffer, afterMs = 0) => push(bytes, afterMs),
    end: () => push(undefined, 0),
    hold: (is: boolean) => {
      held = is
      flush()
    },
    discard: () => {
      queue.length = 0
    },
  }
}

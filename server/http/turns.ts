/**
 * How many requests are taken up in one turn of the event loop. Node takes one new connection a turn, and hears of the
 * database's answers once a turn: where a turn took up all requests that have come, a new connection would wait for as
 * many of them as there are connections before it. So beyond a few, requests wait for the next turn, in their order, and
 * let connections go first for some turns. Those that must not wait do not. What waits is bounded a connection, and let
 * go with it.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { allEndpoints } from '../contract/index.ts'
import { PEER_PATH } from '../live/peers.ts'
import { addressesOf, pathOf } from './addresses.ts'

export type Turns = {
  /** The listener, as it is to be called. */
  of(listener: RequestListener): RequestListener
  /** To be called at each new connection. */
  connected(socket: Socket): void
  /** How long requests have waited, milliseconds: the mean of those taken up since the last look, and of those that wait yet. */
  lateMs(): number
}

/** Kills, how far they have come, health and the like. */
const URGENT = addressesOf(
  allEndpoints.filter(
    ({ limit, access, problems }) =>
      limit === 'kills' || access.by === 'kill-link' || !problems.includes('too-many-requests'),
  ),
)

/** What instances say to each other of kills is urgent, too. */
function isUrgent({ method, url = '' }: IncomingMessage): boolean {
  const path = pathOf(url)
  return path === PEER_PATH || URGENT.some((one) => one.method === method && one.pattern.test(path))
}

type Waiting = { readonly run: () => void; readonly since: number; readonly socket: Socket }

/** Requests of one turn at most, and at first. */
const MOST = 16
/** Where turns are longer than this, milliseconds, they take up fewer. */
const TURN_MS = 0.5
/**
 * Turns in a row that take up no request that waits, where one connection comes after the other: a kill may be behind. A
 * connection alone is taken in a tenth of a millisecond, so thousands at once are taken in half a second; `behind`: of
 * those that are taken, this many wait, and each holds memory.
 */
const FOR_CONNECTIONS = { most: 24, behind: 4_096, least: 4 }
/** A shorter time in the queue of connections is none, milliseconds. */
const LEAST_QUEUED_MS = 20
/**
 * Requests of one connection that wait (pipelining; RFC 9112, 9.3.2). Node reads them by the thousand and bounds what is
 * to be sent alone: one connection could make all others wait for minutes.
 */
const MOST_OF_A_CONNECTION = 64

/** For how long at most a request's connection had waited to be taken, milliseconds; of those that must not wait. */
const queued = new WeakMap<IncomingMessage, number>()

/** How long an urgent request may have waited before it was read at all, milliseconds. */
export const queuedMsOf = (request: IncomingMessage): number => queued.get(request) ?? 0

/** @param clock milliseconds that only grow */
export function createTurns(clock: { now(): number } = performance): Turns {
  let waiting: Waiting[] = []
  /** Those at the beginning of `waiting` that were taken up. */
  let gone = 0
  const ofConnection = new WeakMap<Socket, number>()
  /** Since when a connection has come in each turn of the loop: others may have waited for as long as that. */
  let streakSince: number | undefined
  let streakGoesOn = false
  const queuedConnections = new WeakMap<Socket, number>()
  let most = MOST
  let taken = 0
  let scheduled = false
  /** Whether a connection has come since the last turn, and how many turns in a row were for such alone. */
  let connected = false
  let connectionsFirst = 0
  /** When the last turn began, if the next follows at once. */
  let began: number | undefined
  /** Requests that were taken up since the last look, and how long they had waited together. */
  let served = 0
  let waited = 0

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    setImmediate(turn)
  }

  /** The loop goes around once between as many requests and the next. */
  function take(run: () => void): void {
    served += 1
    taken += 1
    if (taken >= most) schedule()
    run()
  }

  function wait(socket: Socket, run: () => void): void {
    // Node hands over the rest of what it had read.
    if (socket.destroyed) return
    const others = ofConnection.get(socket) ?? 0
    if (others >= MOST_OF_A_CONNECTION) {
      socket.destroy()
      return
    }
    ofConnection.set(socket, others + 1)
    waiting.push({ run, since: clock.now(), socket })
    schedule()
  }

  /** The next of those that wait; where the connection is gone, nobody waits any more. */
  function next(count: number): readonly Waiting[] {
    const batch: Waiting[] = []
    for (let one = waiting[gone]; one !== undefined && batch.length < count; one = waiting[gone]) {
      gone += 1
      ofConnection.set(one.socket, (ofConnection.get(one.socket) ?? 1) - 1)
      if (!one.socket.destroyed) batch.push(one)
    }
    // Now and then alone: a long queue would be copied for a few of it.
    if (gone > waiting.length / 2) {
      waiting = waiting.slice(gone)
      gone = 0
    }
    return batch
  }

  function followStreak(): void {
    if (streakGoesOn) setImmediate(followStreak)
    else streakSince = undefined
    streakGoesOn = false
  }

  /** How long the connection may have waited, told once: its later requests have not. */
  function queuedAt(socket: Socket): number | undefined {
    const ms = queuedConnections.get(socket)
    if (ms !== undefined) queuedConnections.delete(socket)
    return ms
  }

  function turn(): void {
    scheduled = false
    const now = clock.now()
    if (began !== undefined) most = now - began > TURN_MS ? Math.ceil(most / 2) : Math.min(MOST, most + 1)
    began = undefined
    const behind = waiting.length - gone
    const { most: many, least: few } = FOR_CONNECTIONS
    const mostFirst = behind < FOR_CONNECTIONS.behind ? many : few
    const first = connected && behind > 0 && connectionsFirst < mostFirst
    connectionsFirst = first ? connectionsFirst + 1 : 0
    connected = false
    if (first) {
      schedule()
      return
    }
    taken = 0
    const batch = next(most)
    if (batch.length === most) began = now
    for (const { run, since } of batch) {
      waited += now - since
      take(run)
    }
  }

  return {
    of: (listener) => (request: IncomingMessage, response: ServerResponse & { req: IncomingMessage }) => {
      const run = (): void => listener(request, response)
      const free = taken < most && waiting.length === gone && !connected
      const queuedMs = queuedAt(request.socket)
      const urgent = (!free || queuedMs !== undefined) && isUrgent(request)
      if (urgent && queuedMs !== undefined) queued.set(request, queuedMs)
      if (free || urgent) take(run)
      else wait(request.socket, run)
    },
    connected(socket) {
      connected = true
      streakGoesOn = true
      const now = clock.now()
      if (streakSince === undefined) {
        streakSince = now
        setImmediate(followStreak)
      } else if (now - streakSince >= LEAST_QUEUED_MS) queuedConnections.set(socket, now - streakSince)
    },
    lateMs() {
      const now = clock.now()
      const yet = waiting.slice(gone)
      const all = yet.reduce((sum, { since }) => sum + now - since, waited)
      const mean = all / Math.max(1, served + yet.length)
      served = 0
      waited = 0
      return mean
    },
  }
}

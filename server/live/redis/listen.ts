/**
 * Listening on a channel, for ever: a connection that asks now and then whether it still lives, and another when it
 * does not. What is missed in between is missed; whoever listens finds it by polling.
 */
import type { Redis } from 'ioredis'
import { keepTrying, pause, unlessLost, within } from '../../waiting.ts'
import { retryDelay } from '../poll.ts'

export type ListenDeps = {
  /** A connection that is not connected yet. @param attempt counts up, so that each may go to another server */
  readonly connect: (attempt: number) => Redis
  readonly channel: string
  readonly onMessage: (message: string) => void
  /** From 0 up to 1. */
  readonly random: () => number
  readonly onFailure: (cause: unknown) => void
  readonly onListening: () => void
}

const HEARTBEAT_MS = 5_000
/** For each answer of the server. */
const ANSWER_MS = 2_000
const RETRY = { first: 200, most: 2_000 }

/** Resolves after the first attempt, successful or not, with the function that stops listening. */
export function keepListening(deps: ListenDeps): Promise<() => Promise<void>> {
  let attempt = 0
  let failures = 0
  return keepTrying({
    once: (stopped, works) =>
      listenOnce(deps, attempt++, stopped, () => {
        failures = 0
        deps.onListening()
        works()
      }),
    onFailure: deps.onFailure,
    pauseMs: () => retryDelay(failures++, deps.random, RETRY),
  })
}

/** Resolves when stopped; rejects when the connection fails. */
async function listenOnce(
  { connect, channel, onMessage }: ListenDeps,
  attempt: number,
  stopped: AbortSignal,
  started: () => void,
): Promise<void> {
  const client = connect(attempt)
  let why: unknown = new Error('the connection that listens was closed')
  const lost = new AbortController()
  client.on('error', (error) => {
    why = error
  })
  client.on('close', () => lost.abort(why))
  client.on('message', (_channel, message) => {
    // Some may still come in while the connection closes.
    if (!stopped.aborted) onMessage(message)
  })
  try {
    await unlessLost(client.connect(), lost.signal)
    await within(unlessLost(client.subscribe(channel), lost.signal), ANSWER_MS)
    started()
    while (!stopped.aborted) {
      await unlessLost(pause(HEARTBEAT_MS, stopped), lost.signal)
      if (!stopped.aborted) await within(unlessLost(client.ping(), lost.signal), ANSWER_MS)
    }
  } finally {
    client.disconnect()
  }
}

/**
 * Change notifications from Postgres: one connection that listens, asks now and then whether it still lives, and
 * comes back by itself. Notifications are hints: what was missed meanwhile is found by polling.
 */
import type pg from 'pg'
import { keepTrying, pause, unlessLost } from '../waiting.ts'
import { CHANNEL, type Log } from './database.ts'

const HEARTBEAT_MS = 10_000
const BACKOFF_MS = { least: 1000, most: 30_000 }
/** A connection that held this long starts the next backoff anew. */
const HEALTHY_MS = 60_000

type ListenOptions = {
  readonly connect: () => pg.Client
  /** From 0 to 1. */
  readonly random: () => number
  readonly onPayload: (payload: string) => void
  readonly log: Log
}

/** Resolves after the first attempt, successful or not, with the function that stops listening. */
export function listenOnPostgres(options: ListenOptions): Promise<() => Promise<void>> {
  let failures = 0
  let since = 0
  // The same failure is told once, and not each half minute.
  let told: string | undefined
  return keepTrying({
    once(stopped, works) {
      since = performance.now()
      return listenOnce(options, stopped, () => {
        told = undefined
        works()
      })
    },
    onFailure(error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== told) {
        options.log.warn({ err: error }, 'change notifications are interrupted; polling goes on')
      }
      told = reason
    },
    pauseMs() {
      if (performance.now() - since > HEALTHY_MS) failures = 0
      const most = Math.min(BACKOFF_MS.most, BACKOFF_MS.least * 2 ** failures++)
      return Math.max(50, options.random() * most)
    },
  })
}

/** Resolves when stopped; rejects when the connection fails. */
async function listenOnce(
  options: ListenOptions,
  stopped: AbortSignal,
  listening: () => void,
): Promise<void> {
  const client = options.connect()
  const lost = new AbortController()
  client.on('error', (error) => lost.abort(error))
  client.on('end', () => lost.abort(new Error('The connection that listens was closed')))
  client.on('notification', ({ payload }) => {
    // Some may still come in while the connection closes.
    if (!stopped.aborted) options.onPayload(payload ?? '')
  })
  try {
    await client.connect()
    await client.query(`LISTEN ${CHANNEL}`)
    listening()
    while (!stopped.aborted) {
      await unlessLost(pause(HEARTBEAT_MS, stopped), lost.signal)
      if (!stopped.aborted) await unlessLost(client.query('SELECT 1'), lost.signal)
    }
  } finally {
    // Not awaited: a server that does not answer must not keep this from coming back.
    client.end().catch(() => {})
  }
}

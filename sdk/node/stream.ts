/**
 * Follows one open event stream to its end, and notices when it has gone silent: a half-open connection never ends
 * by itself.
 */
import { TransportError } from '../transport/errors.ts'
import { createEventParser, type ServerEvent } from '../transport/sse.ts'
import type { Answer } from './http.ts'
import { BOUNDS, type Timing } from './timing.ts'

export type StreamListener = {
  readonly onEvent: (event: ServerEvent) => void
  /** A `retry` field, in milliseconds. */
  readonly onRetry: (ms: number) => void
}

/**
 * Resolves when the server ends the stream, or somebody destroys its body without an error. Rejects with
 * `TransportError`: `silent` after two and a half heartbeats without an event, `network`, `oversize`; or with what a
 * listener threw.
 */
export function follow({ body }: Answer, timing: Timing, listener: StreamListener): Promise<void> {
  return new Promise((resolve, reject) => {
    let events = 0
    let wait = timing.firstEventMs
    let watchdog = arm()
    const parser = createEventParser({
      mostCharacters: BOUNDS.event,
      onRetry: listener.onRetry,
      onEvent(event) {
        events += 1
        wait = timing.heartbeatMs * 2.5
        clearTimeout(watchdog)
        watchdog = arm()
        listener.onEvent(event)
      },
    })

    function arm(): NodeJS.Timeout {
      return setTimeout(() => {
        // A process that was suspended or busy finds its timers due before it has read what waits in the socket.
        const heard = events
        setImmediate(() => {
          if (events === heard) body.destroy(silence(events, wait))
        })
      }, wait).unref()
    }

    body.on('data', (bytes: Uint8Array) => {
      try {
        parser.push(bytes)
      } catch (cause) {
        body.destroy(cause instanceof Error ? cause : new Error(String(cause)))
      }
    })
    body.on('error', (cause) => {
      reject(
        cause instanceof TransportError
          ? cause
          : new TransportError('network', `The stream broke: ${cause.message}`, { cause }),
      )
    })
    body.on('close', () => {
      clearTimeout(watchdog)
      resolve()
    })
  })
}

function silence(events: number, ms: number): TransportError {
  return new TransportError(
    'silent',
    events === 0
      ? `The stream opened, but no event came within ${ms} ms: a proxy may be buffering it. Polling goes on.`
      : `The stream was silent for ${ms} ms: its connection is half-open.`,
  )
}

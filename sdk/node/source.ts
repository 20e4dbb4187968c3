/**
 * Keeps a holder current: polls that never stop, and a stream beside them that makes changes arrive at once. Neither
 * can disable the other.
 */
import { TransportError } from '../transport/errors.ts'
import type { Holder } from './holder.ts'
import { createPoller } from './poller.ts'
import { createStreamer } from './streamer.ts'
import type { Surroundings } from './timing.ts'
import type { Wire } from './wire.ts'

export type Mode = 'stream' | 'poll' | 'once'

export type SourceOptions = {
  readonly mode: Mode
  readonly pollIntervalMs: number
  readonly startTimeoutMs: number
  readonly wire: Wire
  readonly holder: Holder
  readonly surroundings: Surroundings
  readonly signal: AbortSignal
  readonly listener: SourceListener
}

export type SourceListener = {
  /** A poll was answered. */
  answered(): void
  /** The held state is known to be the newest. */
  current(): void
  /** The server asks what is held. @param withinMs the window that it names for the answer */
  asked(withinMs: number): void
  /** Something failed, and is being tried again. */
  failed(error: Error): void
  /** Every address was tried, and none answered. */
  unanswered(): void
  /** Every address refuses the key. */
  refused(error: TransportError): void
}

export type Running = {
  /** Whether changes arrive: a stream works, or in mode `poll` the last one succeeded. */
  connected(): boolean
  /** Resolves when nothing runs any more: after the signal's abort, or the one answer of `once`. */
  readonly ended: Promise<void>
}

/** Starts both loops. Nothing that they do rejects or throws. */
export function run(options: SourceOptions): Running {
  const { mode, pollIntervalMs, startTimeoutMs, wire, holder, surroundings, signal, listener } = options
  let streamed: Promise<void> | undefined
  let refused = false
  let streamRefusal: TransportError | undefined

  /** A key that is refused shows at the next poll; a stream alone that is refused is another matter. */
  function streamFailed(error: Error): void {
    if (error instanceof TransportError && error.code === 'refused') {
      streamRefusal = error
      poller.soon(0)
    } else {
      listener.failed(error)
    }
  }

  const streamer = createStreamer({
    wire,
    holder,
    surroundings,
    signal,
    listener: {
      current: listener.current,
      asked: listener.asked,
      failed: streamFailed,
      reload: (target) => poller.reload(target),
      down: () => poller.soon(pollIntervalMs * (0.5 + 0.5 * surroundings.random())),
    },
  })
  const poller = createPoller({
    intervalMs: pollIntervalMs,
    once: mode === 'once',
    firstRoundMs: startTimeoutMs,
    wire,
    holder,
    surroundings,
    signal,
    streaming: streamer.connected,
    listener: {
      answered(current) {
        if (refused) streamer.soon()
        refused = false
        if (streamRefusal !== undefined) listener.failed(streamRefusal)
        streamRefusal = undefined
        listener.answered()
        if (current) listener.current()
        if (mode === 'stream') streamed ??= streamer.run()
      },
      failed(error, round) {
        listener.failed(error)
        if (round === 'over') listener.unanswered()
      },
      refused(error) {
        refused = true
        streamRefusal = undefined
        listener.refused(error)
      },
    },
  })
  const polled = poller.run()

  return {
    connected() {
      if (mode === 'stream') return streamer.connected()
      return mode === 'poll' && poller.succeeded() && !signal.aborted
    },
    ended: polled.then(() => streamed),
  }
}

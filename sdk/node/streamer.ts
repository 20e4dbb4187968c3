/**
 * The event stream, opened again whenever it ends: it brings changes at once, and tells the poller of what it
 * missed. It never ends for good but with the client.
 */
import { compareStates } from '../core/index.ts'
import { createBackoff } from '../transport/backoff.ts'
import { TransportError } from '../transport/errors.ts'
import { createAlarm } from './alarm.ts'
import type { Holder } from './holder.ts'
import { type Message, messageOf, type Position } from './messages.ts'
import { follow } from './stream.ts'
import type { Surroundings } from './timing.ts'
import type { Wire } from './wire.ts'

export type StreamerOptions = {
  readonly wire: Wire
  readonly holder: Holder
  readonly surroundings: Surroundings
  readonly signal: AbortSignal
  readonly listener: StreamerListener
}

export type StreamerListener = {
  /** The held state is known to be the newest. */
  current(): void
  /** The held state is known to be out of date or damaged. */
  reload(target?: Position): void
  /** The server asks what is held. @param withinMs the window that it names for the answer */
  asked(withinMs: number): void
  /** The stream does not work any more, or not yet; it is being opened again. */
  down(): void
  failed(error: Error): void
}

export type Streamer = {
  /** Streams until the signal aborts. A state must be held. Never rejects. */
  run(): Promise<void>
  /** Whether a stream is open and has spoken. */
  connected(): boolean
  /** Open again now, if waiting to. */
  soon(): void
}

/** The longest time that a server can send a stream away for, in milliseconds. */
const LONGEST_AWAY_MS = 60_000
/** So many within the time after which a stream counts as healthy. */
const GOODBYES_AT_THEIR_WORD = 6

export function createStreamer({ wire, holder, surroundings, signal, listener }: StreamerOptions): Streamer {
  const { monotonic: now, random, timing } = surroundings
  const alarm = createAlarm(now)
  const failures = createBackoff({ ...timing, random })
  let connected = false
  let failedInRound = 0
  let refusedInRound = 0
  /** When streams said goodbye, the last few. */
  let goodbyes: readonly number[] = []

  /** What one stream has asked for, for when it has ended. */
  type Wishes = { retryMs: number; goodbyeMs: number | undefined }

  function located(at: Position): void {
    const held = holder.held()
    const order = held === undefined ? 1 : compareStates(at, held.state)
    if (order > 0) listener.reload(at)
    else if (order === 0) confirm()
  }

  function confirm(): void {
    holder.confirm('stream')
    listener.current()
  }

  function damaged(why: string): void {
    listener.failed(new TransportError('invalid-answer', `An event of the stream was ignored: ${why}.`))
    listener.reload()
  }

  function heard(message: Message, wishes: Wishes): void {
    switch (message.type) {
      case 'heartbeat':
      case 'reload':
        located(message.at)
        break
      case 'delta': {
        const stepped = holder.step(message.delta)
        if (stepped === 'taken') listener.current()
        else if (stepped === 'current') confirm()
        else if (stepped === 'behind') listener.reload(message.delta)
        else if (stepped === 'damaged') damaged('a delta does not lead to the state that it names')
        break
      }
      case 'pending':
        holder.pend(message.pending, message.endedKills)
        break
      case 'goodbye':
        wishes.goodbyeMs = message.retryMs
        break
      case 'ask':
        listener.asked(message.withinMs)
        break
      case 'damaged':
        damaged(message.why)
        break
      case 'unknown':
        break
    }
  }

  async function session(wishes: Wishes): Promise<void> {
    const held = holder.held()
    if (held === undefined) throw new Error('A stream is opened from a held state.')
    const answer = await wire.stream(`${held.state.epoch}-${held.state.revision}`)
    const followed = follow(answer, timing, {
      onEvent(event) {
        if (!connected) {
          connected = true
          failedInRound = 0
          refusedInRound = 0
          failures.succeeded(now())
        }
        heard(messageOf(event), wishes)
        if (wishes.goodbyeMs !== undefined) answer.body.destroy()
      },
      onRetry(ms) {
        wishes.retryMs = ms
      },
    })
    // One that opens and never speaks (a proxy buffers it, or cuts it) is no more than one that does not open.
    await followed.finally(() => connected || wire.passOver())
  }

  /** @returns how long to wait before the next, in milliseconds */
  async function attempt(): Promise<number> {
    const wishes: Wishes = { retryMs: 0, goodbyeMs: undefined }
    let failure: Error | undefined
    try {
      await session(wishes)
    } catch (cause) {
      failure = cause instanceof Error ? cause : new Error(String(cause))
    }
    const opened = connected
    connected = false
    if (signal.aborted) return 0
    listener.down()
    if (wishes.goodbyeMs !== undefined) return away(wishes.goodbyeMs)
    if (failure !== undefined) listener.failed(failure)
    if (!opened && failure !== undefined) {
      failedInRound += 1
      if (failure instanceof TransportError && failure.code === 'refused') refusedInRound += 1
      if (failedInRound < wire.addresses) return 0
      const allRefused = refusedInRound === failedInRound
      failedInRound = 0
      refusedInRound = 0
      if (allRefused && !(await wire.renewed())) return timing.refusedMs * (0.75 + 0.5 * random())
    }
    const asked =
      (failure instanceof TransportError && failure.retryAfterMs) || Math.min(wishes.retryMs, timing.mostMs)
    return Math.max(failures.failed(now()), asked * (1 + 0.2 * random()))
  }

  /**
   * A goodbye is taken at its word, also when instance after instance is restarted; servers that go on sending their
   * clients away must not be circled.
   */
  function away(goodbyeMs: number): number {
    const recent = goodbyes.filter((at) => now() - at < timing.healthyMs)
    goodbyes = [...recent, now()]
    const asked = Math.min(goodbyeMs, LONGEST_AWAY_MS)
    return recent.length < GOODBYES_AT_THEIR_WORD ? asked : Math.max(asked, failures.failed(now()))
  }

  return {
    async run() {
      signal.addEventListener('abort', () => alarm.ring(), { once: true })
      while (!signal.aborted) {
        const wait = await attempt()
        if (signal.aborted) return
        await alarm.wait(wait)
      }
    },
    connected: () => connected,
    soon: () => alarm.ring(),
  }
}

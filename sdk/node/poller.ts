/**
 * The GETs of the ruleset, all of them: the first, the polls that never stop, and those that the stream asks for.
 * One loop makes them, so there is never more than one under way, and never two within `reloadGapMs`.
 */
import { compareStates, type State, tagOf } from '../core/index.ts'
import { type Backoff, createBackoff } from '../transport/backoff.ts'
import { TransportError } from '../transport/errors.ts'
import { createAlarm } from './alarm.ts'
import type { Holder } from './holder.ts'
import type { Position } from './messages.ts'
import type { Surroundings } from './timing.ts'
import type { Wire } from './wire.ts'

export type PollerOptions = {
  /** Between polls, in milliseconds, where no stream works. */
  readonly intervalMs: number
  /** End after the first answer. */
  readonly once: boolean
  /** How long the first round of attempts may take over all addresses, in milliseconds. */
  readonly firstRoundMs: number
  readonly wire: Wire
  readonly holder: Holder
  readonly surroundings: Surroundings
  readonly signal: AbortSignal
  /** Whether a stream works now. */
  readonly streaming: () => boolean
  readonly listener: PollListener
}

export type PollListener = {
  /** The server answered with a state. `current`: the held one is now known to be the newest. */
  answered(current: boolean): void
  /** An attempt failed, and will be made again. `round`: no address is left that was not tried. */
  failed(error: Error, round: 'over' | 'goes on'): void
  /** Every address refuses the key. */
  refused(error: TransportError): void
}

export type Poller = {
  /** Polls until the signal aborts, or once. Never rejects. */
  run(): Promise<void>
  /** Whether the last attempt succeeded. */
  succeeded(): boolean
  /** Poll within so many milliseconds, unless that is against the server's wish. */
  soon(withinMs: number): void
  /** The held state is known to be out of date or damaged: GET, jittered, until `target` is held. */
  reload(target?: Position): void
}

/** After so many answers in a row that are older than the held state, a person should look. */
const OLDER_ANSWERS = 3

export function createPoller(options: PollerOptions): Poller {
  const { intervalMs, once, firstRoundMs, wire, holder, surroundings, signal, streaming, listener } = options
  const { monotonic: now, random, timing } = surroundings
  const alarm = createAlarm(now)
  const failures = createBackoff({ ...timing, random })
  const reloads: Backoff = createBackoff({ ...timing, healthyMs: 0, random })
  let lastAt = Number.NEGATIVE_INFINITY
  let notBefore = Number.NEGATIVE_INFINITY
  let wanted: Position | 'anything' | undefined
  let succeeded = false
  let firstRound = true
  let triedInRound = 0
  let refusedInRound = 0
  let older = 0

  function ring(withinMs: number): void {
    alarm.ring(Math.max(withinMs, lastAt + timing.reloadGapMs - now(), notBefore - now()))
  }

  /** In the first round an address that hangs must leave time for the next. */
  function headersMs(): number {
    if (!firstRound || wire.addresses === 1) return timing.headersMs
    return Math.min(timing.headersMs, Math.max(500, firstRoundMs / wire.addresses))
  }

  async function attempt(): Promise<number> {
    lastAt = now()
    try {
      const held = holder.held()
      const state = await wire.ruleset({
        tag: held && tagOf(held.state),
        aside: streaming(),
        headersMs: headersMs(),
      })
      return signal.aborted ? 0 : took(state, held?.state)
    } catch (cause) {
      return signal.aborted ? 0 : await failed(cause instanceof Error ? cause : new Error(String(cause)))
    }
  }

  /**
   * @param before what was held when the question was sent
   * @returns how long to wait for the next, in milliseconds
   */
  function took(state: State | undefined, before: State | undefined): number {
    const current = state === undefined || accepted(state, before)
    if (state === undefined) holder.confirm(streaming() ? 'stream' : 'poll')
    failures.succeeded(now())
    succeeded = true
    firstRound = false
    triedInRound = 0
    refusedInRound = 0
    notBefore = Number.NEGATIVE_INFINITY
    listener.answered(current)
    const interval = streaming()
      ? timing.pollBesideStreamMs * (0.8 + 0.4 * random())
      : intervalMs * (0.8 + 0.2 * random())
    if (wanted === undefined) return interval
    const held = holder.held()
    if (wanted === 'anything' || (held !== undefined && compareStates(held.state, wanted) >= 0)) {
      wanted = undefined
      reloads.succeeded(now())
      return interval
    }
    return Math.max(timing.reloadGapMs, reloads.failed(now()))
  }

  /** Whether the held state is the newest now. */
  function accepted(state: State, before: State | undefined): boolean {
    const offered = holder.offer(state, 'poll')
    if (offered === 'foreign') {
      throw new TransportError(
        'invalid-answer',
        `The answer was ignored: it is of environment "${state.project}/${state.environment}", and another one is held. To change environments, connect again.`,
      )
    }
    const overtaken = offered === 'older' && before !== undefined && compareStates(state, before) >= 0
    // The stream was faster than this answer: that says nothing against the server.
    if (offered !== 'older' || overtaken) {
      older = 0
      return !overtaken
    }
    older += 1
    if (older === OLDER_ANSWERS) {
      const held = holder.held()
      const error = `The server answers with state ${tagOf(state)}, older than the held ${held && tagOf(held.state)}, which serves on.`
      listener.failed(new TransportError('invalid-answer', error), 'goes on')
    }
    return false
  }

  async function failed(error: Error): Promise<number> {
    succeeded = false
    triedInRound += 1
    const refused = error instanceof TransportError && error.code === 'refused'
    if (refused) refusedInRound += 1
    const keyless = error instanceof TransportError && error.code === 'key'
    if (triedInRound < wire.addresses && !keyless) {
      listener.failed(error, 'goes on')
      return 0
    }
    const allRefused = refused && refusedInRound === triedInRound
    triedInRound = 0
    refusedInRound = 0
    firstRound = false
    const backoff = failures.failed(now())
    if (allRefused) {
      listener.refused(error)
      if (await wire.renewed()) return backoff
      const slow = timing.refusedMs * (0.75 + 0.5 * random())
      notBefore = now() + slow
      return slow
    }
    listener.failed(error, 'over')
    const away = (error instanceof TransportError && error.retryAfterMs) || 0
    // Those whom a server sends away together should not come back together.
    const wait = Math.max(backoff, away * (1 + 0.2 * random()))
    if (away > 0) notBefore = now() + wait
    return wait
  }

  return {
    async run() {
      signal.addEventListener('abort', () => alarm.ring(), { once: true })
      while (!signal.aborted) {
        const wait = await attempt()
        if (signal.aborted || (once && succeeded)) return
        await alarm.wait(wait)
      }
    },
    succeeded: () => succeeded,
    soon: ring,
    reload(target) {
      const next = target ?? 'anything'
      if (wanted !== undefined) {
        if (next !== 'anything' && (wanted === 'anything' || compareStates(next, wanted) > 0)) wanted = next
        return
      }
      wanted = next
      ring(reloads.failed(now()))
    },
  }
}

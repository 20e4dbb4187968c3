/**
 * Acknowledges kills: whoever killed a flag is to know that it is off in this process. Told after the state is served,
 * and when the server asks, at a chance moment of the window that it names, so that ten thousand processes are no storm.
 */
import type { State } from '../core/index.ts'
import { TransportError } from '../transport/errors.ts'
import type { Held } from './holder.ts'
import type { Surroundings } from './timing.ts'
import type { Wire } from './wire.ts'

export type Acknowledger = {
  /** Another state is served. @param withinMs the window that the server named, if it named one */
  served(after: Held, before: Held | undefined, withinMs: number | undefined): void
  /** The server asks what is held, and names a window for the answer, milliseconds. */
  asked(withinMs: number): void
  /** Says that this process will hold nothing any more. Resolves whatever becomes of it. */
  closing(): Promise<void>
}

export type AcknowledgerOptions = {
  readonly post: Wire['post']
  readonly held: () => Held | undefined
  readonly surroundings: Pick<Surroundings, 'monotonic' | 'random'>
  readonly signal: AbortSignal
}

const PATH = 'sdk/v1/acks'
/** Where the server names no window: of a state that was fetched whole. Milliseconds. */
const WINDOW_MS = 1_000
const MOST_WINDOW_MS = 10_000
/** A telling that fails is tried again, milliseconds later; what it says then is as of then. */
const AGAIN_MS = [500, 2_000, 10_000]
const MOST_KILLS = 100

export function createAcknowledger(options: AcknowledgerOptions): Acknowledger {
  const { post, held, surroundings, signal } = options
  const { monotonic: now, random } = surroundings
  let timer: NodeJS.Timeout | undefined
  /** When the last kill was applied. */
  let appliedAt: number | undefined
  /** The server was told that nothing will be held any more: nothing may say otherwise. */
  let over = false
  signal.addEventListener('abort', end, { once: true })

  function end(): void {
    over = true
    clearTimeout(timer)
  }

  function tellIn(ms: number, attempt: number): void {
    if (over) return
    clearTimeout(timer)
    timer = setTimeout(() => {
      timer = undefined
      tell(attempt)
    }, ms).unref()
  }

  function tell(attempt: number): void {
    const state = held()?.state
    if (state === undefined) return
    const afterMs = appliedAt === undefined ? {} : { afterMs: Math.max(0, Math.round(now() - appliedAt)) }
    post(PATH, { ...acknowledged(state), ...afterMs }).catch((error: unknown) => {
      const again = isRefusal(error) ? undefined : AGAIN_MS[attempt]
      if (again !== undefined && timer === undefined) tellIn(again * (0.5 + random()), attempt + 1)
    })
  }

  /** Whatever is to be told already is told with it. */
  function tellWithin(ms: number): void {
    if (timer === undefined) tellIn(Math.min(ms, MOST_WINDOW_MS) * random(), 0)
  }

  return {
    served(after, before, withinMs = WINDOW_MS) {
      if (before === undefined || !hasNewKill(after.state, before.state)) return
      // What is told of several is as of the last: too late for the others, and never too soon.
      appliedAt = now()
      tellWithin(withinMs)
    },
    asked: tellWithin,
    async closing() {
      end()
      const state = held()?.state
      if (state === undefined) return
      const { epoch, revision } = state
      await post(PATH, { epoch, revision, closing: true }).catch(() => undefined)
    },
  }
}

/** An older server does not take it, and will not. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof TransportError) || error.status === undefined) return false
  return error.status < 500 && error.status !== 429
}

function acknowledged({ epoch, revision, pending }: State) {
  const kills = [...pending.values()]
    .flat()
    .map(({ id }) => id)
    .slice(0, MOST_KILLS)
  return { epoch, revision, ...(kills.length > 0 && { kills }) }
}

function hasNewKill(after: State, before: State): boolean {
  if (after.pending !== before.pending && [...after.pending.values()].some(unlike(before.pending)))
    return true
  const [kills, known] = [after.entries.get('kill'), before.entries.get('kill')]
  if (kills === undefined || kills === known) return false
  const anew = after.epoch !== before.epoch
  return [...kills].some(([flag, { revision }]) => anew || known?.get(flag)?.revision !== revision)
}

const unlike = (pending: State['pending']) => {
  const known = new Set([...pending.values()].flat().map(({ id }) => id))
  return (kills: readonly { readonly id: string }[]): boolean => kills.some(({ id }) => !known.has(id))
}

/**
 * What this app evaluates, told to the server: how often each flag gave which variant, by the minute, and events of the
 * app's own. Counting is a look-up and an increment; everything else happens on a timer, in bounded memory, and what
 * cannot be told in time is dropped. Numbers alone travel: no contexts, no targeting keys.
 */
import { randomUUID } from 'node:crypto'
import type { Decision, FlagKey, VariantKey } from '../core/index.ts'
import { type Backoff, createBackoff } from '../transport/backoff.ts'
import { TransportError } from '../transport/errors.ts'
import type { Surroundings } from './timing.ts'
import type { Wire } from './wire.ts'

export type Telemetry = {
  /** Called on every evaluation: a look-up and an increment. It may not throw or do I/O. */
  counted(key: FlagKey, decision: Decision): void
  /** An event of the app, for someone who gets this variant of this flag. */
  happened(event: string, value: number, key: FlagKey, decision: Decision): void
  /** The flags that were counted lately. */
  read(): Iterable<FlagKey>
  /** From now on there is somebody to tell. */
  start(wire: Pick<Wire, 'post'>): void
  /** Tells what was counted since; resolves whatever happens, within its own deadline. Counts nothing from then on. */
  close(): Promise<void>
}

/** Counts nothing. */
export const silent: Telemetry = {
  counted() {},
  happened() {},
  read: () => [],
  start() {},
  async close() {},
}

/** As the server bounds a batch. */
const MOST_IN_BATCH = 1_000
/** Answers that are counted within a minute, and events by them. */
const MOST_CELLS = 10_000
/** Batches that wait to be told again. */
const MOST_BATCHES = 10
/** After so long the server would count them for another minute. */
const OLDEST_MINUTES = 55
/** Flags that an event is attributed to. */
const MOST_READ = 200
const MINUTE_MS = 60_000

/** Named as the server wants it. */
type Count = {
  readonly flag: FlagKey
  readonly variant: VariantKey | null
  readonly version: number | null
  readonly minute: number
  count: number
}
type EventCount = Count & { readonly event: string; sum: number }
type Batch = {
  readonly batch: string
  readonly counts: readonly Count[]
  readonly events: readonly EventCount[]
}

/** What a decision was counted for. Decisions are made once for a ruleset, so that each is a counter's name. */
type Cell = { readonly key: FlagKey; count: number }

export function createTelemetry({ clock, monotonic, random, timing }: Surroundings): Telemetry {
  let cells = new Map<Decision, Cell>()
  let events = new Map<string, EventCount>()
  /** In the order of their last minute. */
  const reads = new Set<FlagKey>()
  let minute = minuteNow()
  const counts: Count[] = []
  const told: EventCount[] = []
  const batches: Batch[] = []
  const backoff: Backoff = createBackoff({ ...timing, random })
  let wire: Pick<Wire, 'post'> | undefined
  let turning: NodeJS.Timeout | undefined
  let flushing: NodeJS.Timeout | undefined
  let flight: Promise<void> | undefined
  let closed = false

  function minuteNow(): number {
    return Math.max(0, Math.floor(clock() / MINUTE_MS))
  }

  function countFirst(key: FlagKey, decision: Decision): void {
    // An answer that is shared by all unknown flags says nothing of one.
    if (closed || decision.errorCode === 'FLAG_NOT_FOUND' || cells.size >= MOST_CELLS) return
    cells.set(decision, { key, count: 1 })
    reads.delete(key)
    reads.add(key)
    if (reads.size > MOST_READ) for (const oldest of reads) return void reads.delete(oldest)
  }

  /** What was counted is of the minute that has been, and the next one begins. */
  function turn(): void {
    const ended = minute
    minute = minuteNow()
    const of = new Map<string, Count>()
    for (const [{ variant = null, metadata }, { key: flag, count }] of cells) {
      const { version = null } = metadata
      const name = `${flag} ${variant} ${version}`
      const known = of.get(name)
      // Several answers can be one variant, each for its own reason.
      if (known === undefined) of.set(name, { flag, variant, version, minute: ended, count })
      else known.count += count
    }
    for (const count of of.values()) if (counts.length < MOST_CELLS) counts.push(count)
    for (const event of events.values()) if (told.length < MOST_CELLS) told.push(event)
    cells = new Map()
    events = new Map()
  }

  function pack(): void {
    const oldest = minuteNow() - OLDEST_MINUTES
    while (counts.length > 0 || told.length > 0) {
      batches.push({
        batch: randomUUID(),
        counts: counts.splice(0, MOST_IN_BATCH),
        events: told.splice(0, MOST_IN_BATCH),
      })
    }
    while (batches.length > MOST_BATCHES) batches.shift()
    const [first] = batches
    if (first !== undefined && [...first.counts, ...first.events].every((one) => one.minute < oldest))
      batches.shift()
  }

  /** @returns milliseconds until the next attempt */
  async function flush(signal?: AbortSignal): Promise<number> {
    turn()
    pack()
    for (let batch = batches[0]; batch !== undefined && wire !== undefined; batch = batches[0]) {
      try {
        await wire.post('sdk/v1/telemetry', batch, signal)
        backoff.succeeded(monotonic())
      } catch (error) {
        const fault = error instanceof TransportError ? error : undefined
        if (fault?.status === 401 || fault?.status === 403) return timing.refusedMs
        // It will not be taken tomorrow, either. What is refused for the key's sake may be.
        if (isFinal(fault?.status)) {
          batches.splice(batches.indexOf(batch), 1)
          continue
        }
        return Math.max(timing.telemetryMs + backoff.failed(monotonic()), fault?.retryAfterMs ?? 0)
      }
      const at = batches.indexOf(batch)
      if (at >= 0) batches.splice(at, 1)
    }
    return timing.telemetryMs
  }

  function flushLater(ms: number): void {
    if (closed) return
    flushing = setTimeout(() => {
      flight = flush().then(flushLater)
    }, ms)
    flushing.unref()
  }

  function turnLater(): void {
    if (closed) return
    turning = setTimeout(
      () => {
        turn()
        turnLater()
      },
      MINUTE_MS - (Math.max(0, clock()) % MINUTE_MS),
    )
    turning.unref()
  }

  return {
    counted(key, decision) {
      const cell = cells.get(decision)
      if (cell !== undefined) cell.count++
      else countFirst(key, decision)
    },
    happened(event, value, flag, { variant = null, metadata }) {
      const { version = null } = metadata
      const name = `${flag} ${variant} ${version} ${event}`
      const known = events.get(name)
      if (known !== undefined) {
        known.count++
        known.sum += value
      } else if (!closed && events.size < MOST_CELLS) {
        events.set(name, { event, flag, variant, version, minute, count: 1, sum: value })
      }
    },
    read: () => reads,
    start(given) {
      wire = given
      turnLater()
      // Apps that start together do not tell together.
      flushLater(random() * timing.telemetryMs)
    },
    async close() {
      if (closed) return
      closed = true
      clearTimeout(turning)
      clearTimeout(flushing)
      const late = new AbortController()
      const timer = setTimeout(() => late.abort(), timing.closeMs)
      timer.unref()
      await Promise.race([flight, aborted(late.signal)])
      if (!late.signal.aborted) await flush(late.signal)
      clearTimeout(timer)
      // What the answer has beyond its head keeps no connection.
      late.abort()
      cells = new Map()
      events = new Map()
      reads.clear()
    },
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Whether the same batch would always be refused. */
function isFinal(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429
}

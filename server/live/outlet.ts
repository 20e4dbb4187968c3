/**
 * One open stream's way out. It writes only to a peer that has taken what came before, so that a slow reader holds
 * one frame and not a queue; whatever it missed meanwhile it gets as one. Kept small: thousands are open at once.
 */
import type { LogId } from '../domain/change.ts'
import type { Sink, StreamHandle } from './live.ts'
import type { LiveMetrics } from './metrics.ts'

/** What all streams of a process share. */
export type Harbour = {
  readonly clock: { now(): number }
  readonly metrics: LiveMetrics
  /** The stream is over, whoever ended it. Called once. */
  left(outlet: Outlet): void
  failed(outlet: Outlet, cause: unknown): void
}

export type Place = {
  readonly environment: LogId
  readonly keyId: string
  /** Which second of the heartbeats' round is this stream's, so that not all beat at once. */
  readonly slot: number
}

/** A peer is dropped that leaves more bytes than this unread, or reads nothing for this long. */
const MOST_UNREAD_BYTES = 2 ** 20
const MOST_UNREAD_MS = 30_000

export abstract class Outlet implements StreamHandle {
  abstract readonly kind: 'server' | 'refetch'
  readonly environment: LogId
  readonly keyId: string
  readonly slot: number
  open = true
  readonly #sink: Sink
  readonly #harbour: Harbour
  /** Since when the peer has not taken everything, epoch milliseconds; 0 where it has. */
  #slowSince = 0
  #listens = false

  constructor(harbour: Harbour, sink: Sink, { environment, keyId, slot }: Place) {
    this.#harbour = harbour
    this.#sink = sink
    this.environment = environment
    this.keyId = keyId
    this.slot = slot
  }

  /** Writes what the peer lacks, if it is ready to read. */
  abstract advance(): void
  /** Writes a sign of life. */
  abstract beat(): void
  /** What is written before the end, where the end is ours. */
  abstract farewell(retryMs: number): Buffer

  get ready(): boolean {
    return this.open && this.#slowSince === 0
  }

  protected write(frame: Buffer): void {
    if (!this.open) return
    const { metrics, clock } = this.#harbour
    metrics.framesSent++
    metrics.bytesSent += frame.length
    try {
      if (this.#sink.write(frame)) return
      this.#slowSince = clock.now()
      if (this.#listens) return
      this.#listens = true
      this.#sink.onDrain(() => this.#drained())
    } catch (cause) {
      this.#harbour.failed(this, cause)
      this.drop()
    }
  }

  #drained(): void {
    if (!this.open) return
    this.#slowSince = 0
    this.advance()
  }

  /** Looks after a slow peer: it may have been drained unheard, or be stuck. */
  watch(now: number): void {
    if (!this.open || this.#slowSince === 0) return
    const unread = this.#sink.pendingBytes()
    if (unread === 0) this.#drained()
    else if (unread > MOST_UNREAD_BYTES || now - this.#slowSince > MOST_UNREAD_MS) {
      this.#harbour.metrics.streamsDropped++
      this.drop()
    }
  }

  /** Says goodbye and ends. */
  leave(retryMs: number): void {
    this.write(this.farewell(retryMs))
    this.end()
  }

  end(): void {
    this.#finish(false)
  }

  /** Ends, and throws away what the peer did not read. */
  drop(): void {
    this.#finish(true)
  }

  close(): void {
    if (!this.open) return
    this.open = false
    this.#harbour.left(this)
  }

  #finish(discard: boolean): void {
    if (!this.open) return
    this.close()
    try {
      this.#sink.end(discard)
    } catch (cause) {
      this.#harbour.failed(this, cause)
    }
  }
}

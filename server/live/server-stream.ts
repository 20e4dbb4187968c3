/**
 * The stream of server SDKs (`GET /sdk/v1/stream`): changes only, each frame serialised once and shared by all
 * streams that need it. A stream owns nothing but the state that it last sent.
 */
import { compareStates, type State } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import { eventFrame, stateOfEventId } from './frames.ts'
import type { Sink } from './live.ts'
import type { LiveMetrics } from './metrics.ts'
import { type Harbour, Outlet, type Place } from './outlet.ts'
import type { Ring } from './ring.ts'

/** A larger delta is not sent: the whole, compressed and shared, is cheaper. In characters of JSON, 256 KiB. */
const MOST_DELTA = 256 * 2 ** 10

/** Frames kept for one state: nearly all streams come from the revision before. */
const MOST_SHARED = 32

/** For so long whoever is led past a kill is asked to acknowledge it, whatever was edited since, milliseconds. */
const ASKS_MS = 10_000

const NONE: ReadonlySet<string> = new Set()

/** The frames of one environment's newest state, made when first needed and shared by its streams. */
export class ServerFeed {
  readonly #environment: LogId
  readonly #ring: Ring
  readonly #metrics: LiveMetrics
  /** Rises whenever the kills without a revision may be others than the streams were told. */
  pendingVersion = 0
  state: State
  #deltas = new Map<number, Buffer>()
  #heartbeat: Buffer | undefined
  #reload: Buffer | undefined
  /** What is pending, with all kills that are over, and with those alone that are since the version before. */
  #pending: { all: Buffer | undefined; since: Buffer | undefined } = { all: undefined, since: undefined }
  /** Kills that were over at the version of `pending` before this one, and at this one. */
  #ended: readonly [before: ReadonlySet<string>, now: ReadonlySet<string>]
  /** The newest kill that is to be acknowledged. */
  #asks: { readonly revision: number; readonly withinMs: number; readonly until: number } | undefined

  constructor(environment: LogId, state: State, ring: Ring, metrics: LiveMetrics) {
    this.#environment = environment
    this.state = state
    this.#ring = ring
    this.#metrics = metrics
    this.#ended = [NONE, state.endedKills]
  }

  /** @param now epoch milliseconds */
  moved(state: State, pendingChanged: boolean, ackWithinMs: number | undefined, now: number): void {
    if (ackWithinMs !== undefined) {
      this.#asks = { revision: state.revision, withinMs: ackWithinMs, until: now + ASKS_MS }
    } else if (this.#asks !== undefined && (now > this.#asks.until || state.epoch !== this.state.epoch)) {
      this.#asks = undefined
    }
    this.state = state
    this.#deltas = new Map()
    this.#heartbeat = undefined
    this.#reload = undefined
    this.#pending = { all: undefined, since: undefined }
    if (pendingChanged) {
      this.pendingVersion++
      this.#ended = [this.#ended[1], state.endedKills]
    }
  }

  get heartbeat(): Buffer {
    this.#heartbeat ??= this.#frame('heartbeat', at(this.state))
    return this.#heartbeat
  }

  get reload(): Buffer {
    this.#reload ??= this.#frame('reload', at(this.state))
    return this.#reload
  }

  /**
   * What is pending, whole, and kills that are over: ten thousand of them are 390 KB, so a client that was told of the
   * others is told of those alone that are new.
   * @param told the version of `pending` that the client was sent last
   */
  pendingSince(told: number): Buffer {
    const [before] = this.#ended
    if (told === this.pendingVersion - 1 && before.size > 0) {
      this.#pending.since ??= this.#pendingFrame((id) => !before.has(id))
      return this.#pending.since
    }
    this.#pending.all ??= this.#pendingFrame(() => true)
    return this.#pending.all
  }

  #pendingFrame(names: (endedKill: string) => boolean): Buffer {
    const { pending, endedKills } = this.state
    const byFlag = [...pending].map(([flag, kills]) => `${JSON.stringify(flag)}:${JSON.stringify(kills)}`)
    const ended = JSON.stringify([...endedKills].filter(names))
    return this.#frame('pending', `{"pending":{${byFlag.join(',')}},"endedKills":${ended}}`)
  }

  /** Asks clients what they hold, and names the time over which they are to spread their answers, milliseconds. */
  ask(withinMs: number): Buffer {
    return this.#frame('ask', `{"ackWithinMs":${withinMs}}`)
  }

  /** One merged delta from there to the newest state, or `reload`. */
  from(epoch: number, revision: number): Buffer {
    if (epoch !== this.state.epoch) return this.reload
    const known = this.#deltas.get(revision)
    if (known !== undefined) return known
    const data = this.#ring.merged(this.#environment, { epoch, revision }, MOST_DELTA)
    if (data === undefined) return this.reload
    const frame =
      data === 'too-large' ? this.reload : this.#frame('delta', this.#acknowledged(data, revision))
    if (this.#deltas.size < MOST_SHARED) this.#deltas.set(revision, frame)
    return frame
  }

  /** Clients that do not know the field ignore it. */
  #acknowledged(delta: string, from: number): string {
    return this.#asks === undefined || from >= this.#asks.revision
      ? delta
      : `${delta.slice(0, -1)},"ackWithinMs":${this.#asks.withinMs}}`
  }

  #frame(event: string, data: string): Buffer {
    this.#metrics.framesBuilt++
    return eventFrame(event, data, this.state)
  }
}

export class ServerStream extends Outlet {
  readonly kind = 'server'
  readonly #feed: ServerFeed
  #epoch: number
  #revision: number
  #pendingVersion: number

  /** @param lastEventId names the state that the client holds; without one it is told to fetch the whole. */
  constructor(harbour: Harbour, feed: ServerFeed, sink: Sink, place: Place, lastEventId: string | undefined) {
    super(harbour, sink, place)
    this.#feed = feed
    const held = stateOfEventId(lastEventId)
    this.#epoch = held?.epoch ?? -1
    this.#revision = held?.revision ?? -1
    const { pending, endedKills } = feed.state
    this.#pendingVersion = pending.size + endedKills.size > 0 ? -1 : feed.pendingVersion
  }

  /** Whether the client claims a state that is newer than the held one. */
  get ahead(): boolean {
    return compareStates({ epoch: this.#epoch, revision: this.#revision }, this.#feed.state) > 0
  }

  /** The first frame, at once, so that a proxy that buffers shows itself. */
  greet(): void {
    const { epoch, revision } = this.#feed.state
    if (this.#epoch > epoch || (this.#epoch === epoch && this.#revision >= revision))
      this.write(this.#feed.heartbeat)
    this.advance()
  }

  override advance(): void {
    const { state } = this.#feed
    if (this.ready && compareStates(state, { epoch: this.#epoch, revision: this.#revision }) > 0) {
      this.write(this.#feed.from(this.#epoch, this.#revision))
      this.#epoch = state.epoch
      this.#revision = state.revision
    }
    if (this.ready && this.#pendingVersion !== this.#feed.pendingVersion) {
      const frame = this.#feed.pendingSince(this.#pendingVersion)
      this.#pendingVersion = this.#feed.pendingVersion
      this.write(frame)
    }
  }

  /** Never before the delta that leads there: a heartbeat of a newer state says that a delta was lost. */
  override beat(): void {
    this.advance()
    if (this.ready) this.write(this.#feed.heartbeat)
  }

  /** One that is slow is not asked: that it does not answer says what there is to say. */
  ask(frame: Buffer): void {
    this.advance()
    if (this.ready) this.write(frame)
  }

  override farewell(retryMs: number): Buffer {
    return eventFrame(
      'goodbye',
      `{"retryMs":${retryMs}}`,
      { epoch: this.#epoch, revision: this.#revision },
      retryMs,
    )
  }
}

function at({ epoch, revision }: State): string {
  return `{"epoch":${epoch},"revision":${revision}}`
}

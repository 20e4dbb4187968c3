/**
 * OFREP's event stream: it tells browsers to ask again, and nothing else, whenever what their scope sees can have
 * changed: by an edit, by a kill, or by the time of a dated rule. One message serves all streams of a scope.
 */
import { type Compiled, compareStates, type Delta } from '@halyard/sdk/core'
import { Exposure } from './exposure.ts'
import { idFrame, KEEP_ALIVE, messageFrame, retryFrame, stateOfEventId } from './frames.ts'
import type { HeldEnvironment } from './held-log.ts'
import type { Sink } from './live.ts'
import type { LiveMetrics } from './metrics.ts'
import { type Harbour, Outlet, type Place } from './outlet.ts'
import { intervalAt, type Scope, viewOf } from './view.ts'

/**
 * A browser that connects for the first time fetched its answers a moment before; what changed in this time it may
 * have missed. Milliseconds.
 */
const MAY_HAVE_MISSED = 60_000

type Told = {
  /** Rises with every message. */
  version: number
  /** The newest state that changed what the scope sees, as far as this process knows. */
  epoch: number
  revision: number
  /** Epoch milliseconds. */
  at: number
  message: Buffer | undefined
}

/** What the refetch streams of one environment share. */
export class RefetchFeed {
  readonly #clock: { now(): number }
  readonly #metrics: LiveMetrics
  readonly #exposure: Exposure
  #held: HeldEnvironment
  /** The last instant of a dated rule that has come; 0 for none. */
  #turn: number
  readonly #told: Readonly<Record<Scope, Told>>

  constructor(held: HeldEnvironment, clock: { now(): number }, metrics: LiveMetrics) {
    this.#clock = clock
    this.#metrics = metrics
    this.#exposure = new Exposure(held.compiled)
    this.#held = held
    this.#turn = turnOf(held.compiled, clock.now())
    const { epoch, revision, pending } = held.state
    // What came last, of what can have changed answers: an edit, a dated rule's time, a kill that is in no log yet.
    const kills = [...pending.values()].flat().map((kill) => Date.parse(kill.at))
    const at = Math.max(this.#changedAt() ?? 0, this.#turn, ...kills)
    this.#told = {
      server: { version: 0, epoch, revision, at, message: undefined },
      client: { version: 0, epoch, revision, at, message: undefined },
    }
  }

  version(scope: Scope): number {
    return this.#told[scope].version
  }

  moved(after: HeldEnvironment, delta: Delta | undefined): void {
    const exposed = this.#exposure.moved(after.compiled, delta)
    this.#held = after
    this.#turn = turnOf(after.compiled, this.#clock.now())
    this.#tell('server')
    if (exposed) this.#tell('client')
  }

  /** True where a dated rule turned since the last look, or back, as a clock may be set; and streams are to be told. */
  turned(now: number): boolean {
    const { compiled } = this.#held
    if (compiled.instants.length === 0) return false
    const turn = turnOf(compiled, now)
    if (turn === this.#turn) return false
    this.#turn = turn
    const { dated } = viewOf(compiled)
    if (dated.server) this.#tell('server')
    if (dated.client) this.#tell('client')
    return dated.server
  }

  /** Whether a browser that saw that event last, or none, has missed something. */
  owes(scope: Scope, lastEventId: string | undefined): boolean {
    const told = this.#told[scope]
    const seen = stateOfEventId(lastEventId)
    if (seen === undefined) return this.#clock.now() - told.at < MAY_HAVE_MISSED
    if (compareStates(seen, told) < 0 || suffixOf(lastEventId, '+') !== suffixOf(this.id, '+')) return true
    return viewOf(this.#held.compiled).dated[scope] && Number(suffixOf(lastEventId, '@')) < this.#turn
  }

  /** Of the state and the time now: the same on every instance. `<state tag>`, with `@<instant>` after a dated rule. */
  get id(): string {
    const { tag } = viewOf(this.#held.compiled)
    return this.#turn === 0 ? tag : `${tag}@${this.#turn}`
  }

  message(scope: Scope): Buffer {
    const told = this.#told[scope]
    if (told.message === undefined) {
      const { tag } = viewOf(this.#held.compiled)
      const lastModified = Math.floor(Math.max(this.#changedAt() ?? told.at, this.#turn) / 1000)
      const data = JSON.stringify({ type: 'refetchEvaluation', etag: `"${tag}"`, lastModified })
      this.#metrics.framesBuilt++
      told.message = messageFrame(this.id, data)
    }
    return told.message
  }

  #tell(scope: Scope): void {
    const told = this.#told[scope]
    told.version++
    told.epoch = this.#held.state.epoch
    told.revision = this.#held.state.revision
    told.at = this.#clock.now()
    told.message = undefined
  }

  #changedAt(): number | undefined {
    return this.#held.provenance.get(this.#held.state.revision)?.at
  }
}

export class RefetchStream extends Outlet {
  readonly kind = 'refetch'
  readonly #feed: RefetchFeed
  readonly #scope: Scope
  #version: number

  constructor(
    harbour: Harbour,
    feed: RefetchFeed,
    sink: Sink,
    place: Place,
    scope: Scope,
    lastEventId: string | undefined,
  ) {
    super(harbour, sink, place)
    this.#feed = feed
    this.#scope = scope
    this.#version = feed.owes(scope, lastEventId) ? -1 : feed.version(scope)
  }

  greet(): void {
    this.write(idFrame(this.#feed.id))
    this.advance()
  }

  override advance(): void {
    const version = this.#feed.version(this.#scope)
    if (!this.ready || this.#version === version) return
    this.#version = version
    this.write(this.#feed.message(this.#scope))
  }

  override beat(): void {
    if (this.ready) this.write(KEEP_ALIVE)
  }

  override farewell(retryMs: number): Buffer {
    return retryFrame(retryMs)
  }
}

function turnOf(compiled: Compiled, now: number): number {
  return compiled.instants[intervalAt(compiled.instants, now) - 1] ?? 0
}

/** What stands behind a mark in an event id, up to the next mark; empty where there is none. */
function suffixOf(id: string | undefined, mark: '+' | '@'): string {
  const from = id?.indexOf(mark) ?? -1
  if (id === undefined || from < 0) return ''
  return id.slice(from + 1).split(/[+@]/, 1)[0] ?? ''
}

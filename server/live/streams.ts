/**
 * All open streams of the process: when they are woken, when they beat, who is revoked, and how they end. One timer and
 * one walk serve all of an environment.
 */
import type { Delta } from '@halyard/sdk/core'
import type { LogId } from '../domain/change.ts'
import { type AdmissionDeps, createAdmission } from './admission.ts'
import type { HeldEnvironment } from './held-log.ts'
import type { Sink } from './live.ts'
import type { Harbour, Outlet } from './outlet.ts'
import { RefetchFeed, RefetchStream } from './refetch-stream.ts'
import type { Ring } from './ring.ts'
import { ServerFeed, ServerStream } from './server-stream.ts'
import type { Scope } from './view.ts'
import { createWalk, inSlices, type Walk } from './walks.ts'

export type Streams = {
  openServer(
    environment: HeldEnvironment,
    keyId: string,
    lastEventId: string | undefined,
    sink: Sink,
  ): ServerStream
  openRefetch(
    environment: HeldEnvironment,
    keyId: string,
    scope: Scope,
    lastEventId: string | undefined,
    sink: Sink,
  ): RefetchStream
  /**
   * The environment's state was swapped; the ring knows the delta already.
   * @param ackWithinMs where it is to be acknowledged, as a kill is: the window over which clients spread that. Who waits
   * for it is not kept waiting by a rest after many edits
   */
  moved(
    after: HeldEnvironment,
    before: HeldEnvironment | undefined,
    delta: Delta | undefined,
    ackWithinMs?: number,
  ): void
  /** Asks the server SDKs of an environment what they hold, to be answered within this time, milliseconds. */
  ask(environment: LogId, withinMs: number): void
  /** The environment is no more: its streams end. */
  closed(environment: LogId): void
  /** Called every second: heartbeats, slow peers, dated rules. */
  tick(): void
  /** Ends the streams of keys that are not in force (any more). */
  sweep(inForce: (environment: LogId, keyId: string) => boolean): void
  /** No more are admitted; all get their goodbye and end. */
  drain(): Promise<void>
  endAll(): void
  counts(): { readonly server: number; readonly refetch: number }
}

export type StreamsDeps = AdmissionDeps & {
  readonly ring: Ring
  readonly onFailure: (cause: unknown) => void
}

/** Seconds from one heartbeat of a stream to its next. */
export const BEAT_SECONDS = 15
/** A drained process's clients come back over this long, milliseconds: no faster than one instance lets them in. */
const RETRY = { first: 100, least: 1_000, most: 30_000 }

type Channel = {
  readonly outlets: Set<Outlet>
  server: ServerFeed | undefined
  refetch: RefetchFeed | undefined
  readonly walk: Walk
}

export function createStreams(deps: StreamsDeps): Streams {
  const { ring, clock, random, metrics, limits, onFailure } = deps
  const admission = createAdmission(deps)
  const channels = new Map<LogId, Channel>()
  let admitted = 0
  let second = 0

  const harbour: Harbour = {
    clock,
    metrics,
    left(outlet) {
      admission.left(outlet.kind, outlet.keyId)
      channels.get(outlet.environment)?.outlets.delete(outlet)
    },
    failed: (_outlet, cause) => onFailure(cause),
  }

  function channelOf(environment: LogId): Channel {
    let channel = channels.get(environment)
    if (channel === undefined) {
      const outlets = new Set<Outlet>()
      const walk = createWalk(outlets, (outlet) => outlet.advance(), clock)
      channel = { outlets, server: undefined, refetch: undefined, walk }
      channels.set(environment, channel)
    }
    return channel
  }

  function enter<T extends ServerStream | RefetchStream>(channel: Channel, stream: T): T {
    channel.outlets.add(stream)
    stream.greet()
    return stream
  }

  const nextSlot = (): number => admitted++ % BEAT_SECONDS

  function everyOutlet(): Outlet[] {
    return [...channels.values()].flatMap(({ outlets }) => [...outlets])
  }

  return {
    openServer(environment, keyId, lastEventId, sink) {
      admission.enter('server', keyId)
      const { id, state } = environment
      const channel = channelOf(id)
      channel.server ??= new ServerFeed(id, state, ring, metrics)
      const place = { environment: id, keyId, slot: nextSlot() }
      return enter(channel, new ServerStream(harbour, channel.server, sink, place, lastEventId))
    },
    openRefetch(environment, keyId, scope, lastEventId, sink) {
      admission.enter('refetch', keyId)
      const channel = channelOf(environment.id)
      channel.refetch ??= new RefetchFeed(environment, clock, metrics)
      const place = { environment: environment.id, keyId, slot: nextSlot() }
      return enter(channel, new RefetchStream(harbour, channel.refetch, sink, place, scope, lastEventId))
    },
    moved(after, before, delta, ackWithinMs) {
      const channel = channels.get(after.id)
      if (channel === undefined) return
      // Deltas settle pending kills at both ends alike; only what came without one has to be told.
      const pendingChanged = delta === undefined && before?.state.pending !== after.state.pending
      channel.server?.moved(after.state, pendingChanged, ackWithinMs, clock.now())
      channel.refetch?.moved(after, delta)
      channel.walk.wake(pendingChanged || ackWithinMs !== undefined)
    },
    ask(environment, withinMs) {
      const { outlets, server } = channels.get(environment) ?? {}
      if (outlets === undefined || server === undefined) return
      const frame = server.ask(withinMs)
      void inSlices(outlets, (outlet) => {
        if (outlet instanceof ServerStream) outlet.ask(frame)
      })
    },
    closed(environment) {
      const channel = channels.get(environment)
      channels.delete(environment)
      for (const outlet of channel?.outlets ?? []) outlet.end()
    },
    tick() {
      const now = clock.now()
      second = (second + 1) % BEAT_SECONDS
      for (const channel of channels.values()) {
        if (channel.refetch?.turned(now)) channel.walk.wake(false)
        for (const outlet of channel.outlets) {
          outlet.watch(now)
          if (outlet.slot === second) outlet.beat()
        }
      }
    },
    sweep(inForce) {
      for (const [environment, { outlets }] of channels) {
        const keys = new Map<string, boolean>()
        for (const outlet of outlets) {
          const { keyId } = outlet
          const good = keys.get(keyId) ?? inForce(environment, keyId)
          keys.set(keyId, good)
          if (good) continue
          metrics.streamsRevoked++
          outlet.end()
        }
      }
    },
    async drain() {
      admission.close()
      const outlets = everyOutlet()
      const taken = (outlets.length * 1_000) / (limits.streamsPerSecond ?? 1_000)
      const spread = Math.min(RETRY.most, Math.max(RETRY.least, taken))
      await inSlices(outlets, (outlet) => outlet.leave(RETRY.first + Math.floor(random() * spread)))
    },
    endAll() {
      admission.close()
      for (const outlet of everyOutlet()) outlet.end()
    },
    counts: admission.open,
  }
}

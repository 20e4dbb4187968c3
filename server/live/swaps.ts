/**
 * What follows when a log's held state was swapped, or the log let go: who hears of it, and in which order. Streams come
 * last, when all that they send, and all who ask about it, know of the new state.
 */
import { compareStates } from '@halyard/sdk/core'
import type { Delivery } from './delivery/delivery.ts'
import type { DirectoryReader } from './directory.ts'
import { exposes } from './exposure.ts'
import { isEnvironment } from './held-log.ts'
import type { Watcher } from './hub.ts'
import type { Kills } from './kills/kills.ts'
import type { Ring } from './ring.ts'
import type { Snapshots } from './snapshots/snapshots.ts'
import type { StreamKeys } from './stream-keys.ts'
import type { Streams } from './streams.ts'

export type SwapsDeps = {
  readonly snapshots: Pick<Snapshots, 'changed' | 'closed'>
  readonly directory: Pick<DirectoryReader, 'stale'>
  readonly ring: Pick<Ring, 'append' | 'clear'>
  readonly kills: Pick<Kills, 'opened'>
  readonly delivery: Pick<Delivery, 'changed' | 'closed' | 'windowMs'>
  readonly streams: Pick<Streams, 'moved' | 'closed'>
  readonly streamKeys: Pick<StreamKeys, 'sweep'>
}

export function followSwaps(deps: SwapsDeps): Watcher {
  const { snapshots, directory, ring, kills, delivery, streams, streamKeys } = deps
  return {
    changed(after, before, delta) {
      snapshots.changed(after.id)
      if (!isEnvironment(after)) {
        directory.stale()
        if (before?.state.entries.get('sdk-key') !== after.state.entries.get('sdk-key')) streamKeys.sweep()
        return
      }
      if (delta !== undefined) ring.append(after.id, delta)
      // Kills without a revision change nothing of what led here.
      else if (before === undefined || compareStates(before.state, after.state) !== 0) ring.clear(after.id)
      if (before === undefined) queueMicrotask(() => kills.opened(after.id))
      const prior = before !== undefined && isEnvironment(before) ? before : undefined
      delivery.changed({
        environment: after.id,
        after: after.state,
        before: before?.state,
        delta,
        exposed: () => prior !== undefined && exposes(prior.compiled, after.compiled, delta),
      })
      const kill = delta?.entries.some(({ kind, definition }) => kind === 'kill' && definition !== null)
      streams.moved(after, prior, delta, kill ? delivery.windowMs(after.id) : undefined)
    },
    closed(gone) {
      snapshots.closed(gone.id)
      if (!isEnvironment(gone)) {
        directory.stale()
        streamKeys.sweep()
        return
      }
      ring.clear(gone.id)
      delivery.closed(gone.id)
      streams.closed(gone.id)
    },
  }
}

/** What this process can tell of its own health: how late its event loop is, and how full its memory. */
import { monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks'
import process from 'node:process'
import { getHeapStatistics } from 'node:v8'
import type { Signs } from './live/pressure.ts'

/** Milliseconds between two samples. Their mean is that much where nothing is late. */
const RESOLUTION_MS = 20
/** A memory limit beyond this is none, bytes. */
const UNLIMITED = 2 ** 48

/**
 * Begins to sample; nothing is kept alive by it.
 * @param turns times between two turns of the event loop, nanoseconds
 * @param clock milliseconds that only grow
 */
export function openVitalSigns(
  turns: Pick<RecordableHistogram, 'mean' | 'reset'> = sampledTurns(),
  clock: { now(): number } = performance,
): Signs {
  let looked = clock.now()
  const limit = process.constrainedMemory?.() ?? 0
  return {
    delayMs() {
      const mean = turns.mean / 1e6
      const since = clock.now() - looked
      looked += since
      turns.reset()
      // A sample is the time between two turns of the loop, and a reset forgets the first of them: where there is none,
      // all the time since the last look was one turn. That is when it is worst.
      return Math.max(0, (Number.isFinite(mean) ? mean : since) - RESOLUTION_MS)
    },
    memory() {
      const { used_heap_size, heap_size_limit } = getHeapStatistics()
      const ofHeap = used_heap_size / heap_size_limit
      // A container ends a process that outgrows it, whatever is left of the heap.
      return limit > 0 && limit < UNLIMITED ? Math.max(ofHeap, process.memoryUsage.rss() / limit) : ofHeap
    },
  }
}

function sampledTurns() {
  const turns = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  turns.enable()
  return turns
}

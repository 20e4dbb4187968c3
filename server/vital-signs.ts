/** What this process can tell of its own health: how late its event loop is, and how full its memory. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import process from 'node:process'
import { getHeapStatistics } from 'node:v8'
import type { Signs } from './live/pressure.ts'

/** Milliseconds between two samples. Their mean is that much where nothing is late. */
const RESOLUTION_MS = 20
/** A memory limit beyond this is none, bytes. */
const UNLIMITED = 2 ** 48

/** Begins to sample; nothing is kept alive by it. */
export function openVitalSigns(): Signs {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const limit = process.constrainedMemory?.() ?? 0
  return {
    delayMs() {
      const mean = delay.mean / 1e6
      delay.reset()
      // Without a sample since the last look there is no mean.
      return Number.isFinite(mean) ? Math.max(0, mean - RESOLUTION_MS) : 0
    },
    memory() {
      const { used_heap_size, heap_size_limit } = getHeapStatistics()
      const ofHeap = used_heap_size / heap_size_limit
      // A container ends a process that outgrows it, whatever is left of the heap.
      return limit > 0 && limit < UNLIMITED ? Math.max(ofHeap, process.memoryUsage.rss() / limit) : ofHeap
    },
  }
}

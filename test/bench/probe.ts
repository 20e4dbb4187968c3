/**
 * Loaded into a measured process: answers `memory` with its memory after full collections, and `delay` with by how much
 * its event loop was late since that was last asked, in milliseconds, as the server itself looks at it.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
let delay: IntervalHistogram | undefined
process.on('message', (asked) => {
  if (asked === 'delay') {
    const mean = (delay?.mean ?? 0) / 1e6
    process.send?.(Number.isFinite(mean) ? Math.max(0, mean - RESOLUTION_MS) : 0)
    delay ??= monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    delay.enable()
    delay.reset()
    return
  }
  if (asked !== 'memory') return
  globalThis.gc?.()
  // The second one, a turn later, takes what finalizers let go of.
  setTimeout(() => {
    globalThis.gc?.()
    const { rss, heapUsed, external } = process.memoryUsage()
    process.send?.({ rss, heapUsed, external })
  }, 200)
})
// The channel must not keep a process alive that wants to end.
process.channel?.unref()

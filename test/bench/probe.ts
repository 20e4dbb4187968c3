/**
 * Loaded into a measured process: answers `memory` with its memory after full collections, and `delay` with by how much
 * its event loop was late since that was last asked, in milliseconds, as the server itself looks at it.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
let delay: IntervalHistogram | undefined
let lookedAt = performance.now()
process.on('message', (asked) => {
  if (asked === 'delay') {
    const mean = (delay?.mean ?? 0) / 1e6
    const since = performance.now() - lookedAt
    lookedAt += since
    // Without a sample all the time since was one turn of the loop.
    process.send?.(Math.max(0, (Number.isFinite(mean) ? mean : since) - RESOLUTION_MS))
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

/** Loaded into a measured process: answers `memory` with its memory after full collections, and nothing else. */
process.on('message', (asked) => {
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

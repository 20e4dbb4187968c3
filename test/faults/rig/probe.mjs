/**
 * Loaded into a measured process. On SIGUSR2 it collects garbage and says, in a line of JSON, what is left; on SIGWINCH
 * it keeps the event loop busy for so long as a runaway regular expression might.
 */
import { getHeapCodeStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const BUSY_MS = 3_000
const collect = runInNewContext('gc')
process.on('SIGUSR2', () => {
  collect()
  // A turn later, a second time: for what finalizers let go of.
  setTimeout(() => {
    collect()
    const { rss, heapUsed, external } = process.memoryUsage()
    const resources = {}
    for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
    const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
    const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } = getHeapCodeStatistics()
    const probe = { rss, heapUsed, external, code: code + bytecode, resources, listeners }
    process.stdout.write(`${JSON.stringify({ probe })}\n`)
  }, 200)
})
process.on('SIGWINCH', () => {
  const until = performance.now() + BUSY_MS
  while (performance.now() < until) {}
})

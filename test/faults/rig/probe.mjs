/** Loaded into a measured process: on SIGUSR2 it collects garbage and says, in a line of JSON, what is left. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
process.on('SIGUSR2', () => {
  collect()
  // A turn later, a second time: for what finalizers let go of.
  setTimeout(() => {
    collect()
    const { rss, heapUsed, external } = process.memoryUsage()
    const resources = {}
    for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
    process.stdout.write(`${JSON.stringify({ probe: { rss, heapUsed, external, resources } })}\n`)
  }, 200)
})

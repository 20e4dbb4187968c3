/** An address from which nothing ever comes back, not even a refusal: what a firewall that drops makes of a server. */
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Processes } from '../../support/process.ts'
import { until } from '../../support/until.ts'

const SCRIPT = fileURLToPath(new URL('./full-queue.mjs', import.meta.url))
/** A connection on loopback that takes longer is not coming. */
const DROPPED_AFTER_MS = 500

/**
 * Fills the queue of a port on which nothing else listens.
 * @returns ends it: then the port is free for something that answers
 */
export async function blackHole({ startScript }: Pick<Processes, 'startScript'>, port: number) {
  const listener = startScript(SCRIPT, {}, [String(port)])
  await until('the queue is there', () => listener.stdout() !== '')
  while (await isTaken(port)) {}
  return async () => {
    await listener.kill()
  }
}

/** What is taken into the queue stays there. */
function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const timer = setTimeout(() => {
      socket.destroy()
      resolve(false)
    }, DROPPED_AFTER_MS)
    socket.on('error', () => {})
    socket.on('connect', () => {
      clearTimeout(timer)
      socket.unref()
      resolve(true)
    })
  })
}

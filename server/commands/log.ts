/**
 * The service's log, on standard error. Where that takes nothing more (a full disk, a reader that has stopped), the
 * service goes on: lines wait within a bound, beyond it they are lost, and how many is said once lines are taken again.
 */
import { once } from 'node:events'
import { type Logger, pino } from 'pino'
import type { Config } from '../config.ts'
import { Problem } from '../domain/problem.ts'
import { misdirectionOf } from '../store/faults.ts'
import { inTime } from '../waiting.ts'
import { reasonOf } from './command.ts'

const STANDARD_ERROR = 2
/** Bytes that wait to be written. */
const MOST_WAITING = 1024 * 1024
/** How long an end waits for the last lines to be taken, milliseconds. */
const END_MS = 1_000

export type ServiceLog = {
  readonly log: Logger
  /** The last lines are written, or it does not wait for them any longer. */
  end(): Promise<void>
}

export function openLog(level: Config['logLevel']): ServiceLog {
  const destination = pino.destination({ dest: STANDARD_ERROR, sync: false, maxLength: MOST_WAITING })
  const log = pino({ level, base: null, serializers: { err: errorInLog } }, destination)
  let takes = true
  let waits = false
  let lost = 0

  const write = destination.write.bind(destination)
  destination.write = (line) => {
    waits = true
    return write(line)
  }
  // Without a listener it would end the process. What failed is tried again with the next line.
  destination.on('error', () => {
    takes = false
  })
  destination.on('write', () => {
    takes = true
  })
  destination.on('drop', () => {
    lost += 1
  })
  destination.on('drain', () => {
    waits = false
    if (lost === 0) return
    log.warn({ lost }, 'lines of this log were lost: it could not be written for a while')
    lost = 0
  })
  // An exit calls this, and would try for ever.
  const flushSync = destination.flushSync.bind(destination)
  destination.flushSync = () => {
    if (takes) flushSync()
  }
  return {
    log,
    async end() {
      if (!waits || !takes) return
      const drained = once(destination, 'drain').then(() => true)
      takes = (await inTime(drained, END_MS)) === true
    },
  }
}

/** An outage, or a URL that leads nowhere, is no bug: where it was noticed tells nobody anything, and hides what it says. */
function errorInLog(error: Error): object {
  const foreseen =
    error instanceof Problem ? error.type === 'unavailable' : misdirectionOf(error) !== undefined
  return foreseen ? { type: error.name, message: reasonOf(error) } : pino.stdSerializers.err(error)
}

/**
 * A deadline of ours on what the database does: a frozen server never fires its own.
 */
import { DeadlineError } from './faults.ts'

export type Deadline = {
  /** Settles as the promise does, or rejects with `DeadlineError` when time is up. */
  race<T>(promise: Promise<T>): Promise<T>
  /** This many milliseconds from now, whatever was left. */
  extend(ms: number): void
  clear(): void
}

/** @param ms milliseconds from now */
export function startDeadline(ms: number): Deadline {
  let timer: NodeJS.Timeout | undefined
  let extend = (_ms: number) => {}
  const passed = new Promise<never>((_, reject) => {
    const start = (within: number) => {
      timer = setTimeout(() => reject(new DeadlineError(`No answer within ${Math.round(within)} ms`)), within)
    }
    extend = (more) => {
      clearTimeout(timer)
      start(more)
    }
    start(ms)
  })
  passed.catch(() => {})
  return {
    race: (promise) => Promise.race([promise, passed]),
    extend: (more) => extend(more),
    clear: () => clearTimeout(timer),
  }
}

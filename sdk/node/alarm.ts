/**
 * A wait that can be cut short. Its timers are unref'ed: waiting never keeps a process alive.
 */

export type Alarm = {
  /** Resolves after `ms` milliseconds, or as soon as it is rung; a ring while nobody waits is kept for the next wait. */
  wait(ms: number): Promise<void>
  /** Ends the wait now, or, with `withinMs`, at the latest then. */
  ring(withinMs?: number): void
}

/** The longest delay that a timer takes; longer ones fire at once. */
const LONGEST_MS = 2 ** 31 - 1

/** @param now a monotonic clock, in milliseconds */
export function createAlarm(now: () => number): Alarm {
  let due = Number.POSITIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let finish: (() => void) | undefined

  function arm(): void {
    clearTimeout(timer)
    timer = setTimeout(() => finish?.(), Math.min(LONGEST_MS, Math.max(0, due - now()))).unref()
  }

  return {
    wait(ms) {
      return new Promise((resolve) => {
        due = Math.min(due, now() + ms)
        finish = () => {
          clearTimeout(timer)
          due = Number.POSITIVE_INFINITY
          finish = undefined
          resolve()
        }
        arm()
      })
    },
    ring(withinMs = 0) {
      const at = now() + withinMs
      if (at >= due) return
      due = at
      if (finish === undefined) return
      // At once, not by an unref'ed timer: a process that waits for nothing else would end before it is due.
      if (withinMs <= 0) finish()
      else arm()
    },
  }
}

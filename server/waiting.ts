/**
 * Waits that a signal or the time ends, whatever becomes of the work. What was waited for leaves nothing behind at the
 * signal, however long that lasts: a race with a promise that stays open keeps something of each race, for as long as the
 * promise is open.
 */

export class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
}

/** Resolves after `ms`, or as soon as the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

export type Trying = {
  /**
   * One try: settles when what it began is over, and at the signal.
   * @param works to be called once it is under way
   */
  readonly once: (stopped: AbortSignal, works: () => void) => Promise<void>
  /** Of a try that was not stopped. */
  readonly onFailure: (cause: unknown) => void
  /** How long to pause after a try, milliseconds. */
  readonly pauseMs: () => number
}

/**
 * Tries again and again until it is stopped, whatever becomes of each try.
 * @returns once the first try is under way or over: what to call to stop, which resolves when the last one is over
 */
export async function keepTrying({ once, onFailure, pauseMs }: Trying): Promise<() => Promise<void>> {
  const stopping = new AbortController()
  const stopped = stopping.signal
  const trying = async (works: () => void): Promise<void> => {
    while (!stopped.aborted) {
      try {
        await once(stopped, works)
      } catch (cause) {
        if (!stopped.aborted) onFailure(cause)
      }
      works()
      await pause(pauseMs(), stopped)
    }
  }
  let running: Promise<void> | undefined
  await new Promise<void>((resolve) => {
    running = trying(resolve)
  })
  return async () => {
    stopping.abort()
    await running
  }
}

/** Settles as the work does, or rejects with the signal's reason as soon as that fires. */
export function unlessLost<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(signal.reason)
    const settled = (): void => signal.removeEventListener('abort', lost)
    if (signal.aborted) lost()
    else signal.addEventListener('abort', lost)
    work.then(resolve, reject).finally(settled)
  })
}

/**
 * Settles as the work does, or rejects with `TimeoutError` where that takes longer: what is frozen answers nothing, not
 * even that it is late. An answer that has arrived counts, also where this process was too busy to read it: after the time
 * is up, what is there is read first.
 */
export function within<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new TimeoutError(`no answer within ${ms} ms`))
    const timer = setTimeout(() => setImmediate(late), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** For what is only good to know: the answer, if it comes in time and is none of failure. */
export function inTime<T>(answer: Promise<T>, ms: number): Promise<T | undefined> {
  return within(answer, ms).catch(() => undefined)
}

/**
 * The same, for one who is asked again and again: after it was late once, it is waited for less, until an answer comes.
 * @param ms how long it is waited for; `lateMs` after it was late
 */
export function patience(ms: number, lateMs: number) {
  let late = false
  return async <T>(answer: Promise<T>, mostMs = ms): Promise<T | undefined> => {
    let told = false
    answer.then(
      () => {
        told = true
        late = false
      },
      () => undefined,
    )
    const value = await inTime(answer, Math.min(mostMs, late ? lateMs : ms))
    if (!told) late = true
    return value
  }
}

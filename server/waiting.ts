/**
 * Waits that a signal ends. What was waited for leaves nothing behind at the signal, however long that lasts: a race with
 * a promise that stays open keeps something of each race, for as long as the promise is open.
 */

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

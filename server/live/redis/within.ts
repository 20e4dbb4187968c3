/**
 * Deadlines of our own: a server that is frozen answers nothing, not even that it is late.
 */

export class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
}

/**
 * Rejects with `TimeoutError` where the promise does not settle in time. An answer that has arrived counts, also
 * where this process was too busy to read it: after the time is up, what is there is read first.
 */
export function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new TimeoutError(`no answer within ${ms} ms`))
    const timer = setTimeout(() => setImmediate(late), ms)
    promise.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

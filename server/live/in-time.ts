/** For what is only good to know: nobody waits long for it, and its failure is nobody's. */

/** The answer, if it comes in time and is none of failure. */
export function inTime<T>(answer: Promise<T>, ms: number): Promise<T | undefined> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, ms, undefined)
    const done = (value: T | undefined) => {
      clearTimeout(late)
      resolve(value)
    }
    answer.then(done, () => done(undefined))
  })
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

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

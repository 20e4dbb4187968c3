/**
 * One run at a time, and never an answer from before the question: a call during a run shares the one run that
 * follows it. So however many ask, there are at most two runs to wait for, and what each awaits began after it asked.
 */
export function singleFlight<T>(run: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined
  let next: Promise<T> | undefined

  function begin(): Promise<T> {
    next = undefined
    const flight = run().finally(() => {
      if (current === flight) current = undefined
    })
    current = flight
    return flight
  }

  return () => {
    if (next !== undefined) return next
    if (current === undefined) return begin()
    next = current.then(begin, begin)
    return next
  }
}

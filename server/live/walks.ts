/**
 * Walks past thousands of streams, each of which gets what it lacks: a slice at a time, so that all else has its turn in
 * between, and with a rest after each, so that edits that come fast do not take the whole process.
 */

/** Visited before other work gets its turn. */
const SLICE = 256
/** After a walk of more than one slice there is a rest of as long as it took, at most this, milliseconds. */
const MOST_REST_MS = 1_000

export type Walk = {
  /**
   * Visits all soon; whoever was passed when this is said during a walk is visited by the next one.
   * @param urgent without a rest before it
   */
  wake(urgent: boolean): void
}

/** @param clock epoch milliseconds */
export function createWalk<T>(all: ReadonlySet<T>, visit: (one: T) => void, clock: { now(): number }): Walk {
  let doing: 'nothing' | 'walking' | 'resting' = 'nothing'
  /** What was asked for during this walk. */
  let next: 'nothing' | 'a walk' | 'an urgent walk' = 'nothing'
  let rest: NodeJS.Timeout | undefined

  function begin(): void {
    clearTimeout(rest)
    doing = 'walking'
    next = 'nothing'
    const from = clock.now()
    const many = all.size > SLICE
    void inSlices(all, visit).then(() => end(many ? clock.now() - from : 0))
  }

  function end(tookMs: number): void {
    doing = 'nothing'
    if (next === 'an urgent walk' || tookMs <= 0) {
      walkAgain()
      return
    }
    doing = 'resting'
    rest = setTimeout(
      () => {
        doing = 'nothing'
        walkAgain()
      },
      Math.min(tookMs, MOST_REST_MS),
    ).unref()
  }

  function walkAgain(): void {
    if (next !== 'nothing') begin()
  }

  return {
    wake(urgent) {
      if (all.size === 0) return
      if (doing === 'nothing' || (doing === 'resting' && urgent)) begin()
      else if (next !== 'an urgent walk') next = urgent ? 'an urgent walk' : 'a walk'
    },
  }
}

/** Visits all, a slice at a time, beginning in the next turn of the event loop. What joins meanwhile is visited too. */
export function inSlices<T>(all: Iterable<T>, visit: (one: T) => void): Promise<void> {
  const rest = all[Symbol.iterator]()
  return new Promise((resolve) => {
    const slice = (): void => {
      for (let visited = 0; visited < SLICE; visited++) {
        const one = rest.next()
        if (one.done) {
          resolve()
          return
        }
        visit(one.value)
      }
      setImmediate(slice)
    }
    setImmediate(slice)
  })
}

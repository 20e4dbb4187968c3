/**
 * When what happened: one clock for all processes of the machine, and the phases of a row. Figures are asked for by
 * phase; what was begun in a phase belongs to it.
 */

/** CLOCK_MONOTONIC in milliseconds, which every process of this machine reads alike. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export type Phase = 'baseline' | 'fault' | 'after'

export type Timeline = {
  /** Runs it, as this phase. */
  readonly during: <T>(phase: Phase, run: () => Promise<T>) => Promise<T>
  readonly phaseAt: (at: number) => Phase | undefined
  /** When the phase ended that this falls into; Infinity where it falls into none, or into one that lasts. */
  readonly endOf: (at: number) => number
}

export function createTimeline(): Timeline {
  const spans: { readonly phase: Phase; readonly from: number; to: number }[] = []
  const spanAt = (at: number) => spans.find(({ from, to }) => from <= at && at < to)
  return {
    async during(phase, run) {
      const span = { phase, from: now(), to: Number.POSITIVE_INFINITY }
      spans.push(span)
      try {
        return await run()
      } finally {
        span.to = now()
      }
    },
    phaseAt: (at) => spanAt(at)?.phase,
    endOf: (at) => spanAt(at)?.to ?? Number.POSITIVE_INFINITY,
  }
}

/** @returns NaN of nothing */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

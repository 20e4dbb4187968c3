/**
 * Measures contenders side by side: A B C A B C …, so that what disturbs the machine disturbs them all. A ratio is
 * the median over rounds of the ratio of neighbours.
 */
import { median } from './row.ts'

export type Contender = {
  readonly name: string
  /** Runs the whole workload once, and answers what it counted, so that nothing can be optimised away. */
  readonly pass: () => number | Promise<number>
  /** Operations in one pass. */
  readonly size: number
}

export type Measured = {
  readonly name: string
  /** Nanoseconds an operation, the median of the rounds. */
  readonly ns: number
  readonly rounds: readonly number[]
}

type Timing = { readonly rounds?: number; readonly roundMs?: number; readonly warmMs?: number }

/**
 * Measures every contender in every round, 31 rounds of 20 ms unless told. Time is this process's processor time, so
 * that what else the machine does weighs little; on a quiet machine it is the wall clock's.
 */
export async function interleave(
  contenders: readonly Contender[],
  { rounds = 31, roundMs = 20, warmMs = 400 }: Timing = {},
): Promise<ReadonlyMap<string, Measured>> {
  const repeats = new Map<string, number>()
  for (const contender of contenders) {
    let passes = 0
    const start = performance.now()
    while (performance.now() - start < warmMs) {
      await contender.pass()
      passes += 1
    }
    // The second half of the warm-up tells how many passes fill a round.
    const again = performance.now()
    for (let i = 0; i < Math.max(1, passes >> 3); i += 1) await contender.pass()
    const onePass = (performance.now() - again) / Math.max(1, passes >> 3)
    repeats.set(contender.name, Math.max(1, Math.round(roundMs / onePass)))
  }
  const samples = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders) {
      const times = repeats.get(contender.name) ?? 1
      const start = process.cpuUsage()
      for (let i = 0; i < times; i += 1) {
        const answer = contender.pass()
        if (typeof answer !== 'number') await answer
      }
      const { user, system } = process.cpuUsage(start)
      samples.get(contender.name)?.push(((user + system) * 1_000) / (times * contender.size))
    }
  }
  return new Map(
    [...samples].map(([name, values]) => [name, { name, ns: median(values), rounds: values }] as const),
  )
}

/** The median of `of[i] / to[i]`. */
export function ratioOf(of: readonly number[], to: readonly number[]): number {
  return median(of.map((value, index) => value / (to[index] ?? Number.NaN)))
}

/** Chance that can be repeated: what the benchmarks draw their workloads with, in the forms that edits need. */
import { seeded } from '../../bench/workload.ts'

export type Random = {
  /** A whole number from 0 up to `bound`, without it. */
  below(bound: number): number
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
}

export function randomFrom(seed: number): Random {
  const next = seeded(seed)
  return {
    below: (bound) => Math.floor(next() * bound),
    chance: (probability) => next() < probability,
    pick: (from) => from[Math.floor(next() * from.length)] as (typeof from)[number],
  }
}

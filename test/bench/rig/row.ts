/**
 * What a benchmark answers: one row a goal. Rows are figures, never assertions; `met` only says how the figure
 * compares with the goal.
 */

export type Unit = 'ns' | 'us' | 'ms' | 's' | 'MB' | 'KB' | 'bytes' | 'per s' | 'round trips'

export type Row = {
  readonly name: string
  readonly measured: number
  readonly unit: Unit
  /** What stands beside it in the same run. */
  readonly baseline?: { readonly name: string; readonly value: number; readonly unit?: Unit }
  /** The median of the ratios of neighbouring rounds, not the ratio of the medians. */
  readonly ratio?: number
  /** In words, such as `ratio ≤ 3`; absent for a row that is only for information. */
  readonly goal?: string
  readonly met?: boolean
  /** What a reader must know to read the figure. */
  readonly note?: string
}

export type Bench = {
  readonly name: string
  readonly about: string
  readonly run: () => Promise<readonly Row[]>
}

/** @param goal a bound on `value`; the goal's words come from it, so that they cannot differ from the check. */
export function judged(
  row: Omit<Row, 'goal' | 'met'>,
  goal:
    | { readonly of: 'ratio' | 'measured'; readonly atMost: number }
    | { readonly of: 'ratio' | 'measured'; readonly atLeast: number },
): Row {
  const value = goal.of === 'ratio' ? row.ratio : row.measured
  const unit = goal.of === 'ratio' ? '' : ` ${row.unit}`
  const label = goal.of === 'ratio' ? 'ratio ' : ''
  if ('atMost' in goal) {
    return {
      ...row,
      goal: `${label}≤ ${goal.atMost}${unit}`,
      met: value !== undefined && value <= goal.atMost,
    }
  }
  return {
    ...row,
    goal: `${label}≥ ${goal.atLeast}${unit}`,
    met: value !== undefined && value >= goal.atLeast,
  }
}

export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

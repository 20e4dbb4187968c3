/** A line through measurements, by least squares, and how sure its slope is. */

export type Sample = { readonly at: number; readonly value: number }
export type Slope = {
  /** Of the value, per unit of time. */
  readonly slope: number
  /** Half the width of its 95 % confidence interval, as if what is left of each sample were independent. */
  readonly within: number
  /** What the line gained from the first sample to the last. */
  readonly growth: number
  readonly mean: number
}

/** @param samples three or more, at different times */
export function slopeOf(samples: readonly Sample[]): Slope {
  const count = samples.length
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / count
  const [at, value] = [mean(samples.map((one) => one.at)), mean(samples.map((one) => one.value))]
  const spread = samples.reduce((sum, one) => sum + (one.at - at) ** 2, 0)
  const slope = samples.reduce((sum, one) => sum + (one.at - at) * (one.value - value), 0) / spread
  const left = samples.reduce((sum, one) => sum + (one.value - value - slope * (one.at - at)) ** 2, 0)
  const times = samples.map((one) => one.at)
  return {
    slope,
    within: 1.96 * Math.sqrt(left / (count - 2) / spread),
    growth: slope * (Math.max(...times) - Math.min(...times)),
    mean: value,
  }
}

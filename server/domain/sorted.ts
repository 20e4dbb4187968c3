/** Looking into sorted lists by halves. */

/**
 * How many items at the beginning it holds of; so that is also where the first stands of which it does not.
 * @param holds of none that comes after one of which it does not hold
 */
export function countLeading<T>(sorted: readonly T[], holds: (item: T) => boolean): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(sorted[middle] as T)) low = middle + 1
    else high = middle
  }
  return low
}

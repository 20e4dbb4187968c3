/**
 * When a condition on `$now` turns: the instants at which a cached answer has to be made anew.
 */
import { instantOf } from './dates.ts'

/**
 * The instants from which on a condition on the evaluation time can hold or cease to hold.
 *
 * @param op an operator that understands `values`
 * @returns epoch milliseconds, whole ones as a clock gives them; none for operators that no time matches
 */
export function turnsOf(op: string, values: readonly unknown[]): readonly number[] {
  switch (op) {
    case 'before':
      return starts(values.map(instantOf))
    case 'after':
      return ends(values.map(instantOf))
    case 'lt':
    case 'gte':
      return starts(values)
    case 'lte':
    case 'gt':
      return ends(values)
    case 'in':
    case 'notIn':
      return [...starts(values), ...ends(values)]
    default:
      return []
  }
}

/** The first whole millisecond at or after each value. */
function starts(values: readonly unknown[]): number[] {
  return values.filter((value) => typeof value === 'number').map(Math.ceil)
}

/** The first whole millisecond after each value. */
function ends(values: readonly unknown[]): number[] {
  return values.filter((value) => typeof value === 'number').map((value) => Math.floor(value) + 1)
}

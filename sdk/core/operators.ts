/** One table: operator -> (operands) -> (attribute) -> boolean. (In the making: signatures first.) */
export const OPERATORS: ReadonlySet<string> = new Set([
  'in',
  'notIn',
  'startsWith',
  'endsWith',
  'contains',
  'matches',
  'lt',
  'lte',
  'gt',
  'gte',
  'before',
  'after',
  'semverEq',
  'semverLt',
  'semverLte',
  'semverGt',
  'semverGte',
  'cidr',
  'exists',
])

/** Why a server must refuse these operands; undefined where they are in order. */
export function operandFault(
  op: string,
  _values: readonly unknown[],
  _ignoreCase: boolean,
): string | undefined {
  return OPERATORS.has(op) ? undefined : `unknown operator "${op}"`
}

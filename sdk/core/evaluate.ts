/** (compiled, key, context, now) -> Decision. (In the making: signatures first.) */
import type { Compiled } from './compiled.ts'
import type { Context, Decision, FlagKey } from './ruleset.ts'

const NOT_FOUND: Decision = Object.freeze({
  reason: 'ERROR',
  errorCode: 'FLAG_NOT_FOUND',
  errorDetails: 'no such flag in this environment',
  metadata: Object.freeze({}),
})

export function evaluate(_compiled: Compiled, _key: FlagKey, _context: Context, _now: number): Decision {
  return NOT_FOUND
}

/** Ruleset to compiled closures. (In the making: signatures first.) */
import type { Compiled } from './compiled.ts'
import type { Delta, FlagKey, Ruleset, SkippedRule, State } from './ruleset.ts'
import { stateOf } from './state.ts'

export function compile(source: Ruleset | State): Compiled {
  const state = isState(source) ? source : stateOf(source)
  return { state, flags: new Map(), reads: [], instants: [] }
}

export function advance(_compiled: Compiled, next: State, _delta?: Delta): Compiled {
  return compile(next)
}

export function check(
  _state: State,
  flags: Iterable<FlagKey>,
): Map<FlagKey, { error?: string; skipped: readonly SkippedRule[] }> {
  return new Map([...flags].map((flag) => [flag, { skipped: [] }]))
}

function isState(source: Ruleset | State): source is State {
  return source.entries instanceof Map
}

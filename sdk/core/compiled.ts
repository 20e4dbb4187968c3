/**
 * The types of a compiled ruleset: what `compile` makes and `evaluate` runs. The public part is for whoever holds
 * one; `program` and `segments` are the evaluator's own.
 */
import type { AttributePath, FlagKey, FlagType, SkippedRule, State, Visibility } from './ruleset.ts'

export type Compiled = {
  readonly state: State
  readonly flags: ReadonlyMap<FlagKey, CompiledFlag>
  /** Attributes of a context that any flag's evaluation can read, sorted. */
  readonly reads: readonly AttributePath[]
  /** Epoch milliseconds, ascending, from which on some answer can be another: the thresholds of `$now`. */
  readonly instants: readonly number[]
}

export type CompiledFlag = {
  readonly key: FlagKey
  /** The revision that wrote the flag. */
  readonly version: number
  /** undefined where the definition names none that is known. */
  readonly type: FlagType | undefined
  readonly visibility: Visibility
  readonly killed: boolean
  /** Whether the answer can depend on the time, prerequisites included. */
  readonly dated: boolean
  /** Why the flag failed to compile: it answers PARSE_ERROR. */
  readonly error?: string
  /** Rules that this process does not understand; `$fallthrough` for a fallthrough. */
  readonly skipped: readonly SkippedRule[]
}

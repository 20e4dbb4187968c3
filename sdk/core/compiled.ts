/**
 * The types of a compiled ruleset: what `compile` makes and `evaluate` runs. `segments`, `linked`,
 * `standing` and the fields of `Program` are the evaluator's own; the rest is for whoever holds one.
 */
import type {
  CompiledFallthrough,
  CompiledPrerequisite,
  CompiledRule,
  FlagBody,
  TargetGroup,
} from './flags.ts'
import type {
  AttributePath,
  Decision,
  Entry,
  FlagKey,
  FlagType,
  SegmentKey,
  SkippedRule,
  State,
  Visibility,
} from './ruleset.ts'
import type { CompiledSegment } from './segments.ts'

export type Compiled = {
  readonly state: State
  readonly flags: ReadonlyMap<FlagKey, CompiledFlag>
  /** Attributes of a context that any flag's evaluation can read, sorted by code unit. */
  readonly reads: readonly AttributePath[]
  /** Epoch milliseconds, ascending, from which on some answer can be another: the thresholds of `$now`. */
  readonly instants: readonly number[]
  readonly segments: ReadonlyMap<SegmentKey, CompiledSegment>
}

export type CompiledFlag = Program & {
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
  readonly error?: string | undefined
  /** Rules that this process does not understand; `$fallthrough` for a fallthrough. */
  readonly skipped: readonly SkippedRule[]
  readonly linked: LinkedFlag
  readonly standing: Standing
}

/** What follows from the prerequisites of a flag. */
export type Standing = {
  /** The flags whose prerequisites lead in a circle with this one's. */
  readonly cycle: readonly FlagKey[] | undefined
  readonly dated: boolean
  readonly deep: boolean
}

/** What is run; the first fields of a flag, so that they lie together in memory. */
export type Program = {
  /** The answer to every context: of a flag that is killed, in error or not enabled. */
  readonly settled: Decision | null
  readonly prerequisites: readonly CompiledPrerequisite[]
  readonly targets: readonly TargetGroup[]
  /** The first of them. */
  readonly rules: RunningRule | null
  readonly fallthrough: CompiledFallthrough
  /** Whether its prerequisites are a long chain or a wide net, to be answered each once and without recursion. */
  readonly deep: boolean
}

/** A rule as it is followed. A list by links rather than an array: evaluation goes through it once, in order. */
export type RunningRule = Pick<CompiledRule, 'test' | 'decision' | 'split'> & {
  readonly next: RunningRule | null
  /** What evaluation does not need. `skipped`: why this process does not evaluate it; then its test is never true. */
  readonly about: Pick<CompiledRule, 'id' | 'skipped'>
}

/** A flag with its segments and its kills, before prerequisites are looked at. */
export type LinkedFlag = {
  readonly key: FlagKey
  readonly entry: Entry
  readonly skipped: readonly SkippedRule[]
  readonly reads: readonly AttributePath[]
  readonly instants: readonly number[]
} & Content

/** Of a killed flag nothing is looked at but its answer. */
type Content =
  | { readonly kind: 'killed'; readonly answer: Decision }
  | { readonly kind: 'broken'; readonly broken: string }
  | { readonly kind: 'whole'; readonly body: FlagBody; readonly rules: RunningRule | null }

/**
 * The evaluator: pure, synchronous, the same code in server and SDKs. Compile a ruleset once, evaluate flags of it
 * for contexts, bring it forward by deltas.
 */
export { type Reader, readerOf } from './attributes.ts'
export { bucketOf, memberChunk, murmur3, unitOf } from './bucket.ts'
export { check, type Finding } from './check.ts'
export { advance, compile } from './compile.ts'
export type { Compiled, CompiledFlag } from './compiled.ts'
export { apply, diff, digestOf, entryDigest, type Refusal } from './delta.ts'
export { evaluate } from './evaluate.ts'
export { type Explanation, explain } from './explain.ts'
export { foldCase } from './folding.ts'
export { jsonText } from './json.ts'
export { LIMITS } from './limits.ts'
export { OPERATORS, operandFault } from './operators.ts'
export { partOf } from './part.ts'
export { withPending } from './pending.ts'
export * from './ruleset.ts'
export { compareVersions, parseVersion, type Version } from './semver.ts'
export {
  compareStates,
  emptyState,
  entryOf,
  RulesetError,
  rulesetOf,
  stateOf,
  tagOf,
} from './state.ts'
export type { ConditionStep, SplitStep, Step } from './steps.ts'

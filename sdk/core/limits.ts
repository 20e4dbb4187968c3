/**
 * The limits of the model, in one place: the server refuses what is above them, the evaluator is built to be
 * quick below them. Numbers only; who enforces which is said where it happens.
 */
export const LIMITS = {
  /** Flags in one environment. */
  flags: 10_000,
  /** Segments in one environment. */
  segments: 1_000,
  /** Bytes of one environment's ruleset, as canonical text. */
  rulesetBytes: 32 * 1024 * 1024,
  /** Members of one segment, included and excluded together. */
  members: 1_000_000,
  /** Member changes in one request. */
  memberChanges: 10_000,
  /** Variants of one flag. */
  variants: 64,
  /** Bytes of one variant's value, as canonical text. */
  variantBytes: 64 * 1024,
  /** Rules of one flag. */
  rules: 100,
  /** Levels of one condition; a condition on an attribute is one level. */
  conditionDepth: 8,
  /** Nodes of one condition. */
  conditionNodes: 200,
  /** Values of one condition on an attribute. */
  values: 10_000,
  /** Individually targeted units of one flag. */
  targetedUnits: 10_000,
  /** Ranges of one split. */
  ranges: 1_000,
  /** UTF-16 code units of one regular expression. */
  regexChars: 512,
  /** Instructions that one regular expression compiles to: what nested counted repeats multiply. */
  regexProgram: 200,
  /** Regular expressions in one condition on an attribute. */
  regexes: 100,
  /** UTF-16 code units of an attribute that a regular expression looks at; a longer one does not match. */
  regexInput: 1_024,
  /** Bytes of one evaluation context, as JSON. */
  contextBytes: 16 * 1024,
  /** Levels of one evaluation context. */
  contextDepth: 8,
  /** Attributes of one evaluation context, nested ones counted. */
  contextAttributes: 256,
  /** Levels that the evaluator follows, those of named segments included: a newer server may allow more than this one. */
  evaluatedDepth: 256,
  /** Nodes of a condition with every segment that it names written out, as often as it names it. */
  evaluatedNodes: 100_000,
  /** Identifiers of ended kills that a client keeps. */
  endedKills: 10_000,
} as const

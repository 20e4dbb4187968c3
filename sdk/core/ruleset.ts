/**
 * The types of a ruleset: what the wire carries, what a server keeps and what an SDK evaluates.
 * One source for all of them; nothing here runs.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export type FlagKey = string
export type SegmentKey = string
export type VariantKey = string
/** `targetingKey`, a top-level attribute, or a dotted path into nested structures. `$now` is the evaluation time. */
export type AttributePath = string

export type FlagType = 'boolean' | 'string' | 'number' | 'object'
export type Visibility = 'server' | 'client'
export type Scalar = string | number | boolean

export type Operator =
  | 'in'
  | 'notIn'
  | 'startsWith'
  | 'endsWith'
  | 'contains'
  | 'matches'
  | 'lt'
  | 'lte'
  | 'gt'
  | 'gte'
  | 'before'
  | 'after'
  | 'semverEq'
  | 'semverLt'
  | 'semverLte'
  | 'semverGt'
  | 'semverGte'
  | 'cidr'
  | 'exists'

export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  | { readonly segment: SegmentKey }
  | {
      readonly attribute: AttributePath
      readonly op: Operator
      readonly values: readonly Scalar[]
      readonly ignoreCase?: true
    }

/** A share of the units, in percent with three decimals: what people edit. */
export type Share = { readonly variant: VariantKey; readonly percent: number }
/** A half-open interval of buckets, over [0, 100000): what is evaluated. */
export type Range = { readonly variant: VariantKey; readonly from: number; readonly to: number }

export type Split = {
  readonly by: AttributePath
  readonly salt: string
  readonly shares: readonly Share[]
  readonly ranges: readonly Range[]
  /** In a fallthrough: what a context without the unit gets. */
  readonly missing?: VariantKey
}

export type Serve = { readonly variant: VariantKey } | { readonly split: Split }

export type Rule = {
  readonly id: string
  readonly description?: string
  /** Absent: every context. */
  readonly when?: Condition
  readonly serve: Serve
}

export type Target = {
  readonly variant: VariantKey
  readonly by: AttributePath
  readonly units: readonly string[]
}
export type Prerequisite = { readonly flag: FlagKey; readonly variants: readonly VariantKey[] }

/** A flag's configuration in one environment: the definition of an entry of kind `flag`. */
export type FlagConfig = {
  readonly type: FlagType
  readonly enabled: boolean
  readonly visibility: Visibility
  readonly variants: { readonly [variant: VariantKey]: Json }
  /** null: no value, the app's code default applies. */
  readonly offVariant: VariantKey | null
  readonly prerequisites: readonly Prerequisite[]
  readonly targets: readonly Target[]
  readonly rules: readonly Rule[]
  readonly fallthrough: Serve | null
  readonly valueSchema?: { readonly [keyword: string]: Json }
}

/** The definition of an entry of kind `segment`. */
export type Segment = {
  readonly by: AttributePath
  readonly ignoreCase?: true
  readonly when: Condition | null
}

/**
 * The definition of an entry of kind `members`, under the key `<segment>/<00..ff>`: the units whose murmur3 has
 * that top byte. Sorted by code unit; in a segment with `ignoreCase` they are stored folded.
 */
export type Members = { readonly included: readonly string[]; readonly excluded: readonly string[] }

/** The definition of an entry of kind `kill`, under the flag's key. `at` is RFC 3339. */
export type Kill = {
  readonly id: string
  readonly by: string
  readonly at: string
  readonly comment?: string
  /** Kills of the same flag that were accepted elsewhere meanwhile, without a revision: they end with this one. */
  readonly also?: readonly Kill[]
}

export type EntryKind = 'flag' | 'segment' | 'members' | 'kill'

/** One document of a log, as of the revision that wrote it. */
export type Entry = { readonly revision: number; readonly definition: Json }

export const SCHEMA = 1
export const BUCKETING = 'halyard-1'

/** `GET /sdk/v1/ruleset`. Kinds that this version does not know are kept, and counted in the digest. */
export type Ruleset = {
  readonly schema: number
  readonly bucketing: string
  readonly project: string
  readonly environment: string
  readonly epoch: number
  readonly revision: number
  readonly digest: number
  readonly entries: { readonly [kind: string]: { readonly [key: string]: Entry } }
  readonly pending: { readonly [flag: FlagKey]: readonly Kill[] }
  readonly endedKills: readonly string[]
}

/** The change from revision `base` to `revision` of one log, within one epoch. `definition: null` removes. */
export type Delta = {
  readonly epoch: number
  readonly base: number
  readonly revision: number
  readonly entries: readonly DeltaEntry[]
  /** Of the state that results. */
  readonly digest: number
  /** On a stream, where it brings a kill: over how many milliseconds clients are to spread their acknowledgements. */
  readonly ackWithinMs?: number
}
export type DeltaEntry = {
  readonly kind: string
  readonly key: string
  readonly revision: number
  readonly definition: Json
}

/**
 * A log's state as a value: never changed, replaced whole. The same shape serves an environment's ruleset and the
 * server's own logs of projects and keys.
 */
export type State = {
  readonly project: string
  readonly environment: string
  readonly epoch: number
  readonly revision: number
  readonly digest: number
  readonly entries: ReadonlyMap<string, ReadonlyMap<string, Entry>>
  readonly pending: ReadonlyMap<FlagKey, readonly Kill[]>
  readonly endedKills: ReadonlySet<string>
}

/** What an app evaluates for: OpenFeature's evaluation context. */
export type Context = { readonly targetingKey?: string | number; readonly [attribute: string]: unknown }

export type ErrorCode = 'FLAG_NOT_FOUND' | 'PARSE_ERROR' | 'TARGETING_KEY_MISSING' | 'GENERAL'

export type DecisionMetadata = {
  /** The flag's own revision. */
  readonly version?: number
  readonly killed?: true
  /** The rule that decided; `$targets` for individual targets. */
  readonly rule?: string
  /** The prerequisite that is not satisfied. */
  readonly prerequisite?: FlagKey
}

/** A rule that this process cannot evaluate, and why. */
export type SkippedRule = { readonly rule: string; readonly why: string }

/**
 * The answer of one evaluation. `variant` and `value` are absent together: then the caller's default applies.
 * Decisions are frozen and may be shared between evaluations.
 */
export type Decision = Decided | Undecided | Failed
export type Decided = {
  readonly value: Json
  readonly variant: VariantKey
  readonly reason: 'STATIC' | 'DEFAULT' | 'TARGETING_MATCH' | 'SPLIT' | 'DISABLED'
  readonly errorCode?: undefined
  readonly errorDetails?: undefined
  readonly metadata: DecisionMetadata
}
export type Undecided = {
  readonly value?: undefined
  readonly variant?: undefined
  readonly reason: 'DEFAULT' | 'DISABLED'
  readonly errorCode?: undefined
  readonly errorDetails?: undefined
  readonly metadata: DecisionMetadata
}
export type Failed = {
  readonly value?: undefined
  readonly variant?: undefined
  readonly reason: 'ERROR'
  readonly errorCode: ErrorCode
  readonly errorDetails: string
  readonly metadata: DecisionMetadata
}

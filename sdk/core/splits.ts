/**
 * Splits: which variant serves the bucket that a unit falls in. Compiled once, with one shared decision a variant.
 */
import type { Attributes, Reader } from './attributes.ts'
import { bucketUnder, seedOf, unitOf } from './bucket.ts'
import { NotUnderstood, onlyFields, type Pool, readerIn } from './conditions.ts'
import { isCount, isObject } from './json.ts'
import type { AttributePath, Decision, Json, VariantKey } from './ruleset.ts'
import type { SplitStep } from './steps.ts'

const BUCKETS = 100_000
const SPLIT_FIELDS: ReadonlySet<string> = new Set(['by', 'salt', 'shares', 'ranges', 'missing'])
const RANGE_FIELDS: ReadonlySet<string> = new Set(['variant', 'from', 'to'])

/** A range in a balanced tree: below it those of lower buckets, above it those of higher ones. */
type RangeNode = {
  readonly from: number
  readonly to: number
  /** null in the root of a split without ranges, which no bucket reaches: it goes from 0 to 0. */
  readonly decision: Decision | null
  readonly below: RangeNode | null
  readonly above: RangeNode | null
}
type CompiledRange = Pick<RangeNode, 'from' | 'to' | 'decision'>

/** A split is the root of its ranges, so that the commonest ones are a single object to look at. */
export type CompiledSplit = RangeNode & {
  readonly read: Reader
  readonly seed: number
  readonly about: SplitAbout
}

/** What evaluation does not need. */
type SplitAbout = {
  readonly by: AttributePath
  readonly salt: string
  /** In a fallthrough: the variant for a context without the unit, not looked at here. */
  readonly missing: Json | undefined
}

/**
 * Compiles a split of any shape.
 *
 * @param salt what to salt with where the split does not say: the flag's key
 * @param decide the shared decision for a variant
 * @throws NotUnderstood, and what `decide` throws
 */
export function compileSplit(
  split: Json,
  salt: string,
  decide: (variant: VariantKey) => Decision,
  pool: Pool,
): CompiledSplit {
  if (!isObject(split)) throw new NotUnderstood('a split is an object')
  onlyFields(split, SPLIT_FIELDS, 'a split')
  const { by = 'targetingKey', salt: ownSalt = salt, ranges } = split
  if (typeof ownSalt !== 'string') throw new NotUnderstood('the salt of a split is a string')
  if (!Array.isArray(ranges)) throw new NotUnderstood('the ranges of a split are a list')
  const decisions = new Map<VariantKey, Decision>()
  const shared = (variant: VariantKey): Decision => {
    const decision = decisions.get(variant) ?? decide(variant)
    decisions.set(variant, decision)
    return decision
  }
  const compiled = ranges
    .map((range) => compileRange(range, shared))
    .sort((a, b) => a.from - b.from || a.to - b.to)
  let end = 0
  for (const { from, to } of compiled) {
    if (from < end) throw new NotUnderstood('the ranges of a split overlap')
    end = to
  }
  const read = readerIn(pool, by)
  const { from, to, decision, below, above } = balanced(compiled) ?? NO_RANGE
  const about = { by: by as AttributePath, salt: ownSalt, missing: split.missing }
  return { read, seed: seedOf(ownSalt), from, to, decision, below, above, about }
}

const NO_RANGE: RangeNode = { from: 0, to: 0, decision: null, below: null, above: null }

function balanced(ranges: readonly CompiledRange[]): RangeNode | null {
  const middle = ranges.length >> 1
  const range = ranges[middle]
  if (range === undefined) return null
  const { from, to, decision } = range
  const below = balanced(ranges.slice(0, middle))
  return { from, to, decision, below, above: balanced(ranges.slice(middle + 1)) }
}

function compileRange(range: Json, decide: (variant: VariantKey) => Decision): CompiledRange {
  if (!isObject(range)) throw new NotUnderstood('a range is an object')
  onlyFields(range, RANGE_FIELDS, 'a range')
  const { variant, from, to } = range
  if (typeof variant !== 'string') throw new NotUnderstood('a range names its variant')
  if (!isCount(from) || !isCount(to) || from > to || to > BUCKETS) {
    throw new NotUnderstood(`a range goes from one bucket of 0 to ${BUCKETS} to another`)
  }
  return { from, to, decision: decide(variant) }
}

/**
 * The decision for the bucket of the context's unit.
 *
 * @param missing the answer where the unit is missing
 * @returns null where the bucket is in no range
 */
export function pick(split: CompiledSplit, context: Attributes, missing: Decision | null): Decision | null {
  const unit = unitOf(split.read(context))
  if (unit === undefined) return missing
  const range = rangeAt(split, bucketUnder(split.seed, unit))
  return range === null ? null : range.decision
}

function rangeAt(root: RangeNode, bucket: number): RangeNode | null {
  let range: RangeNode | null = root
  while (range !== null) {
    if (bucket < range.from) range = range.below
    else if (bucket >= range.to) range = range.above
    else break
  }
  return range
}

/** The step of an explanation that says what `pick` did. */
export function splitStep(split: CompiledSplit, context: Attributes): SplitStep {
  const { by, salt } = split.about
  const unit = unitOf(split.read(context))
  if (unit === undefined) return { by, salt }
  const bucket = bucketUnder(split.seed, unit)
  const range = rangeAt(split, bucket)
  if (range === null) return { by, salt, unit, bucket }
  const { from, to, decision } = range
  return { by, salt, unit, bucket, range: { variant: decision?.variant as VariantKey, from, to } }
}

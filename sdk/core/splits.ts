/**
 * Splits: which variant serves the bucket that a unit falls in. Compiled once, with one shared decision a variant.
 */
import type { Attributes, Reader } from './attributes.ts'
import { bucketUnder, seedOf, unitOf } from './bucket.ts'
import { type Facts, NotUnderstood, onlyFields, readUnderstood } from './conditions.ts'
import { isCount, isObject } from './json.ts'
import type { AttributePath, Decision, Json, VariantKey } from './ruleset.ts'
import type { SplitStep } from './steps.ts'

const BUCKETS = 100_000
const SPLIT_FIELDS: ReadonlySet<string> = new Set(['by', 'salt', 'shares', 'ranges', 'missing'])
const RANGE_FIELDS: ReadonlySet<string> = new Set(['variant', 'from', 'to'])

type CompiledRange = { readonly from: number; readonly to: number; readonly decision: Decision }

export type CompiledSplit = {
  readonly by: AttributePath
  readonly read: Reader
  readonly salt: string
  readonly seed: number
  /** Ascending, apart from each other. */
  readonly ranges: readonly CompiledRange[]
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
  facts: Pick<Facts, 'reads'>,
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
  const compiled = ranges.map((range) => compileRange(range, shared)).sort((a, b) => a.from - b.from)
  let end = 0
  for (const { from, to } of compiled) {
    if (from < end) throw new NotUnderstood('the ranges of a split overlap')
    end = to
  }
  const read = readUnderstood(by, facts)
  return { by: by as AttributePath, read, salt: ownSalt, seed: seedOf(ownSalt), ranges: compiled }
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
 * @returns undefined where the bucket is in no range, null where the unit is missing
 */
export function pick(split: CompiledSplit, context: Attributes): Decision | undefined | null {
  const unit = unitOf(split.read(context))
  return unit === undefined ? null : rangeOf(split, bucketUnder(split.seed, unit))?.decision
}

function rangeOf({ ranges }: CompiledSplit, bucket: number): CompiledRange | undefined {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    const range = ranges[middle] as CompiledRange
    if (bucket < range.from) high = middle
    else if (bucket >= range.to) low = middle + 1
    else return range
  }
  return undefined
}

/** The step of an explanation that says what `pick` did. */
export function splitStep(split: CompiledSplit, context: Attributes): SplitStep {
  const { by, salt, seed } = split
  const unit = unitOf(split.read(context))
  if (unit === undefined) return { by, salt }
  const bucket = bucketUnder(seed, unit)
  const range = rangeOf(split, bucket)
  if (range === undefined) return { by, salt, unit, bucket }
  const { from, to, decision } = range
  return { by, salt, unit, bucket, range: { variant: decision.variant as VariantKey, from, to } }
}

/**
 * Reads what a rule or a fallthrough serves, and turns a split's shares into ranges from the previous ones, so that
 * no user moves who need not.
 */
import { LIMITS, type Range, type Serve, type Share, type Split, type VariantKey } from '@halyard/sdk/core'
import { at, type Faults, quote } from './faults.ts'
import { allocate, BUCKETS, bucketsOf, heldBuckets, rangesHold } from './ranges.ts'
import {
  type Fields,
  fieldOf,
  inside,
  isObject,
  type Reading,
  readAttribute,
  readFields,
  readText,
  TARGETING_KEY,
} from './reading.ts'

const LONGEST_SALT = 256

export type ServePlace = {
  /** In a fallthrough the shares are all of the units, and `missing` has a place. */
  readonly where: 'rule' | 'fallthrough'
  readonly flag: string
  /** undefined where the variants could not be read. */
  readonly variants: ReadonlySet<VariantKey> | undefined
  /** What the same rule, or the fallthrough, served before; it may be broken. */
  readonly previous: unknown
  readonly keepRanges: boolean
  /** Is told the share of users (0 to 1) that a split started afresh may move. */
  readonly moved: (pointer: string, share: number) => void
}

/** `{variant}` or `{split}`, one of them. */
export function readServe(value: unknown, reading: Reading, place: ServePlace): Serve {
  const fields = readFields(value, reading, 'What is served', ['variant', 'split'])
  if (!isObject(value)) return NOTHING
  const { variant, split } = fields
  if ((variant === undefined) === (split === undefined)) {
    reading.faults.add(
      reading.pointer,
      'Exactly one of variant and split is expected; a merge patch sets the other to null.',
    )
    return NOTHING
  }
  return split === undefined
    ? { variant: readVariant(variant, inside(reading, 'variant'), place.variants) }
    : { split: readSplit(split, inside(reading, 'split'), place) }
}
/** Stands in for what has a fault. */
const NOTHING: Serve = { variant: '' }

/** The key of one of the flag's variants. */
export function readVariant(
  value: unknown,
  { faults, pointer }: Reading,
  variants: ReadonlySet<VariantKey> | undefined,
): VariantKey {
  if (typeof value !== 'string') {
    faults.add(pointer, 'The key of a variant is expected.')
    return ''
  }
  if (variants !== undefined && !variants.has(value)) {
    faults.add(pointer, `The flag has no variant ${quote(value)}.`, { key: value, candidates: variants })
  }
  return value
}

function readSplit(value: unknown, reading: Reading, place: ServePlace): Split {
  const { faults, pointer } = reading
  const fields = readFields(value, reading, 'A split', ['by', 'salt', 'shares', 'ranges', 'missing'])
  const by = fields.by === undefined ? TARGETING_KEY : readAttribute(fields.by, inside(reading, 'by'))
  const salt =
    fields.salt === undefined
      ? place.flag
      : readText(fields.salt, inside(reading, 'salt'), 'A salt', { least: 1, most: LONGEST_SALT })
  const before = faults.count
  const shares = readShares(fields.shares, inside(reading, 'shares'), place)
  const sound = faults.count === before
  const ranges = sound ? rangesFor(fields, reading, { by, salt, shares }, place) : []
  if (ranges.length > LIMITS.ranges) {
    faults.add(
      pointer,
      `After many reweightings the split would have ${ranges.length} ranges, more than ${LIMITS.ranges}. A new salt starts it afresh; users may move.`,
    )
  }
  const split = { by, salt, shares, ranges }
  if (fields.missing === undefined) return split
  if (place.where === 'rule') {
    faults.add(
      at(pointer, 'missing'),
      'Only a fallthrough has it: in a rule, a context without the unit goes on to the next rule.',
    )
  }
  return { ...split, missing: readVariant(fields.missing, inside(reading, 'missing'), place.variants) }
}

function readShares(value: unknown, reading: Reading, place: ServePlace): Share[] {
  const { faults, pointer } = reading
  if (!Array.isArray(value) || value.length === 0) {
    faults.add(pointer, 'A list of at least one share {variant, percent} is expected.')
    return []
  }
  if (value.length > LIMITS.variants) {
    faults.add(pointer, `A split has at most ${LIMITS.variants} shares, one for each variant.`)
    return []
  }
  const before = faults.count
  const listed = new Set<VariantKey>()
  const shares = value.map((share, index) => readShare(share, inside(reading, index), place.variants, listed))
  if (faults.count > before) return shares
  const total = shares.reduce((sum, { percent }) => sum + bucketsOf(percent), 0)
  const percent = total / bucketsOf(1)
  if (place.where === 'fallthrough' && total !== BUCKETS) {
    faults.add(pointer, `In a fallthrough the shares are 100 percent together; these are ${percent}.`)
  } else if (total > BUCKETS) {
    faults.add(pointer, `The shares are at most 100 percent together; these are ${percent}.`)
  }
  return shares
}

function readShare(
  value: unknown,
  reading: Reading,
  variants: ReadonlySet<VariantKey> | undefined,
  listed: Set<VariantKey>,
): Share {
  const { faults } = reading
  const fields = readFields(value, reading, 'A share', ['variant', 'percent'])
  if (!isObject(value)) return { variant: '', percent: 0 }
  const variant = readVariant(fields.variant, inside(reading, 'variant'), variants)
  if (listed.has(variant))
    faults.add(at(reading.pointer, 'variant'), `${quote(variant)} has a share already.`)
  listed.add(variant)
  const { percent } = fields
  if (typeof percent === 'number' && isPercent(percent)) return { variant, percent }
  faults.add(
    at(reading.pointer, 'percent'),
    'A number from 0 to 100 with at most three decimals is expected.',
  )
  return { variant, percent: 0 }
}

/** At most three decimals, as far as binary fractions can tell. */
function isPercent(value: number): boolean {
  return value >= 0 && value <= 100 && Math.abs(value * bucketsOf(1) - bucketsOf(value)) < 1e-6
}

type SplitSoFar = Pick<Split, 'by' | 'salt' | 'shares'>

function rangesFor(fields: Fields, reading: Reading, split: SplitSoFar, place: ServePlace): readonly Range[] {
  if (place.keepRanges && fields.ranges !== undefined) {
    return readRanges(fields.ranges, inside(reading, 'ranges'), split.shares, reading.faults)
  }
  const before = fieldOf(place.previous, 'split')
  const ranges = fieldOf(before, 'ranges')
  if (!rangesHold(ranges)) return allocate(undefined, split.shares)
  if (fieldOf(before, 'by') !== split.by || fieldOf(before, 'salt') !== split.salt) {
    const fresh = allocate(undefined, split.shares)
    place.moved(reading.pointer, shareThatMoves(ranges, fresh))
    return fresh
  }
  let gone = 0
  for (const [variant, buckets] of heldBuckets(ranges)) if (!place.variants?.has(variant)) gone += buckets
  place.moved(reading.pointer, gone / BUCKETS)
  return allocate(ranges, split.shares)
}

/** When every unit draws a new bucket, the share that moves: one less the chance to draw the same variant (or none) again. */
export function shareThatMoves(previous: readonly Range[], next: readonly Range[]): number {
  const [before, after] = [heldBuckets(previous), heldBuckets(next)]
  const none = (held: ReadonlyMap<string, number>): number =>
    BUCKETS - [...held.values()].reduce((sum, buckets) => sum + buckets, 0)
  let same = none(before) * none(after)
  for (const [variant, buckets] of before) same += buckets * (after.get(variant) ?? 0)
  return 1 - same / (BUCKETS * BUCKETS)
}

/** Ranges that are written as given, so they have to be what the shares say. */
function readRanges(
  value: unknown,
  { pointer }: Reading,
  shares: readonly Share[],
  faults: Faults,
): readonly Range[] {
  if (!rangesHold(value)) {
    faults.add(
      pointer,
      'Ranges are a list of {variant, from, to} over 0 to 100000, none empty, no two overlapping.',
    )
    return []
  }
  const held = heldBuckets(value)
  const due = new Map(shares.map(({ variant, percent }) => [variant, bucketsOf(percent)]))
  for (const variant of new Set([...due.keys(), ...held.keys()])) {
    if ((held.get(variant) ?? 0) === (due.get(variant) ?? 0)) continue
    faults.add(pointer, `The ranges of ${quote(variant)} are not its share: send both as they were read.`)
  }
  // Nothing moves here: this sorts and merges, and leaves out fields that a range does not have.
  return allocate(
    value.map(({ variant, from, to }) => ({ variant, from, to })),
    shares,
  )
}

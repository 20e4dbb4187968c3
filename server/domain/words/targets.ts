/** Individual targets: who was added to which variant, and who removed. Few are named, many are counted. */
import { fieldOf, TARGETING_KEY } from '../reading.ts'
import type { Say } from './fields.ts'
import { attributeInWords, listed, named, quoted, stringsOf } from './phrases.ts'

const NAMED = 3
const LONGEST_UNIT = 40

/** By attribute, then by unit: the variant. Of two targets that list a unit, the first counts. */
type Listing = ReadonlyMap<string, ReadonlyMap<string, string>>

export const targetsChange: Say = (before, after) => {
  const [was, is] = [listingOf(before), listingOf(after)]
  if (was === undefined || is === undefined) return undefined
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((by) => {
    const changes = changesOf(was.get(by) ?? NOBODY, is.get(by) ?? NOBODY)
    if (changes.length === 0) return []
    const unit = by === TARGETING_KEY ? '' : ` by ${attributeInWords(by)}`
    return `targets${unit}: ${changes.join(', ')}`
  })
}
const NOBODY: ReadonlyMap<string, string> = new Map()

function listingOf(targets: unknown): Listing | undefined {
  if (!Array.isArray(targets)) return undefined
  const listing = new Map<string, Map<string, string>>()
  for (const target of targets) {
    const [variant, by, units] = [
      fieldOf(target, 'variant'),
      fieldOf(target, 'by'),
      stringsOf(fieldOf(target, 'units')),
    ]
    if (typeof variant !== 'string' || typeof by !== 'string' || units === undefined) return undefined
    const listed = listing.get(by) ?? new Map<string, string>()
    listing.set(by, listed)
    for (const unit of units) if (!listed.has(unit)) listed.set(unit, variant)
  }
  return listing
}

function changesOf(was: ReadonlyMap<string, string>, is: ReadonlyMap<string, string>): readonly string[] {
  const groups = new Map<string, string[]>()
  for (const unit of new Set([...is.keys(), ...was.keys()])) {
    const [from, to] = [was.get(unit), is.get(unit)]
    if (from === to) continue
    const change =
      from === undefined
        ? `added to ${named(to)}`
        : to === undefined
          ? `removed from ${named(from)}`
          : `moved from ${named(from)} to ${named(to)}`
    const units = groups.get(change)
    if (units === undefined) groups.set(change, [unit])
    else units.push(unit)
  }
  return [...groups].map(([change, units]) => `${unitsInWords(units)} ${change}`)
}

function unitsInWords(units: readonly string[]): string {
  if (units.length > NAMED) return String(units.length)
  return listed(units.map((unit) => unitInWords(unit)))
}

/** A unit as it is where it looks like one; else quoted. */
export const unitInWords = (unit: string): string =>
  /^[\w.@:+-]{1,40}$/.test(unit) ? unit : quoted(unit, LONGEST_UNIT)

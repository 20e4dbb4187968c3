/**
 * Puts a configuration together from two: the parts that travel from the source, the rest as the target has it. A
 * split whose ranges are left out here is reweighted from the target's; one that has them is kept to the byte. Both
 * documents may be broken; what results is read and checked like any other.
 */
import { at } from './faults.ts'
import type { Part } from './inputs.ts'
import { rangesHold } from './ranges.ts'
import { type Fields, fieldOf, isObject, listOf } from './reading.ts'
import { shareThatMoves } from './serves.ts'
import type { Moved } from './warnings.ts'

export type Composed = {
  /** As `readFlagConfig` takes it, with ranges kept. */
  readonly input: Fields
  /** Splits that start afresh. */
  readonly moved: readonly Moved[]
}

/** @param target undefined: as in a new configuration */
export function composed(source: unknown, target: unknown, parts: ReadonlySet<Part>): Composed {
  const moved: Moved[] = []
  const from = (part: Part): unknown => (parts.has(part) ? source : target)
  const variants = from('variants')
  return {
    input: {
      type: fieldOf(source, 'type'),
      enabled: fieldOf(from('enabled'), 'enabled'),
      visibility: fieldOf(variants, 'visibility'),
      variants: fieldOf(variants, 'variants'),
      offVariant: fieldOf(variants, 'offVariant'),
      valueSchema: fieldOf(variants, 'valueSchema'),
      prerequisites: fieldOf(from('prerequisites'), 'prerequisites'),
      targets: fieldOf(from('targets'), 'targets'),
      rules: rulesFrom(fieldOf(source, 'rules'), fieldOf(target, 'rules'), parts, moved),
      fallthrough: parts.has('fallthrough')
        ? reweighted(fieldOf(source, 'fallthrough'), fieldOf(target, 'fallthrough'), '/fallthrough', moved)
        : fieldOf(target, 'fallthrough'),
    },
    moved,
  }
}

/** With `rules` the source's list in its order, with `shares` alone the target's; undefined where it has none. */
function rulesFrom(source: unknown, target: unknown, parts: ReadonlySet<Part>, moved: Moved[]): unknown {
  if (!parts.has('rules') && !parts.has('shares')) return target
  const [theirs, ours] = [servesById(source), servesById(target)]
  return listOf(parts.has('rules') ? source : target).map((rule, index) => {
    const id = fieldOf(rule, 'id')
    const kept = ours.get(id)
    if (!isObject(rule) || !theirs.has(id) || fieldOf(kept, 'split') === undefined) return rule
    if (!parts.has('shares')) return { ...rule, serve: kept }
    return { ...rule, serve: reweighted(theirs.get(id), kept, `${at('/rules', index)}/serve`, moved) }
  })
}

const servesById = (rules: unknown): ReadonlyMap<unknown, unknown> =>
  new Map(listOf(rules).map((rule) => [fieldOf(rule, 'id'), fieldOf(rule, 'serve')]))

/** The source's serve: where both split the same units alike, to be laid on the target's ranges; else as it is. */
function reweighted(source: unknown, target: unknown, pointer: string, moved: Moved[]): unknown {
  const [theirs, ours] = [fieldOf(source, 'split'), fieldOf(target, 'split')]
  const [given, held] = [fieldOf(theirs, 'ranges'), fieldOf(ours, 'ranges')]
  if (!isObject(theirs) || !rangesHold(given) || !rangesHold(held)) return source
  if (fieldOf(ours, 'by') === theirs.by && fieldOf(ours, 'salt') === theirs.salt) {
    const { ranges: _given, ...split } = theirs
    return { split }
  }
  const share = shareThatMoves(held, given)
  if (share > 0) moved.push({ pointer: `${pointer}/split`, share })
  return source
}

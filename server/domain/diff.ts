/**
 * The difference of two JSON documents, line by line: for audit trails, dry runs and plans. Order of names and the
 * form of numbers are no difference. Any JSON is taken, however deep; nothing here throws.
 */
import type { Json } from '@halyard/sdk/core'
import { at } from './faults.ts'
import { DEPTH } from './json-text.ts'
import { listChanges } from './list-changes.ts'
import { type Fields, fieldOf, isObject } from './reading.ts'

/**
 * One place at which two documents differ.
 *
 * - `before` and `after`: the value there was replaced. `pointer` is a JSON Pointer (RFC 6901) into the document after.
 * - `after` alone: it was added. `pointer` is into the document after.
 * - `before` alone: it was removed. `pointer` is into the document *before*.
 * - `from` alone: an element moved within its list, from the pointer `from` of the document before to `pointer` of the
 *   document after. What changed inside it has lines of its own.
 *
 * So `before` is what the document before has, `after` is what `pointer` finds in the document after, and taking out
 * what went or moved, then putting in what came or moved in ascending order, then replacing, makes one of the other.
 */
export type DiffLine = {
  readonly pointer: string
  readonly from?: string
  readonly before?: Json
  readonly after?: Json
}

/** A diff that may have been cut. */
export type Diff = {
  readonly lines: readonly DiffLine[]
  /** How many more lines there are. */
  readonly leftOff: number
}

/** Lists of scalars up to this length are shown whole: `tags`, `values`. */
const SHORT = 8

/**
 * The lines that tell two documents apart; none where they are equal. null and undefined are no document: one that
 * came or went is one line with the pointer ''.
 *
 * Objects are compared field by field. Elements of a list are matched where each has a name of its own: an `id`
 * (rules), a variant with its attribute (targets), or itself in long lists of scalars (units, members, values); so
 * that what comes in between is one line and not a rewrite of all that follows. Other lists are compared as a whole.
 */
export function diffOf(before: Json | null | undefined, after: Json | null | undefined): readonly DiffLine[] {
  return boundedDiffOf(before, after, Number.POSITIVE_INFINITY).lines
}

/** `diffOf` with the first `limit` lines alone; the others are counted. */
export function boundedDiffOf(
  before: Json | null | undefined,
  after: Json | null | undefined,
  limit: number,
): Diff {
  const lines: DiffLine[] = []
  let count = 0
  const add = (line: DiffLine): void => {
    count += 1
    if (lines.length < limit) lines.push(line)
  }
  compare(before ?? undefined, after ?? undefined, { before: '', after: '', depth: 0, add })
  return { lines, leftOff: count - lines.length }
}

/** Where two values stand, each in its document. */
type Place = {
  readonly before: string
  readonly after: string
  readonly depth: number
  readonly add: (line: DiffLine) => void
}

const step = (place: Place, before: string | number, after: string | number): Place => ({
  ...place,
  before: at(place.before, before),
  after: at(place.after, after),
  depth: place.depth + 1,
})

function compare(before: Json | undefined, after: Json | undefined, place: Place): void {
  if (before === after) return
  if (after === undefined) {
    place.add({ pointer: place.before, before: before as Json })
    return
  }
  if (before === undefined) {
    place.add({ pointer: place.after, after })
    return
  }
  if (!comparePart(before, after, place) && !sameJson(before, after)) {
    place.add({ pointer: place.after, before, after })
  }
}

/** Compares what is inside of two values; false where they are to be compared as a whole. */
function comparePart(before: Json, after: Json, place: Place): boolean {
  // No document that was checked is deeper than DEPTH. What SQL made deeper must not be followed on the call stack.
  if (place.depth > DEPTH) return false
  if (Array.isArray(before) && Array.isArray(after)) return compareLists(before, after, place)
  return isObject(before) && isObject(after) && compareObjects(before, after, place)
}

function compareObjects(before: Fields, after: Fields, place: Place): true {
  for (const name of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
    const [left, right] = [fieldOf(before, name), fieldOf(after, name)]
    if (left !== right) compare(left as Json | undefined, right as Json | undefined, step(place, name, name))
  }
  return true
}

/** false where the elements have no names to match them by: then nothing was told. */
function compareLists(before: readonly Json[], after: readonly Json[], place: Place): boolean {
  const long = Math.max(before.length, after.length) > SHORT
  const [names, newNames] = [namesOf(before, long), namesOf(after, long)]
  if (names === undefined || newNames === undefined) return false
  const { removed, added, kept } = listChanges(names, newNames)
  for (const index of removed) {
    place.add({ pointer: at(place.before, index), before: before[index] as Json })
  }
  const came = added.map((to) => ({ from: undefined, to, moved: false }))
  for (const { from, to, moved } of [...kept, ...came].sort((a, b) => a.to - b.to)) {
    const [left, right] = [from === undefined ? undefined : before[from], after[to]]
    if (!moved && left === right) continue
    const here = step(place, from ?? to, to)
    if (moved) place.add({ pointer: here.after, from: here.before })
    compare(left, right, here)
  }
  return true
}

/** What tells the elements apart; undefined where something else is needed for it. */
function namesOf(list: readonly Json[], long: boolean): readonly string[] | undefined {
  const names = new Set<string>()
  for (const element of list) {
    const name = nameOf(element, long)
    if (name === undefined || names.has(name)) return undefined
    names.add(name)
  }
  return [...names]
}

function nameOf(element: Json, long: boolean): string | undefined {
  if (typeof element !== 'object' || element === null)
    return long ? `${typeof element} ${element}` : undefined
  const id = fieldOf(element, 'id')
  if (typeof id === 'string') return `id ${id}`
  const [variant, by] = [fieldOf(element, 'variant'), fieldOf(element, 'by')]
  if (!Array.isArray(fieldOf(element, 'units')) || typeof variant !== 'string') return undefined
  return typeof by === 'string' ? `target ${JSON.stringify([variant, by])}` : undefined
}

/** Whether two JSON values have the same canonical text. Iterative: any depth will do. */
export function sameJson(a: unknown, b: unknown): boolean {
  const open: [object, object][] = []
  /** false where they differ for certain; what is inside is looked at later. */
  const agree = (left: unknown, right: unknown): boolean => {
    if (left === right) return true
    if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
    open.push([left, right])
    return Array.isArray(left) === Array.isArray(right)
  }
  if (!agree(a, b)) return false
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const [left, right] = pair
    if (Array.isArray(left) && Array.isArray(right)) {
      if (left.length !== right.length || !left.every((element, index) => agree(element, right[index])))
        return false
    } else {
      const names = [...new Set([...Object.keys(left), ...Object.keys(right)])]
      if (!names.every((name) => agree(fieldOf(left, name), fieldOf(right, name)))) return false
    }
  }
  return true
}

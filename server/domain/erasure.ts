/**
 * Takes a person out of documents: out of members, targets and the values of conditions. It goes by the names of fields,
 * so that old and broken documents are understood as far as they go; variants and schemas are nobody's units.
 */
import { foldCase, type Json, memberChunk } from '@halyard/sdk/core'

type Fields = { readonly [name: string]: Json }

/** Lists of units, wherever they stand. */
const LISTS: ReadonlySet<string> = new Set(['units', 'included', 'excluded'])
const SORTED: ReadonlySet<string> = new Set(['included', 'excluded'])
/** What an app made of its variants is not looked into. */
const CLOSED: ReadonlySet<string> = new Set(['variants', 'valueSchema'])
/** Operators whose values can be a person's identifier. What stands in for it must be one of their operands. */
const OPERATORS: ReadonlySet<unknown> = new Set([
  'in',
  'notIn',
  'startsWith',
  'endsWith',
  'contains',
  'matches',
  'cidr',
])
const NO_ADDRESS = '0.0.0.0/32'

/** What a person is called in documents. */
export type Person = {
  readonly identifier: string
  /** As segments that compare without regard to case keep it. */
  readonly folded: string
}
export const personOf = (identifier: string): Person => ({ identifier, folded: foldCase(identifier) })

/** Whether a text has the identifier anywhere in it, as a word of its own and in any case. */
export function mentions(text: string, { folded }: Person): boolean {
  const all = foldCase(text)
  for (let from = all.indexOf(folded); from !== -1; from = all.indexOf(folded, from + 1)) {
    const around = `${all[from - 1] ?? ' '}${all[from + folded.length] ?? ' '}`
    if (!/[\p{L}\p{N}_@-]/u.test(around)) return true
  }
  return false
}

/** What stands for the person in one document: the same in all of its versions, so that they differ as they did. */
export type StandIn = (unit: string) => string

/**
 * An old version with other, meaningless units in the person's place: it compiles, counts and sorts as before.
 * @returns the very same document where the person is not in it
 */
export function redacted(document: Json, person: Person, standIn: StandIn): Json {
  return taken(document, { person, keepsPlace: true, standIn })
}

/** A current document without the person. Where a condition would have no value left, one that nobody has stays. */
export function withoutPerson(document: Json, person: Person, standIn: StandIn): Json {
  return taken(document, { person, keepsPlace: false, standIn })
}

type Taking = {
  readonly person: Person
  readonly keepsPlace: boolean
  readonly standIn: StandIn
}

/**
 * Stand-ins for one document: one for each spelling, in the same chunk of members as what it stands for.
 * @param mint a random text of lower-case letters and digits, another each time
 */
export function standInsFrom(mint: () => string): StandIn {
  const known = new Map<string, string>()
  return (unit) => {
    let made = known.get(unit)
    while (made === undefined || memberChunk(made) !== memberChunk(unit)) made = `erased-${mint()}`
    known.set(unit, made)
    return made
  }
}

function taken(json: Json, taking: Taking): Json {
  if (Array.isArray(json)) {
    const items = json.map((item: Json) => taken(item, taking))
    if (items.every((item, index) => item === json[index])) return json
    return items.filter((item) => !isEmptyTarget(item))
  }
  if (!isFields(json)) return json
  const next = Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name, fieldWithout(json, name, value, taking)]),
  )
  return Object.keys(json).every((name) => next[name] === json[name]) ? json : next
}

function fieldWithout(parent: Fields, name: string, value: Json, taking: Taking): Json {
  if (CLOSED.has(name)) return value
  if (!Array.isArray(value)) return taken(value, taking)
  if (LISTS.has(name)) {
    const units = unitsWithout(value, taking, (unit) => isPerson(unit, taking.person, false), taking.standIn)
    return units !== value && SORTED.has(name) ? [...units].sort() : units
  }
  if (name !== 'values' || !OPERATORS.has(parent.op)) return taken(value, taking)
  const standIn = parent.op === 'cidr' ? () => NO_ADDRESS : taking.standIn
  const ignoreCase = parent.ignoreCase === true
  const left = unitsWithout(value, taking, (unit) => isPerson(unit, taking.person, ignoreCase), standIn)
  return left.length === 0 && value.length > 0 ? [standIn(taking.person.identifier)] : left
}

function unitsWithout(
  units: readonly Json[],
  { keepsPlace }: Taking,
  isThem: (unit: Json) => boolean,
  standIn: StandIn,
): readonly Json[] {
  if (!units.some(isThem)) return units
  if (!keepsPlace) return units.filter((unit) => !isThem(unit))
  return units.map((unit) => (isThem(unit) ? standIn(String(unit)) : unit))
}

function isPerson(unit: Json, { identifier, folded }: Person, ignoreCase: boolean): boolean {
  if (typeof unit !== 'string' && typeof unit !== 'number') return false
  const text = String(unit)
  return text === identifier || text === folded || (ignoreCase && foldCase(text) === folded)
}

const isEmptyTarget = (item: Json): boolean =>
  isFields(item) && Array.isArray(item.units) && item.units.length === 0

const isFields = (json: Json): json is Fields =>
  typeof json === 'object' && json !== null && !Array.isArray(json)

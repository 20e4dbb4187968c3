/**
 * Who names whom: prerequisites between flags, segments in rules and in segments. Reads documents of any shape,
 * broken ones too, since kills and refusals depend on it; and never recurses, since a chain can be long.
 */
import { entryOf, type FlagKey, type SegmentKey, type State } from '@halyard/sdk/core'
import { entriesOf } from './documents.ts'
import { type Fields, fieldOf, isObject, listOf } from './reading.ts'

/** The flags that a configuration requires. */
export function requiredBy(definition: unknown): FlagKey[] {
  const flags: FlagKey[] = []
  for (const prerequisite of listOf(fieldOf(definition, 'prerequisites'))) {
    const flag = fieldOf(prerequisite, 'flag')
    if (typeof flag === 'string') flags.push(flag)
  }
  return flags
}

/**
 * Documents never change once they stand in a state, and who names a segment is asked of ten thousand of them at once.
 * So what was found is kept for as long as the document is.
 */
const named = new WeakMap<object, ReadonlySet<SegmentKey>>()

/** The segments that a flag's rules, or a segment's condition, name. */
export function segmentsNamedBy(definition: unknown): ReadonlySet<SegmentKey> {
  if (!isObject(definition)) return NONE
  const known = named.get(definition)
  if (known !== undefined) return known
  const found = findSegments(definition)
  named.set(definition, found)
  return found
}
const NONE: ReadonlySet<SegmentKey> = new Set()

function findSegments(definition: Fields): ReadonlySet<SegmentKey> {
  const found = new Set<SegmentKey>()
  const open: unknown[] = listOf(definition.rules).map((rule) => fieldOf(rule, 'when'))
  open.push(definition.when)
  while (open.length > 0) {
    const condition = open.pop()
    if (!isObject(condition)) continue
    const segment = fieldOf(condition, 'segment')
    if (typeof segment === 'string') found.add(segment)
    open.push(
      fieldOf(condition, 'not'),
      ...listOf(fieldOf(condition, 'all')),
      ...listOf(fieldOf(condition, 'any')),
    )
  }
  return found.size === 0 ? NONE : found
}

/** The segments that a document names, directly or through other segments; those too that there are not. */
export function segmentsUnder(state: State, definition: unknown): ReadonlySet<SegmentKey> {
  const found = new Set(segmentsNamedBy(definition))
  // A set is walked on into what is added on the way.
  for (const segment of found) {
    for (const named of segmentsNamedBy(entryOf(state, 'segment', segment)?.definition)) found.add(named)
  }
  return found
}

/** The flags that require any of these directly, by the flag that they require. */
export function dependantsOf(state: State, flags: ReadonlySet<FlagKey>): Map<FlagKey, FlagKey[]> {
  const dependants = new Map<FlagKey, FlagKey[]>()
  for (const [key, { definition }] of entriesOf(state, 'flag')) {
    for (const required of requiredBy(definition)) {
      if (!flags.has(required)) continue
      const known = dependants.get(required)
      if (known === undefined) dependants.set(required, [key])
      else known.push(key)
    }
  }
  return dependants
}

/** The flags that require any of these, directly or through others, sorted; never these themselves. */
export function allDependantsOf(state: State, flags: Iterable<FlagKey>): FlagKey[] {
  const asked = new Set(flags)
  const dependants = dependantsOf(state, new Set([...entriesOf(state, 'flag').keys(), ...asked]))
  const found = new Set<FlagKey>()
  const open = [...asked]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const dependant of dependants.get(next) ?? []) {
      if (asked.has(dependant) || found.has(dependant)) continue
      found.add(dependant)
      open.push(dependant)
    }
  }
  return [...found].sort()
}

export type References = { readonly flags: readonly FlagKey[]; readonly segments: readonly SegmentKey[] }

/** The flags and segments that name a segment, sorted. */
export function references(state: State, segment: SegmentKey): References {
  return { flags: namers(state, 'flag', segment), segments: namers(state, 'segment', segment) }
}

function namers(state: State, kind: 'flag' | 'segment', segment: SegmentKey): string[] {
  const keys: string[] = []
  for (const [key, { definition }] of entriesOf(state, kind)) {
    if (segmentsNamedBy(definition).has(segment)) keys.push(key)
  }
  return keys.sort()
}

/** The flags whose rules depend on any of these segments, directly or through other segments. */
export function flagsUnder(state: State, segments: Iterable<SegmentKey>): FlagKey[] {
  const affected = new Set(segments)
  const segmentNames = [...entriesOf(state, 'segment')].map(
    ([key, { definition }]) => [key, [...segmentsNamedBy(definition)]] as const,
  )
  for (let known = -1; known < affected.size; ) {
    known = affected.size
    for (const [key, names] of segmentNames) if (names.some((name) => affected.has(name))) affected.add(key)
  }
  const flags: FlagKey[] = []
  for (const [key, { definition }] of entriesOf(state, 'flag')) {
    for (const segment of segmentsNamedBy(definition)) {
      if (!affected.has(segment)) continue
      flags.push(key)
      break
    }
  }
  return flags
}

const MOST_CYCLES = 100

/**
 * Cycles that go through any of `starts`, each as the keys around it: those that a depth-first walk closes, a hundred
 * at most. Where there is any cycle through the starts that was not there without them, there is at least one.
 */
export function cyclesThrough(
  starts: ReadonlySet<string>,
  next: (key: string) => Iterable<string>,
): string[][] {
  const done = new Set<string>()
  const cycles: string[][] = []
  for (const start of starts) {
    const path: { readonly key: string; readonly rest: Iterator<string> }[] = []
    const onPath = new Map<string, number>()
    const enter = (key: string): void => {
      onPath.set(key, path.length)
      path.push({ key, rest: next(key)[Symbol.iterator]() })
    }
    if (!done.has(start)) enter(start)
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      if (cycles.length === MOST_CYCLES) return cycles
      const step = last.rest.next()
      if (step.done) {
        done.add(last.key)
        onPath.delete(last.key)
        path.pop()
        continue
      }
      const from = onPath.get(step.value)
      if (from !== undefined) {
        const cycle = path.slice(from).map(({ key }) => key)
        if (cycle.some((key) => starts.has(key))) cycles.push(cycle)
      } else if (!done.has(step.value)) {
        enter(step.value)
      }
    }
  }
  return cycles
}

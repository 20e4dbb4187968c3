/**
 * What it costs to compute a bulk answer, estimated from its rules: enough to tell rulesets that are worth asking
 * another machine about from those that are not. Made once a compiled state; what did not change is not looked at again.
 */
import type { Compiled, CompiledFlag, FlagKey, Json } from '@halyard/sdk/core'
import { type Scope, viewOf } from './view.ts'

/**
 * From this estimate on a shared answer is asked for, microseconds. Asking takes as long as a round trip and then
 * some, and often there is no answer: docs/adr/0017 has the measurements.
 */
export const WORTH_SHARING = 1_000

/**
 * Microseconds, from `npm run bench -- cache`. A flag alone costs next to nothing here: to move its part of an answer
 * costs about as much as to decide on it.
 */
const COST = { flag: 0.1, condition: 0.05, split: 0.1, segment: 0.1, text: 0.02, regex: 2 }
/** Operators whose operands are tried one by one. */
const EACH: Readonly<Record<string, number>> = {
  startsWith: COST.text,
  endsWith: COST.text,
  contains: COST.text,
  matches: COST.regex,
}

/** A definition's own cost, and the segments that it names, as often as it does. */
type Own = { cost: number; readonly segments: string[] }

const owns = new WeakMap<object, Own>()
const totals = new WeakMap<Compiled, Map<Scope, number>>()

/** Estimated microseconds that all flags of the scope take together, each of their rules tried. */
export function costOf(compiled: Compiled, scope: Scope): number {
  let known = totals.get(compiled)
  if (known === undefined) {
    known = new Map()
    totals.set(compiled, known)
  }
  let total = known.get(scope)
  if (total === undefined) {
    total = sum(compiled, viewOf(compiled).keys[scope])
    known.set(scope, total)
  }
  return total
}

function sum({ state, flags, segments }: Compiled, keys: readonly FlagKey[]): number {
  const definitions = state.entries.get('segment')
  const costs = new Map<string, number>()
  const segmentCost = (key: string): number => {
    const known = costs.get(key)
    if (known !== undefined) return known
    // One that names itself, perhaps through others, is among those in error, which nobody evaluates.
    const inForce = segments.get(key)?.consequences.fault === undefined
    const cost = inForce ? COST.segment + withSegments(ownOf(definitions?.get(key)?.definition)) : 0
    costs.set(key, cost)
    return cost
  }
  const withSegments = (own: Own): number =>
    own.segments.reduce((all, named) => all + segmentCost(named), own.cost)
  const flagCost = (flag: CompiledFlag | undefined): number =>
    flag === undefined || flag.settled !== null ? 0 : withSegments(ownOf(flag.linked.entry.definition))
  let total = 0
  for (const key of keys) {
    const flag = flags.get(key)
    total += COST.flag + flagCost(flag)
    for (const required of flag?.prerequisites ?? []) total += flagCost(flags.get(required.flag))
  }
  return total
}

function ownOf(definition: Json | undefined): Own {
  if (typeof definition !== 'object' || definition === null) return { cost: 0, segments: [] }
  let own = owns.get(definition)
  if (own === undefined) {
    own = { cost: 0, segments: [] }
    for (const part of ['rules', 'fallthrough', 'when'])
      add(own, (definition as Readonly<Record<string, Json>>)[part])
    owns.set(definition, own)
  }
  return own
}

/** Adds what stands anywhere in rules, a fallthrough or a condition; what is none of them costs nothing. */
function add(own: Own, part: Json | undefined): void {
  if (typeof part !== 'object' || part === null) return
  if (Array.isArray(part)) {
    for (const element of part) add(own, element)
    return
  }
  const { op, values, segment, split, ...rest } = part as Readonly<Record<string, Json>>
  if (typeof segment === 'string') own.segments.push(segment)
  else if (typeof op === 'string') {
    const operands = Array.isArray(values) ? values.length : 0
    own.cost += COST.condition + (EACH[op] ?? 0) * operands
  } else if (split !== undefined) own.cost += COST.split
  else for (const inner of Object.values(rest)) add(own, inner)
}

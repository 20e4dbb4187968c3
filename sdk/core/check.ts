/**
 * What a server asks before it publishes: whether these flags compile, and which of their rules this version would
 * skip. Compiles nothing else, and builds no member sets.
 */
import { newPool, type Pool } from './conditions.ts'
import { compileBody, type FlagBody } from './flags.ts'
import { dependencyOrder } from './graph.ts'
import { isObject } from './json.ts'
import { cycleError, linkRules } from './link.ts'
import type { FlagKey, Json, SegmentKey, SkippedRule, State } from './ruleset.ts'
import {
  type CompiledSegment,
  type LooseSegment,
  linkSegments,
  looseSegment,
  NO_MEMBERS,
  outlineOf,
} from './segments.ts'

export type Finding = { error?: string; skipped: readonly SkippedRule[] }

/**
 * Checks flags of a state, killed ones too: a kill ends.
 *
 * @param flags keys; those that the state does not have are left out of the answer
 */
export function check(state: State, flags: Iterable<FlagKey>): Map<FlagKey, Finding> {
  const pool = newPool()
  const definitions = state.entries.get('flag')
  const bodies = new Map<FlagKey, FlagBody | { readonly broken: string }>()
  for (const key of flags) {
    const entry = definitions?.get(key)
    if (entry !== undefined) bodies.set(key, compileBody(key, entry.revision, entry.definition, pool))
  }
  const segments = segmentsOf(state, bodies.values(), pool)
  const cyclic = cyclesFrom(state, bodies.keys())
  const findings = new Map<FlagKey, Finding>()
  for (const [key, body] of bodies) {
    const cycle = cyclic.get(key)
    const error = 'broken' in body ? body.broken : cycle && cycleError(cycle)
    const skipped = 'broken' in body ? [] : linkRules(body, segments).skipped
    findings.set(key, { ...(error !== undefined && { error }), skipped })
  }
  return findings
}

/** The segments that flags name, directly or through others. */
function segmentsOf(
  state: State,
  bodies: Iterable<FlagBody | { readonly broken: string }>,
  pool: Pool,
): ReadonlyMap<SegmentKey, CompiledSegment> {
  const loose = new Map<SegmentKey, LooseSegment>()
  const open: SegmentKey[] = []
  for (const body of bodies) {
    if ('broken' in body) continue
    for (const { facts } of body.rules) open.push(...facts.segments)
  }
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    const entry = state.entries.get('segment')?.get(key)
    if (entry === undefined || loose.has(key)) continue
    const segment = looseSegment(key, outlineOf(entry.definition, pool), NO_MEMBERS)
    loose.set(key, segment)
    open.push(...segment.outline.facts.segments)
  }
  return linkSegments(loose)
}

/** The flags on a cycle of prerequisites, among those that the given ones lead to. */
function cyclesFrom(state: State, flags: Iterable<FlagKey>): ReadonlyMap<FlagKey, readonly FlagKey[]> {
  const required = new Map<FlagKey, readonly FlagKey[]>()
  const open = [...flags]
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    const entry = state.entries.get('flag')?.get(key)
    if (entry === undefined || required.has(key)) continue
    const keys = requiredKeys(entry.definition)
    required.set(key, keys)
    open.push(...keys)
  }
  const edges = (key: FlagKey): FlagKey[] =>
    (required.get(key) as readonly FlagKey[]).filter((k) => required.has(k))
  return dependencyOrder(required.keys(), edges).cyclic
}

function requiredKeys(definition: Json): readonly FlagKey[] {
  const prerequisites = isObject(definition) ? definition.prerequisites : undefined
  if (!Array.isArray(prerequisites)) return []
  return prerequisites.flatMap((required) =>
    isObject(required) && typeof required.flag === 'string' ? [required.flag] : [],
  )
}

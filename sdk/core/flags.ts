/**
 * One flag's definition to a program, looking at nothing else: segments, prerequisites and kills come in later
 * (link.ts), so that a change elsewhere compiles no definition again.
 */
import type { Reader } from './attributes.ts'
import {
  compileCondition,
  type Facts,
  NotUnderstood,
  noFacts,
  onlyFields,
  readUnderstood,
  type Test,
} from './conditions.ts'
import { decided, failed, undecided } from './decisions.ts'
import { deepFreeze, isObject, type JsonObject, own } from './json.ts'
import type {
  AttributePath,
  Decided,
  Decision,
  FlagKey,
  FlagType,
  Json,
  VariantKey,
  Visibility,
} from './ruleset.ts'
import { reasonOf } from './segments.ts'
import { type CompiledSplit, compileSplit } from './splits.ts'

export const FALLTHROUGH = '$fallthrough'
const TARGETS = '$targets'
const SERVE_FIELDS = [new Set(['variant']), new Set(['split'])] as const

/** A definition that is no flag: the flag answers PARSE_ERROR. */
export class BrokenFlag extends Error {}

export type CompiledPrerequisite = {
  readonly flag: FlagKey
  readonly variants: ReadonlySet<VariantKey>
  /** The answer where it is not satisfied. */
  readonly off: Decision
}

/** Consecutive targets by one attribute; of two that list a unit, the first counts. */
export type TargetGroup = {
  readonly by: AttributePath
  readonly read: Reader
  readonly units: ReadonlyMap<string, Decision>
}

export type CompiledRule = {
  readonly id: string
  /** Why this process cannot evaluate it. */
  readonly skipped: string | undefined
  readonly test: Test | null
  /** One of both, or neither in a rule that is skipped. */
  readonly decision: Decision | undefined
  readonly split: CompiledSplit | null
  readonly facts: Facts
}

export type CompiledFallthrough = {
  readonly skipped: string | undefined
  /** The answer without a split, and where the unit's bucket is in no range. */
  readonly decision: Decision
  readonly split: CompiledSplit | null
  /** The answer where the unit of the split is missing. */
  readonly missing: Decision
}

/** A flag's definition, compiled. */
export type FlagBody = {
  readonly type: FlagType
  readonly visibility: Visibility
  readonly enabled: boolean
  readonly off: Decision
  readonly prerequisites: readonly CompiledPrerequisite[]
  readonly targets: readonly TargetGroup[]
  readonly rules: readonly CompiledRule[]
  readonly fallthrough: CompiledFallthrough
  /** Attributes that targets and fallthrough read. */
  readonly reads: ReadonlySet<AttributePath>
}

export function typeOf(definition: Json): FlagType | undefined {
  const type = isObject(definition) ? own(definition, 'type') : undefined
  return type === 'boolean' || type === 'string' || type === 'number' || type === 'object' ? type : undefined
}

/** Anything but `client` is kept from browsers. */
export function visibilityOf(definition: Json): Visibility {
  return isObject(definition) && own(definition, 'visibility') === 'client' ? 'client' : 'server'
}

/**
 * What a killed flag answers, with nothing else of the definition looked at: its off variant where there is a
 * usable one.
 */
export function killedAnswer(definition: Json, version: number): Decision {
  const metadata = { version, killed: true } as const
  const variant = isObject(definition) ? own(definition, 'offVariant') : undefined
  const variants = isObject(definition) ? own(definition, 'variants') : undefined
  if (typeof variant !== 'string' || !isObject(variants)) return undecided('DISABLED', metadata)
  const value = own(variants, variant)
  if (value === undefined || !isOfType(value, typeOf(definition))) return undecided('DISABLED', metadata)
  return decided(variant, deepFreeze(value), 'DISABLED', metadata)
}

function isOfType(value: Json, type: FlagType | undefined): boolean {
  if (type === 'object') return isObject(value)
  return type === undefined || typeof value === type
}

/**
 * Compiles the definition of an entry of kind `flag`, of any shape.
 *
 * @returns why it is no flag, where it is none
 */
export function compileBody(
  key: FlagKey,
  version: number,
  definition: Json,
): FlagBody | { readonly broken: string } {
  try {
    return bodyOf(key, version, definition)
  } catch (cause) {
    if (cause instanceof BrokenFlag) return { broken: cause.message }
    return { broken: reasonOf(cause) }
  }
}

function bodyOf(key: FlagKey, version: number, definition: Json): FlagBody {
  if (!isObject(definition)) throw new BrokenFlag('a flag is an object')
  const type = typeOf(definition)
  if (type === undefined) throw new BrokenFlag('its type is none of boolean, string, number, object')
  const { enabled } = definition
  if (typeof enabled !== 'boolean') throw new BrokenFlag('enabled: true or false is expected')
  const serve = serverOf(type, definition.variants)
  const off = (metadata: Decision['metadata']): Decision =>
    isAbsent(definition.offVariant)
      ? undecided('DISABLED', metadata)
      : serve(definition.offVariant, 'DISABLED', metadata)
  const reads = new Set<AttributePath>()
  const prerequisites = listOf(definition, 'prerequisites').map((required) =>
    prerequisiteOf(required, version, off),
  )
  const targets = targetsOf(listOf(definition, 'targets'), version, serve, reads)
  const rules = listOf(definition, 'rules').map((rule) => ruleOf(rule, key, version, serve))
  const reason = prerequisites.length + targets.length + rules.length === 0 ? 'STATIC' : 'DEFAULT'
  return {
    type,
    visibility: visibilityOf(definition),
    enabled,
    off: off({ version }),
    prerequisites,
    targets,
    rules,
    fallthrough: fallthroughOf(definition.fallthrough, key, version, reason, serve, reads),
    reads,
  }
}

/** Makes the decision that serves a variant; what is none of the flag's variants breaks the flag. */
type Server = (
  variant: Json | undefined,
  reason: Decided['reason'],
  metadata: Decision['metadata'],
) => Decided

function serverOf(type: FlagType, variants: Json | undefined): Server {
  if (!isObject(variants)) throw new BrokenFlag('variants: an object is expected')
  const values = new Map<VariantKey, Json>()
  for (const [variant, value] of Object.entries(variants)) {
    if (!isOfType(value, type)) throw new BrokenFlag(`the variant ${JSON.stringify(variant)} is no ${type}`)
    values.set(variant, deepFreeze(value))
  }
  return (variant, reason, metadata) => {
    const value = typeof variant === 'string' ? values.get(variant) : undefined
    if (value === undefined) throw new BrokenFlag(`there is no variant ${JSON.stringify(variant)}`)
    return decided(variant as VariantKey, value, reason, metadata)
  }
}

function isAbsent(value: Json | undefined): value is null | undefined {
  return value === null || value === undefined
}

function listOf(definition: JsonObject, field: string): readonly Json[] {
  const list = definition[field] ?? []
  if (!Array.isArray(list)) throw new BrokenFlag(`${field}: a list is expected`)
  return list
}

function areStrings(list: Json | undefined): list is readonly string[] {
  return Array.isArray(list) && list.every((element) => typeof element === 'string')
}

function prerequisiteOf(
  required: Json,
  version: number,
  off: (metadata: Decision['metadata']) => Decision,
): CompiledPrerequisite {
  if (!isObject(required) || typeof required.flag !== 'string' || !areStrings(required.variants)) {
    throw new BrokenFlag('a prerequisite names a flag, and the variants that satisfy it')
  }
  const { flag, variants } = required
  return { flag, variants: new Set(variants), off: off({ version, prerequisite: flag }) }
}

function targetsOf(
  targets: readonly Json[],
  version: number,
  serve: Server,
  reads: Set<AttributePath>,
): readonly TargetGroup[] {
  const groups: (Omit<TargetGroup, 'units'> & { readonly units: Map<string, Decision> })[] = []
  for (const target of targets) {
    if (!isObject(target) || !areStrings(target.units)) {
      throw new BrokenFlag('a target has a variant, the attribute that it goes by, and a list of units')
    }
    const { variant, by = 'targetingKey', units } = target
    const decision = serve(variant, 'TARGETING_MATCH', { version, rule: TARGETS })
    const read = readUnderstood(by, { reads })
    let group = groups.at(-1)
    if (group?.by !== by) {
      group = { by: by as AttributePath, read, units: new Map() }
      groups.push(group)
    }
    for (const unit of units) if (!group.units.has(unit)) group.units.set(unit, decision)
  }
  return groups
}

function ruleOf(rule: Json, key: FlagKey, version: number, serve: Server): CompiledRule {
  if (!isObject(rule) || typeof rule.id !== 'string') throw new BrokenFlag('a rule is an object with an id')
  const { id } = rule
  const facts = noFacts()
  const metadata = { version, rule: id }
  try {
    const test = rule.when === undefined ? null : compileCondition(rule.when, facts)
    const served = serveOf(rule.serve, key, 'TARGETING_MATCH', metadata, serve, facts.reads)
    return { id, skipped: undefined, test, ...served, facts }
  } catch (cause) {
    if (cause instanceof BrokenFlag) throw cause
    return { id, skipped: reasonOf(cause), test: null, decision: undefined, split: null, facts: noFacts() }
  }
}

function fallthroughOf(
  fallthrough: Json | undefined,
  key: FlagKey,
  version: number,
  reason: 'STATIC' | 'DEFAULT',
  serve: Server,
  reads: Set<AttributePath>,
): CompiledFallthrough {
  const none = undecided('DEFAULT', { version })
  if (isAbsent(fallthrough)) return { skipped: undefined, decision: none, split: null, missing: none }
  try {
    const { decision, split } = serveOf(fallthrough, key, reason, { version }, serve, reads)
    if (split === null) return { skipped: undefined, decision, split, missing: decision }
    return {
      skipped: undefined,
      decision: none,
      split,
      missing: missingOf(fallthrough, split, version, serve),
    }
  } catch (cause) {
    if (cause instanceof BrokenFlag) throw cause
    const skipped = reasonOf(cause)
    const answer = failed('PARSE_ERROR', `the fallthrough is not understood: ${skipped}`, { version })
    return { skipped, decision: answer, split: null, missing: answer }
  }
}

/** The answer of a fallthrough's split where the unit is missing. */
function missingOf(fallthrough: Json, { by }: CompiledSplit, version: number, serve: Server): Decision {
  const { missing } = (fallthrough as { readonly split: JsonObject }).split
  if (missing !== undefined) return serve(missing, 'DEFAULT', { version })
  return failed('TARGETING_KEY_MISSING', `the flag splits by "${by}", an attribute that the context lacks`, {
    version,
  })
}

/** @throws NotUnderstood where it is neither a variant nor a split as this version knows them */
function serveOf(
  serving: Json | undefined,
  key: FlagKey,
  reason: Decided['reason'],
  metadata: Decision['metadata'],
  serve: Server,
  reads: Set<AttributePath>,
):
  | { readonly decision: Decision; readonly split: null }
  | { readonly decision: undefined; readonly split: CompiledSplit } {
  if (!isObject(serving)) throw new NotUnderstood('what is served is an object')
  if (serving.split !== undefined) {
    onlyFields(serving, SERVE_FIELDS[1], 'what is served')
    const decide = (variant: VariantKey): Decision => serve(variant, 'SPLIT', metadata)
    return { decision: undefined, split: compileSplit(serving.split, key, decide, { reads }) }
  }
  onlyFields(serving, SERVE_FIELDS[0], 'what is served')
  if (typeof serving.variant !== 'string') throw new NotUnderstood('what is served names its variant')
  return { decision: serve(serving.variant, reason, metadata), split: null }
}

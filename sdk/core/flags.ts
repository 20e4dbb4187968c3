/**
 * One flag's definition, compiled by itself: segments, prerequisites and kills come in later (link.ts), so that a
 * change elsewhere compiles no definition again.
 */
import type { Reader } from './attributes.ts'
import {
  compileCondition,
  type Facts,
  NO_FACTS,
  NotUnderstood,
  onlyFields,
  type Pool,
  readerIn,
  reasonOf,
  type Test,
} from './conditions.ts'
import { decided, failed, undecided } from './decisions.ts'
import { deepFreeze, isObject, type JsonObject, own, shown } from './json.ts'
import type {
  AttributePath,
  Decided,
  Decision,
  DecisionMetadata,
  FlagKey,
  FlagType,
  Json,
  VariantKey,
  Visibility,
} from './ruleset.ts'
import { type CompiledSplit, compileSplit } from './splits.ts'

const TARGETS = '$targets'
/** The name of a fallthrough among skipped rules. */
export const FALLTHROUGH = '$fallthrough'

const NONE: readonly never[] = []
const SPLIT_FIELDS: ReadonlySet<string> = new Set(['split'])
const VARIANT_FIELDS: ReadonlySet<string> = new Set(['variant'])
const UNCONDITIONAL = { test: null, facts: NO_FACTS } as const

/** A definition that is no flag: the message says what is wrong. */
class BrokenFlag extends Error {}

export type CompiledPrerequisite = {
  readonly flag: FlagKey
  readonly variants: ReadonlySet<VariantKey>
  /** The answer where it is not satisfied. */
  readonly off: Decision
}

/** Consecutive targets by one attribute; of two that list a unit, the first counts. */
export type TargetGroup = {
  readonly read: Reader
  readonly units: ReadonlyMap<string, Decision>
  readonly by: AttributePath
}

export type CompiledRule = {
  /** null: every context. */
  readonly test: Test | null
  /** One of both, or neither in a rule that is skipped. */
  readonly decision: Decision | null
  readonly split: CompiledSplit | null
  readonly id: string
  readonly facts: Facts
  /** Why the definition cannot be evaluated here. */
  readonly skipped: string | undefined
}

export type CompiledFallthrough = {
  /** The answer without a split, and where the unit's bucket is in no range. */
  readonly decision: Decision
  readonly split: CompiledSplit | null
  /** The answer where the unit of the split is missing. */
  readonly missing: Decision
  /** Why a split or variant is not understood. */
  readonly skipped: string | undefined
}

export type FlagBody = {
  readonly enabled: boolean
  readonly off: Decision
  readonly prerequisites: readonly CompiledPrerequisite[]
  readonly targets: readonly TargetGroup[]
  readonly rules: readonly CompiledRule[]
  readonly fallthrough: CompiledFallthrough
  /** Attributes that targets and fallthrough read. */
  readonly reads: readonly AttributePath[]
}

export type Broken = { readonly broken: string }

/** What the parts of one flag are compiled with. */
type Making = {
  readonly key: FlagKey
  readonly version: number
  readonly pool: Pool
  /** The decision that serves a variant; what is none of the flag's variants breaks the flag. */
  readonly serve: (
    variant: Json | undefined,
    reason: Decided['reason'],
    metadata: DecisionMetadata,
  ) => Decided
}

export function typeOf(definition: Json): FlagType | undefined {
  const type = isObject(definition) ? definition.type : undefined
  return type === 'boolean' || type === 'string' || type === 'number' || type === 'object' ? type : undefined
}

/** Anything but `client` is kept from browsers. */
export function visibilityOf(definition: Json): Visibility {
  return isObject(definition) && definition.visibility === 'client' ? 'client' : 'server'
}

/**
 * What a killed flag answers, with nothing else of the definition looked at: its off variant where there is a
 * usable one.
 */
export function killedAnswer(definition: Json, version: number): Decision {
  const metadata = { version, killed: true } as const
  const nothing = undecided('DISABLED', metadata)
  if (!isObject(definition)) return nothing
  const { offVariant, variants } = definition
  if (typeof offVariant !== 'string' || !isObject(variants)) return nothing
  const value = own(variants, offVariant)
  if (value === undefined || !isOfType(value, typeOf(definition))) return nothing
  return decided(offVariant, deepFreeze(value), 'DISABLED', metadata)
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
export function compileBody(key: FlagKey, version: number, definition: Json, pool: Pool): FlagBody | Broken {
  try {
    return bodyOf(key, version, definition, pool)
  } catch (cause) {
    return { broken: cause instanceof BrokenFlag ? cause.message : reasonOf(cause) }
  }
}

function bodyOf(key: FlagKey, version: number, definition: Json, pool: Pool): FlagBody {
  if (!isObject(definition)) throw new BrokenFlag('a flag is an object')
  const { enabled, offVariant } = definition
  if (typeof enabled !== 'boolean') throw new BrokenFlag('enabled: true or false is expected')
  const serve = servingOf(typeOf(definition), definition.variants)
  const making = { key, version, pool, serve }
  const off = (metadata: DecisionMetadata): Decision =>
    isAbsent(offVariant) ? undecided('DISABLED', metadata) : serve(offVariant, 'DISABLED', metadata)
  const prerequisites = mapped(listOf(definition, 'prerequisites'), (required) =>
    prerequisiteOf(required, version, off),
  )
  const targets = targetsOf(listOf(definition, 'targets'), making)
  const rules = listOf(definition, 'rules').map((rule) => ruleOf(rule, making))
  const reason = prerequisites.length + targets.length + rules.length === 0 ? 'STATIC' : 'DEFAULT'
  const fallthrough = fallthroughOf(definition.fallthrough, reason, making)
  const reads = fallthrough.split === null ? NONE : [fallthrough.split.about.by]
  return {
    enabled,
    off: off({ version }),
    prerequisites,
    targets,
    rules,
    fallthrough,
    reads: targets.length === 0 ? reads : [...reads, ...targets.map(({ by }) => by)],
  }
}

function servingOf(type: FlagType | undefined, variants: Json | undefined): Making['serve'] {
  if (type === undefined) throw new BrokenFlag('its type is none of boolean, string, number, object')
  if (!isObject(variants)) throw new BrokenFlag('variants: an object is expected')
  const values = new Map<VariantKey, Json>()
  for (const [variant, value] of Object.entries(variants)) {
    if (!isOfType(value, type)) throw new BrokenFlag(`the variant ${shown(variant)} is no ${type}`)
    values.set(variant, deepFreeze(value))
  }
  return (variant, reason, metadata) => {
    const value = typeof variant === 'string' ? values.get(variant) : undefined
    if (value === undefined) throw new BrokenFlag(`there is no variant ${shown(variant)}`)
    return decided(variant as VariantKey, value, reason, metadata)
  }
}

/** Empty lists are one, so that thousands of flags without prerequisites do not hold thousands of them. */
function mapped<T>(list: readonly Json[], convert: (element: Json) => T): readonly T[] {
  return list.length === 0 ? NONE : list.map(convert)
}

function isAbsent(value: Json | undefined): value is null | undefined {
  return value === null || value === undefined
}

function listOf(definition: JsonObject, field: string): readonly Json[] {
  const list = definition[field] ?? NONE
  if (!Array.isArray(list)) throw new BrokenFlag(`${field}: a list is expected`)
  return list
}

function areStrings(list: Json | undefined): list is readonly string[] {
  return Array.isArray(list) && list.every((element) => typeof element === 'string')
}

function prerequisiteOf(
  required: Json,
  version: number,
  off: (metadata: DecisionMetadata) => Decision,
): CompiledPrerequisite {
  if (!isObject(required) || typeof required.flag !== 'string' || !areStrings(required.variants)) {
    throw new BrokenFlag('a prerequisite names a flag, and the variants that satisfy it')
  }
  const { flag, variants } = required
  return { flag, variants: new Set(variants), off: off({ version, prerequisite: flag }) }
}

function targetsOf(targets: readonly Json[], { version, serve, pool }: Making): readonly TargetGroup[] {
  if (targets.length === 0) return NONE
  const groups: (TargetGroup & { readonly units: Map<string, Decision> })[] = []
  for (const target of targets) {
    if (!isObject(target) || !areStrings(target.units)) {
      throw new BrokenFlag('a target has a variant, the attribute that it goes by, and a list of units')
    }
    const { variant, by = 'targetingKey', units } = target
    const decision = serve(variant, 'TARGETING_MATCH', { version, rule: TARGETS })
    const read = readerIn(pool, by)
    let group = groups.at(-1)
    if (group?.by !== by) {
      group = { read, units: new Map(), by: by as AttributePath }
      groups.push(group)
    }
    for (const unit of units) if (!group.units.has(unit)) group.units.set(unit, decision)
  }
  return groups
}

function ruleOf(rule: Json, making: Making): CompiledRule {
  if (!isObject(rule) || typeof rule.id !== 'string') throw new BrokenFlag('a rule is an object with an id')
  const { id, when } = rule
  return understood<CompiledRule>(
    () => {
      const { test, facts } = when === undefined ? UNCONDITIONAL : compileCondition(when, making.pool)
      const metadata = { version: making.version, rule: id }
      const { decision, split } = servedBy(rule.serve, 'TARGETING_MATCH', metadata, making)
      return { test, decision, split, id, facts, skipped: undefined }
    },
    (skipped) => ({ test: null, decision: null, split: null, id, facts: NO_FACTS, skipped }),
  )
}

function fallthroughOf(
  fallthrough: Json | undefined,
  reason: 'STATIC' | 'DEFAULT',
  making: Making,
): CompiledFallthrough {
  const { version, serve } = making
  const none = undecided('DEFAULT', { version })
  const always = (decision: Decision, skipped: string | undefined): CompiledFallthrough => ({
    decision,
    split: null,
    missing: decision,
    skipped,
  })
  if (isAbsent(fallthrough)) return always(none, undefined)
  return understood<CompiledFallthrough>(
    () => {
      const { decision, split } = servedBy(fallthrough, reason, { version }, making)
      if (split === null) return always(decision, undefined)
      const { by, missing: variant } = split.about
      const missing =
        variant === undefined
          ? failed('TARGETING_KEY_MISSING', `the context lacks the attribute ${shown(by)} to split by`, {
              version,
            })
          : serve(variant, 'DEFAULT', { version })
      return { decision: none, split, missing, skipped: undefined }
    },
    (why) => always(failed('PARSE_ERROR', `the fallthrough is not understood: ${why}`, { version }), why),
  )
}

function understood<T>(make: () => T, otherwise: (why: string) => T): T {
  try {
    return make()
  } catch (cause) {
    if (cause instanceof NotUnderstood) return otherwise(cause.message)
    throw cause
  }
}

/** @throws NotUnderstood where it is neither a variant nor a split as this version knows them */
function servedBy(
  serving: Json | undefined,
  reason: Decided['reason'],
  metadata: DecisionMetadata,
  { key, serve, pool }: Making,
):
  | { readonly decision: Decision; readonly split: null }
  | { readonly decision: null; readonly split: CompiledSplit } {
  if (!isObject(serving)) throw new NotUnderstood('what is served is an object')
  if (serving.split !== undefined) {
    onlyFields(serving, SPLIT_FIELDS, 'what is served')
    const decide = (variant: VariantKey): Decision => serve(variant, 'SPLIT', metadata)
    return { decision: null, split: compileSplit(serving.split, key, decide, pool) }
  }
  onlyFields(serving, VARIANT_FIELDS, 'what is served')
  if (typeof serving.variant !== 'string') throw new NotUnderstood('what is served names its variant')
  return { decision: serve(serving.variant, reason, metadata), split: null }
}

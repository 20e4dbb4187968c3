/**
 * Reads a flag's configuration as people write it into the one that is kept: every field there, rule ids minted,
 * ranges made. What depends on other flags and segments is not known here; see `settle.ts`.
 */
import {
  type FlagConfig,
  type FlagType,
  type Json,
  LIMITS,
  type Prerequisite,
  type Rule,
  type Serve,
  type Target,
  unitOf,
  type VariantKey,
} from '@halyard/sdk/core'
import { canonical, canonicalBytes } from './canonical.ts'
import { readCondition } from './conditions.ts'
import { at, type Faults, quote } from './faults.ts'
import {
  type Fields,
  fieldOf,
  inside,
  isObject,
  listOf,
  READ_ONLY,
  type Reading,
  readAttribute,
  readBoolean,
  readFields,
  readKey,
  readList,
  readText,
  readWord,
  TARGETING_KEY,
} from './reading.ts'
import { readServe, readVariant, type ServePlace } from './serves.ts'
import { checkValues } from './value-schema.ts'

export const FLAG_TYPES = ['boolean', 'string', 'number', 'object'] as const
const FIELDS = [
  'type',
  'enabled',
  'visibility',
  'variants',
  'offVariant',
  'prerequisites',
  'targets',
  'rules',
  'fallthrough',
  'valueSchema',
] as const
const LONGEST_DESCRIPTION = 4_096
const MOST_PREREQUISITES = 100

export type FlagPlace = {
  readonly key: string
  /** What the flag's type is; undefined where it is only known from the document. */
  readonly type: FlagType | undefined
  /** The configuration as it was; it may be broken. */
  readonly previous: unknown
  readonly keepRanges: boolean
  readonly mint: () => string
  readonly moved: ServePlace['moved']
}

/** The configuration that is kept. Nothing can be relied on where faults were added. */
export function readFlagConfig(input: unknown, reading: Reading, place: FlagPlace): FlagConfig {
  const { faults, pointer } = reading
  const fields = readFields(input, reading, 'A configuration', FIELDS, READ_ONLY)
  const type = readType(fields.type, inside(reading, 'type'), place.type)
  const variants = readVariants(fields.variants, inside(reading, 'variants'), type)
  const keys = isObject(fields.variants) ? new Set(Object.keys(fields.variants)) : undefined
  const serving = (where: ServePlace['where'], previous: unknown): ServePlace => ({
    where,
    flag: place.key,
    variants: keys,
    previous,
    keepRanges: place.keepRanges,
    moved: place.moved,
  })

  const config: FlagConfig = {
    type: type ?? 'boolean',
    enabled:
      fields.enabled !== undefined && readBoolean(fields.enabled, inside(reading, 'enabled'), 'enabled'),
    visibility:
      fields.visibility === undefined
        ? 'server'
        : readWord(fields.visibility, inside(reading, 'visibility'), 'visibility', ['server', 'client']),
    variants,
    offVariant:
      fields.offVariant === undefined || fields.offVariant === null
        ? null
        : readVariant(fields.offVariant, inside(reading, 'offVariant'), keys),
    prerequisites: readPrerequisites(fields.prerequisites, inside(reading, 'prerequisites')),
    targets: readTargets(fields.targets, inside(reading, 'targets'), keys),
    rules: readRules(fields.rules, inside(reading, 'rules'), place, serving),
    fallthrough:
      fields.fallthrough === undefined || fields.fallthrough === null
        ? null
        : readServe(
            fields.fallthrough,
            inside(reading, 'fallthrough'),
            serving('fallthrough', fieldOf(place.previous, 'fallthrough')),
          ),
  }
  const { valueSchema } = fields
  if (valueSchema === undefined) return config
  if (schemaIsNew(valueSchema, variants, place.previous)) checkValues(valueSchema, variants, pointer, faults)
  return { ...config, valueSchema: valueSchema as NonNullable<FlagConfig['valueSchema']> }
}

function readType(value: unknown, reading: Reading, type: FlagType | undefined): FlagType | undefined {
  if (value === undefined && type !== undefined) return type
  const before = reading.faults.count
  const given = readWord(value, reading, 'A flag’s type', FLAG_TYPES)
  if (reading.faults.count > before) return type
  if (type === undefined || given === type) return given
  reading.faults.add(reading.pointer, `The flag is of type ${type}, for ever; another type is another flag.`)
  return type
}

function readVariants(
  value: unknown,
  reading: Reading,
  type: FlagType | undefined,
): { [variant: VariantKey]: Json } {
  const { faults, pointer } = reading
  if (!isObject(value)) {
    faults.add(pointer, 'Variants are an object: each variant’s key, and its value.')
    return {}
  }
  const variants = Object.entries(value)
  if (variants.length === 0) faults.add(pointer, 'At least one variant is needed.')
  if (variants.length > LIMITS.variants) {
    faults.add(pointer, `A flag has at most ${LIMITS.variants} variants; there are ${variants.length}.`)
  }
  for (const [key, json] of variants.slice(0, LIMITS.variants)) {
    const here = inside(reading, key)
    readKey(key, here, 'A variant’s key')
    if (type !== undefined && !isOfType(json, type)) {
      faults.add(
        here.pointer,
        `A value of type ${type} is expected${type === 'object' ? ': a JSON object' : ''}.`,
      )
    } else if (canonicalBytes(json) > LIMITS.variantBytes) {
      faults.add(here.pointer, `A value has at most ${LIMITS.variantBytes} bytes.`)
    }
  }
  return Object.fromEntries(variants) as { [variant: VariantKey]: Json }
}

const isOfType = (value: unknown, type: FlagType): boolean =>
  type === 'object' ? isObject(value) : typeof value === type

/** A schema that was checked with these very variants need not be compiled again. */
function schemaIsNew(schema: unknown, variants: Fields, previous: unknown): boolean {
  const before = [fieldOf(previous, 'valueSchema') ?? null, fieldOf(previous, 'variants') ?? null]
  return canonical(before) !== canonical([schema, variants])
}

function readPrerequisites(value: unknown, reading: Reading): Prerequisite[] {
  return readList(value, reading, 'Prerequisites', MOST_PREREQUISITES).map((prerequisite, index) => {
    const here = inside(reading, index)
    const fields = readFields(prerequisite, here, 'A prerequisite', ['flag', 'variants'])
    if (!isObject(prerequisite)) return { flag: '', variants: [] }
    const flag = readKey(fields.flag, inside(here, 'flag'), 'A flag’s key')
    const named = inside(here, 'variants')
    const variants = readList(fields.variants, named, 'Variants', LIMITS.variants).map((variant, at) =>
      readVariant(variant, inside(named, at), undefined),
    )
    if (variants.length === 0)
      reading.faults.add(named.pointer, 'Name at least one variant that satisfies it.')
    return { flag, variants }
  })
}

function readTargets(
  value: unknown,
  reading: Reading,
  variants: ReadonlySet<VariantKey> | undefined,
): Target[] {
  const { faults, pointer } = reading
  const targets: Target[] = []
  /** Who is listed already, by attribute: the first listing would win, and another never be seen. */
  const listed = new Map<string, Map<string, VariantKey>>()
  let count = 0
  for (const [index, target] of readList(value, reading, 'Targets', LIMITS.targetedUnits).entries()) {
    const here = inside(reading, index)
    const fields = readFields(target, here, 'A target', ['variant', 'by', 'units'])
    if (!isObject(target)) continue
    const variant = readVariant(fields.variant, inside(here, 'variant'), variants)
    const by = fields.by === undefined ? TARGETING_KEY : readAttribute(fields.by, inside(here, 'by'))
    const seen = listed.get(by) ?? new Map<string, VariantKey>()
    listed.set(by, seen)
    const units = readUnits(fields.units, inside(here, 'units'), variant, seen)
    count += units.length
    if (units.length > 0) targets.push({ variant, by, units })
  }
  if (count > LIMITS.targetedUnits) {
    faults.add(
      pointer,
      `A flag targets at most ${LIMITS.targetedUnits} units; there are ${count}. Use a segment.`,
    )
  }
  return targets
}

function readUnits(
  value: unknown,
  reading: Reading,
  variant: VariantKey,
  seen: Map<string, VariantKey>,
): string[] {
  const { faults, pointer } = reading
  if (!Array.isArray(value)) {
    faults.add(pointer, 'A list of units is expected: strings, or numbers.')
    return []
  }
  const units: string[] = []
  for (const [index, item] of value.slice(0, LIMITS.targetedUnits + 1).entries()) {
    const unit = unitOf(item)
    const other = unit === undefined ? undefined : seen.get(unit)
    if (unit === undefined) {
      faults.add(at(pointer, index), UNIT_EXPECTED)
    } else if (other === undefined) {
      seen.set(unit, variant)
      units.push(unit)
    } else if (other !== variant) {
      faults.add(
        at(pointer, index),
        `${quote(unit)} is a target of ${quote(other)} already, which would win.`,
      )
    }
  }
  return units
}
export const UNIT_EXPECTED = 'A unit is a string that is not empty, or a number.'

function readRules(
  value: unknown,
  reading: Reading,
  place: FlagPlace,
  serving: (where: ServePlace['where'], previous: unknown) => ServePlace,
): Rule[] {
  const served = servedBefore(place.previous)
  const ids = new Set<string>()
  return readList(value, reading, 'Rules', LIMITS.rules).map((rule, index) => {
    const here = inside(reading, index)
    const fields = readFields(rule, here, 'A rule', ['id', 'description', 'when', 'serve'])
    if (!isObject(rule)) return { id: '', serve: { variant: '' } }
    const id = readRuleId(fields.id, inside(here, 'id'), place.mint, ids, reading.faults)
    const serve: Serve = readServe(fields.serve, inside(here, 'serve'), serving('rule', served.get(id)))
    return {
      id,
      ...(fields.description === undefined
        ? {}
        : {
            description: readText(fields.description, inside(here, 'description'), 'A description', {
              most: LONGEST_DESCRIPTION,
            }),
          }),
      ...(fields.when === undefined ? {} : { when: readCondition(fields.when, inside(here, 'when')) }),
      serve,
    }
  })
}

function readRuleId(
  value: unknown,
  reading: Reading,
  mint: () => string,
  ids: Set<string>,
  faults: Faults,
): string {
  const id = value === undefined ? mint() : readKey(value, reading, 'A rule’s id')
  if (id !== '' && ids.has(id)) faults.add(reading.pointer, `There is another rule with the id ${quote(id)}.`)
  ids.add(id)
  return id
}

function servedBefore(previous: unknown): ReadonlyMap<unknown, unknown> {
  return new Map(
    listOf(fieldOf(previous, 'rules')).map((rule) => [fieldOf(rule, 'id'), fieldOf(rule, 'serve')]),
  )
}

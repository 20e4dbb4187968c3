/**
 * Configurations and segments as people write them: without what is a default anyway. Export writes this form, and
 * what is the same in it needs no look by the server.
 */

import type { Json, Range } from '../shapes.ts'
import type { Fields } from './file.ts'

const BUCKETS = 100_000
const BUCKETS_A_PERCENT = 1_000
const TARGETING_KEY = 'targetingKey'

type Loose = Readonly<Record<string, unknown>>
const isFields = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What is left of an object when fields that say nothing are left out. */
function said(fields: Loose): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Fields
}

const unlessEmpty = (value: unknown): unknown =>
  Array.isArray(value) && value.length === 0 ? undefined : value

const READ_ONLY = new Set(['key', 'type', 'kill', 'members', 'epoch', 'revision', 'changedAt', 'changedBy'])

/** A document of the server without what only reading shows. */
export function definitionOf(document: object): Loose {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !READ_ONLY.has(name)))
}

/** @param flag its key: the salt where none is given */
export function compactConfiguration(flag: string, config: Loose): Fields {
  const {
    enabled,
    visibility,
    variants,
    offVariant,
    prerequisites,
    targets,
    rules,
    fallthrough,
    valueSchema,
    ...more
  } = config
  const list = (value: unknown, each: (item: Loose) => unknown): unknown =>
    Array.isArray(value) ? value.map((item) => (isFields(item) ? each(item) : item)) : value
  return said({
    enabled: enabled ?? false,
    visibility: visibility === 'server' ? undefined : (visibility ?? undefined),
    variants,
    offVariant: offVariant ?? undefined,
    prerequisites: unlessEmpty(prerequisites ?? undefined),
    targets: unlessEmpty(
      list(targets ?? undefined, ({ by, ...target }) =>
        said({ by: by === TARGETING_KEY ? undefined : by, ...target }),
      ),
    ),
    rules: unlessEmpty(
      list(rules ?? undefined, ({ id, description, when, serve, ...more }) =>
        said({ id, description, when: compactCondition(when), serve: compactServe(flag, serve), ...more }),
      ),
    ),
    fallthrough: fallthrough === null ? undefined : compactServe(flag, fallthrough),
    valueSchema: valueSchema ?? undefined,
    ...more,
  })
}

export function compactSegment({ by, ignoreCase, when, ...more }: Loose): Fields {
  return said({
    by: by === TARGETING_KEY ? undefined : by,
    ignoreCase: ignoreCase === true ? true : undefined,
    when: when === null ? undefined : compactCondition(when),
    ...more,
  })
}

function compactServe(flag: string, serve: unknown): unknown {
  if (!isFields(serve) || !isFields(serve.split)) return serve
  const { by, salt, shares, ranges, ...more } = serve.split
  return {
    split: said({
      by: by === TARGETING_KEY ? undefined : by,
      salt: salt === flag ? undefined : salt,
      shares,
      ranges: rangesSaySomething(shares, ranges) ? ranges : undefined,
      ...more,
    }),
  }
}

function compactCondition(when: unknown): unknown {
  if (!isFields(when)) return when
  for (const word of ['all', 'any'] as const) {
    const parts = when[word]
    if (Array.isArray(parts)) return { [word]: parts.map(compactCondition) }
  }
  if ('not' in when) return { not: compactCondition(when.not) }
  const { ignoreCase, values, ...test } = when
  return said({
    ...test,
    values: test.op === 'exists' ? unlessEmpty(values) : values,
    ignoreCase: ignoreCase === true ? true : undefined,
  })
}

type Shares = readonly { readonly variant: string; readonly percent: number }[]

/** Whether the ranges are others than the shares would be given by themselves: one after another, from the first bucket. */
function rangesSaySomething(shares: unknown, ranges: unknown): boolean {
  if (!Array.isArray(ranges)) return false
  let from = 0
  const plain: Range[] = []
  for (const { variant, percent } of (shares ?? []) as Shares) {
    const to = from + Math.round(percent * BUCKETS_A_PERCENT)
    if (to > from) plain.push({ variant, from, to })
    from = to
  }
  return !alike(plain as unknown as Json, ranges as Json)
}

/** Ranges that a person left behind when the percentages were edited: each variant's are no longer its share. */
export function rangesAreStale(split: Fields): boolean {
  const { shares, ranges } = split as { shares?: Shares; ranges?: readonly Range[] }
  if (!Array.isArray(ranges) || !Array.isArray(shares)) return false
  const due = new Map<string, number>()
  for (const { variant, percent } of shares as Shares)
    due.set(variant, Math.round(percent * BUCKETS_A_PERCENT))
  const held = new Map<string, number>()
  for (const { variant, from, to } of ranges as Range[])
    held.set(variant, (held.get(variant) ?? 0) + to - from)
  const sums = [...new Set([...due.keys(), ...held.keys()])]
  return sums.some(
    (variant) => (due.get(variant) ?? 0) !== (held.get(variant) ?? 0) || (held.get(variant) ?? 0) > BUCKETS,
  )
}

/** Equality of JSON: the order of fields is nothing, that of lists is. */
export function alike(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, at) => alike(item, b[at]))
    )
  }
  const [one, other] = [a as Fields, b as Fields]
  const names = Object.keys(one)
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && alike(one[name], other[name]))
  )
}

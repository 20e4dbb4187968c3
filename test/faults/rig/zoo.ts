/** Flags of every shape that the service takes, made by chance from a seed: what kinds of flags there are to be killed. */
import type { FlagType, Json } from '@halyard/sdk/core'
import { ANY, DEVELOPMENT, PROJECT, type Rest } from '../../support/rest.ts'
import { CONDITIONS, SEGMENT } from './flags.ts'

export type Animal = {
  readonly key: string
  /** What its callers give as their default: of its type, and none of its values. */
  readonly fallback: Json
  /** What a kill leaves; null where that is the caller's default. */
  readonly off: { readonly variant: string; readonly value: Json } | null
  readonly requires: readonly string[]
}

const TYPES = ['boolean', 'string', 'number', 'object'] as const satisfies readonly FlagType[]
const VALUES: Readonly<Record<FlagType, readonly Json[]>> = {
  boolean: [true, false],
  string: ['', 'a', 'ü 😀', 'x'.repeat(2_000)],
  number: [0, -1, 1.5, 1e300],
  object: [{}, { a: [1, { b: null }] }, { constructor: 1, toString: 'x' }],
}

type Pick = <T>(list: readonly T[]) => T

export const FALLBACKS: Readonly<Record<FlagType, Json>> = {
  boolean: true,
  string: 'code',
  number: -99,
  object: { code: true },
}

/**
 * Makes them with the management API.
 * @param random uniform over [0, 1)
 */
export async function makeZoo(api: Rest, count: number, random: () => number): Promise<readonly Animal[]> {
  const pick: Pick = (list) => list[Math.floor(random() * list.length)] as (typeof list)[number]
  const zoo: Animal[] = []
  for (let number = 0; number < count; number += 1) {
    const key = `zoo-${number}`
    const type = TYPES[number % TYPES.length] as FlagType
    const values = VALUES[type]
    const variants = Object.fromEntries(values.map((value, index) => [`v${index}`, value]))
    const offVariant = random() < 0.25 ? null : pick(Object.keys(variants))
    const requires = zoo.length > 0 && random() < 0.4 ? [pick(zoo).key] : []
    const { rules, targets, fallthrough } = serving(pick, random, Object.keys(variants))
    await api.must('POST', `${PROJECT}/flags`, {
      key,
      type,
      variants,
      offVariant,
      fallthrough,
      visibility: pick(['client', 'server']),
    })
    const prerequisites = requires.map((flag) => ({ flag, variants: ['v0', 'v1'] }))
    await api.must('PATCH', `${DEVELOPMENT}/flags/${key}`, { rules, targets, prerequisites }, ANY)
    if (random() < 0.8) await api.must('POST', `${DEVELOPMENT}/flags/${key}/enable`)
    const off = offVariant === null ? null : { variant: offVariant, value: variants[offVariant] as Json }
    zoo.push({ key, fallback: FALLBACKS[type], off, requires })
  }
  return zoo
}

function serving(pick: Pick, random: () => number, variants: readonly string[]) {
  const split = () => {
    const percent = Math.round(random() * 100_000) / 1_000
    const shares = [
      { variant: variants[0], percent },
      { variant: variants[1], percent: Math.round(100_000 - 1_000 * percent) / 1_000 },
    ]
    return {
      split: {
        by: pick(['targetingKey', 'plan', 'age']),
        shares,
        ...(random() < 0.5 && { missing: variants[0] }),
      },
    }
  }
  const serve = () => (random() < 0.5 ? { variant: pick(variants) } : split())
  const whens = [...CONDITIONS, { segment: SEGMENT }, { not: { segment: SEGMENT } }]
  const rules = Array.from({ length: Math.floor(random() * 4) }, (_, index) => {
    const { split: shared, variant } = serve() as { split?: { missing?: unknown }; variant?: string }
    // What a context without the unit gets is said of a fallthrough alone.
    const { missing: _missing, ...ofRule } = shared ?? {}
    return {
      id: `r${index}`,
      ...(random() < 0.8 && { when: pick(whens) }),
      serve: shared === undefined ? { variant } : { split: ofRule },
    }
  })
  const targets = random() < 0.3 ? [{ variant: pick(variants), units: ['user-1', 'user-7'] }] : []
  return { rules, targets, fallthrough: random() < 0.15 ? null : serve() }
}

/** The flags of the zoo that require this one, directly or not, sorted. */
export function dependantsIn(zoo: readonly Animal[], key: string): readonly string[] {
  const found = new Set([key])
  for (let known = 0; known < found.size; ) {
    known = found.size
    for (const { key: one, requires } of zoo) if (requires.some((other) => found.has(other))) found.add(one)
  }
  found.delete(key)
  return [...found].sort()
}

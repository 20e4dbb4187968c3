/**
 * The logic that every contender of the benchmarks runs: three rules a flag (set membership; equality and semver; a
 * 50 % split), and the contexts that it is asked for. Contexts come out of JSON.parse, as they do in a service, and
 * chance is seeded, so that two runs ask the same.
 */
import type { Entry, FlagConfig, Rule, Ruleset } from '@halyard/sdk/core'
import { entryDigest, memberChunk } from '@halyard/sdk/core'

export type BenchContext = {
  readonly targetingKey: string
  readonly country: string
  readonly plan: string
  readonly version: string
}
/** One flag's parameters. Rule 1 may be a segment's membership in place of the set's. */
export type FlagShape = {
  readonly key: string
  readonly countries: readonly string[]
  readonly minimum: string
}
export type Question = { readonly key: string; readonly context: BenchContext }

const COUNTRIES = [
  ...[
    'de',
    'fr',
    'it',
    'es',
    'pt',
    'nl',
    'be',
    'at',
    'ch',
    'pl',
    'cz',
    'sk',
    'hu',
    'ro',
    'bg',
    'gr',
    'se',
    'no',
    'fi',
    'dk',
  ],
  ...[
    'us',
    'ca',
    'mx',
    'br',
    'ar',
    'cl',
    'co',
    'pe',
    'jp',
    'kr',
    'cn',
    'in',
    'id',
    'th',
    'vn',
    'au',
    'nz',
    'za',
    'eg',
    'ng',
  ],
]

/** Mulberry32: small, seeded, good enough to choose questions with. Answers [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function flagShapes(count: number): readonly FlagShape[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `checkout-step-${index}`,
    countries: Array.from(
      { length: 8 },
      (_, at) => COUNTRIES[(index * 3 + at * 5) % COUNTRIES.length] ?? 'de',
    ),
    minimum: `2.${(index * 7) % 10}.0`,
  }))
}

export function contexts(count: number, seed = 1): readonly BenchContext[] {
  const random = seeded(seed)
  const made = Array.from({ length: count }, () => ({
    targetingKey: `user-${Math.floor(random() * 1_000_000)}`,
    country: COUNTRIES[Math.floor(random() * COUNTRIES.length)],
    plan: random() < 0.5 ? 'pro' : 'free',
    version: `${1 + Math.floor(random() * 3)}.${Math.floor(random() * 12)}.${Math.floor(random() * 20)}`,
  }))
  return JSON.parse(JSON.stringify(made)) as BenchContext[]
}

export function questions(
  shapes: readonly FlagShape[],
  asked: readonly BenchContext[],
  count: number,
): readonly Question[] {
  const random = seeded(2)
  return Array.from({ length: count }, () => ({
    key: shapes[Math.floor(random() * shapes.length)]?.key ?? '',
    context: asked[Math.floor(random() * asked.length)] as BenchContext,
  }))
}

/** The flag as Halyard writes it; `segment` takes the place of the countries. */
export function flagConfig(shape: FlagShape, segment?: string): FlagConfig {
  const rules: readonly Rule[] = [
    {
      id: 'countries',
      when: segment === undefined ? { attribute: 'country', op: 'in', values: shape.countries } : { segment },
      serve: { variant: 'on' },
    },
    {
      id: 'pro-since',
      when: {
        all: [
          { attribute: 'plan', op: 'in', values: ['pro'] },
          { attribute: 'version', op: 'semverGte', values: [shape.minimum] },
        ],
      },
      serve: { variant: 'on' },
    },
    {
      id: 'half',
      serve: {
        split: {
          by: 'targetingKey',
          salt: shape.key,
          shares: [
            { variant: 'on', percent: 50 },
            { variant: 'off', percent: 50 },
          ],
          ranges: [
            { variant: 'on', from: 0, to: 50_000 },
            { variant: 'off', from: 50_000, to: 100_000 },
          ],
        },
      },
    },
  ]
  return {
    type: 'boolean',
    enabled: true,
    visibility: 'client',
    variants: { on: true, off: false },
    offVariant: 'off',
    prerequisites: [],
    targets: [],
    rules,
    fallthrough: { variant: 'off' },
  }
}

/** A wire ruleset, with every entry at revision 1. `segment` adds one with these units as members. */
export function ruleset(
  shapes: readonly FlagShape[],
  segment?: { readonly key: string; readonly units: readonly string[] },
): Ruleset {
  const flag: Record<string, Entry> = {}
  for (const shape of shapes) flag[shape.key] = { revision: 1, definition: flagConfig(shape, segment?.key) }
  const entries: Record<string, Record<string, Entry>> = { flag }
  if (segment) {
    entries.segment = { [segment.key]: { revision: 1, definition: { by: 'targetingKey', when: null } } }
    const chunks = new Map<string, string[]>()
    for (const unit of segment.units) {
      const chunk = `${segment.key}/${memberChunk(unit)}`
      const members = chunks.get(chunk)
      if (members) members.push(unit)
      else chunks.set(chunk, [unit])
    }
    entries.members = Object.fromEntries(
      [...chunks].map(([key, units]) => [
        key,
        { revision: 1, definition: { included: units.sort(), excluded: [] } },
      ]),
    )
  }
  let digest = 0
  for (const [kind, byKey] of Object.entries(entries)) {
    for (const key of Object.keys(byKey)) digest = (digest + entryDigest(kind, key, 1)) >>> 0
  }
  return {
    schema: 1,
    bucketing: 'halyard-1',
    project: 'default',
    environment: 'production',
    epoch: 1_700_000_000,
    revision: 1,
    digest,
    entries,
    pending: {},
    endedKills: [],
  }
}

/** Generators of what people send: configurations that are mostly right, and JSON that is anything. */
import type { Json } from '@halyard/sdk/core'
import fc from 'fast-check'

export const FLAGS = ['a', 'b', 'c', 'd']
export const SEGMENTS = ['s', 't', 'u']
const VARIANTS = ['on', 'off', 'other']

/** Any JSON, with names and strings that the model knows more often than chance has them. */
const word = fc.constantFrom(
  ...[
    'variants',
    'rules',
    'serve',
    'split',
    'shares',
    'variant',
    'percent',
    'when',
    'all',
    'any',
    'not',
    'op',
    'in',
  ],
  ...[
    'attribute',
    'values',
    'segment',
    'targets',
    'units',
    'key',
    'type',
    'boolean',
    'on',
    'off',
    'add',
    'included',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    '',
    '\0',
    '\ud800',
    'a',
    's',
    'flag',
    'put',
    'definition',
    '$ref',
    '#',
  ],
)
export const anything: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.oneof(
      word,
      fc.string(),
      fc.double(),
      fc.integer({ min: -2, max: 101 }),
      fc.boolean(),
      fc.constant(null),
    ),
    fc.array(tie('json'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.oneof(word, fc.string()), tie('json')), { maxLength: 6 })
      .map((members) =>
        JSON.parse(`{${members.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`)}}`),
      ),
  ),
})).json

/** What JSON can carry of a value: what stands in a log went through it. */
export const stored = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Json> =>
  value.map((json) => JSON.parse(JSON.stringify(json)))

const operand = fc.oneof(
  fc.record({
    op: fc.constantFrom('in', 'notIn'),
    values: fc.array(fc.oneof(fc.string(), fc.integer(), fc.boolean()), { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    op: fc.constantFrom('startsWith', 'endsWith', 'contains'),
    values: fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    op: fc.constantFrom('lt', 'lte', 'gt', 'gte'),
    values: fc.array(fc.integer(), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ op: fc.constantFrom('before', 'after'), values: fc.constant(['2027-01-01T00:00:00Z']) }),
  fc.record({
    op: fc.constantFrom('semverEq', 'semverLt', 'semverGte'),
    values: fc.constantFrom(['1.2.3'], ['v2', '3.1']),
  }),
  fc.record({ op: fc.constant('cidr'), values: fc.constantFrom(['10.0.0.0/8'], ['::1', '2001:db8::/32']) }),
  fc.record({ op: fc.constant('matches'), values: fc.constantFrom(['^a+$'], ['(x|y){2,5}', '[a-z]']) }),
  fc.constant({ op: 'exists' }),
)
const test = fc
  .tuple(fc.constantFrom('plan', 'user.age', 'targetingKey', '$now'), operand, fc.boolean())
  .map(([attribute, { op, ...values }, fold]) => ({
    attribute,
    op,
    ...values,
    ...(fold && ['in', 'notIn', 'startsWith', 'endsWith', 'contains', 'matches'].includes(op)
      ? { ignoreCase: true }
      : {}),
  }))
export const condition: fc.Arbitrary<Json> = fc.letrec<{ condition: Json }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4 },
    test as fc.Arbitrary<Json>,
    fc.constantFrom(...SEGMENTS).map((segment) => ({ segment })),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((all) => ({ all })),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
    tie('condition').map((not) => ({ not })),
  ),
})).condition

export const shares = (whole: boolean) =>
  fc
    .tuple(
      fc.shuffledSubarray(VARIANTS, { minLength: 1 }),
      fc.array(fc.nat(100_000), { minLength: 3, maxLength: 3 }),
    )
    .map(([variants, cuts]) => {
      const edges = cuts.slice(0, variants.length).sort((a, b) => a - b)
      if (whole) edges[variants.length - 1] = 100_000
      return variants.map((variant, index) => ({
        variant,
        percent: (edges[index]! - (edges[index - 1] ?? 0)) / 1_000,
      }))
    })
const serve = (whole: boolean) =>
  fc.oneof(
    fc.constantFrom(...VARIANTS).map((variant) => ({ variant })),
    fc
      .record(
        {
          shares: shares(whole),
          by: fc.constantFrom('targetingKey', 'account'),
          salt: fc.constantFrom('x', 'y'),
        },
        { requiredKeys: ['shares'] },
      )
      .map((split) => ({ split })),
  )
const rule = fc.record(
  {
    id: fc.constantFrom('r1', 'r2', 'r3', 'r4', 'r5', 'r6'),
    description: fc.string({ maxLength: 5 }),
    when: condition,
    serve: serve(false),
  },
  { requiredKeys: ['serve'] },
)

/** A boolean flag's configuration that is right but for what it names. */
export const configuration: fc.Arbitrary<{ [name: string]: Json }> = fc.record(
  {
    enabled: fc.boolean(),
    visibility: fc.constantFrom('server', 'client'),
    variants: fc.constant({ on: true, off: false, other: true }),
    offVariant: fc.option(fc.constantFrom(...VARIANTS)),
    prerequisites: fc
      .uniqueArray(fc.constantFrom(...FLAGS), { maxLength: 2 })
      .map((flags) => flags.map((flag) => ({ flag, variants: ['on'] }))),
    targets: fc.constantFrom(
      [],
      [{ variant: 'on', units: ['anna', 'ben'] }],
      [{ variant: 'off', by: 'account', units: [7] }],
    ),
    rules: fc.uniqueArray(rule, { maxLength: 4, selector: ({ id }) => id ?? {} }),
    fallthrough: fc.option(serve(true)),
  },
  { requiredKeys: ['variants'] },
) as never

/** The same with one part of it replaced by anything. */
export const damaged: fc.Arbitrary<Json> = fc
  .tuple(configuration, fc.infiniteStream(fc.nat(5)), anything)
  .map(([whole, choices, part]) => {
    const damage = (json: Json, depth: number): Json => {
      const choice = choices.next().value as number
      if (depth === 0 || typeof json !== 'object' || json === null || choice === 0) return part
      const names = Object.keys(json)
      if (names.length === 0) return part
      const name = names[choice % names.length]!
      const inner = damage((json as { [name: string]: Json })[name]!, depth - 1)
      return Array.isArray(json) ? json.with(Number(name), inner) : { ...json, [name]: inner }
    }
    return damage(whole, 5)
  })

/** Generated rulesets and contexts: well-formed ones, and JSON of any shape where a definition should be. */
import { digestOf, type Entry, type Json, memberChunk, type State } from '@halyard/sdk/core'
import fc from 'fast-check'

const EPOCH = 1_700_000_000
const FLAGS = ['a', 'b', 'c', 'd'] as const
const SEGMENTS = ['s', 't', 'u'] as const
const VARIANTS = ['on', 'off', 'maybe'] as const
const PATHS = ['targetingKey', 'plan', 'version', 'ip', 'at', 'company.size', '__proto__'] as const

/** Texts that some operator or other makes something of. */
const text = fc.oneof(
  fc.constantFrom(
    '',
    'pro',
    'PRO',
    '2.3.1',
    'v2',
    '10.0.0.1',
    '10.0.0.0/8',
    '::1',
    '2027-01-01T00:00:00Z',
    'a+',
    '(',
    '__proto__',
  ),
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 4 }),
)
const scalar = fc.oneof(text, fc.boolean(), fc.integer({ min: -3, max: 30 }), fc.double())

/** JSON of any shape, with the names that definitions have among its keys. */
export const anyJson: fc.Arbitrary<Json> = fc
  .json({ depthSize: 'medium' })
  .map((json) => JSON.parse(json) as Json)

const names = fc.constantFrom(
  ...[
    'type',
    'enabled',
    'variants',
    'offVariant',
    'prerequisites',
    'targets',
    'rules',
    'fallthrough',
    'split',
    'ranges',
  ],
  ...[
    'when',
    'serve',
    'id',
    'all',
    'any',
    'not',
    'attribute',
    'op',
    'values',
    'segment',
    'by',
    'units',
    'variant',
    'flag',
  ],
  ...['from', 'to', 'included', 'excluded', 'salt', 'on', 'boolean', 'in', '__proto__', 'constructor'],
)
/** The same, closer to a definition: known names in the wrong places. */
export const almostDefinition: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(scalar, names, fc.constant(null)) as fc.Arbitrary<Json>,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(names, tie('value'), { maxKeys: 6 }),
  ),
})).value

const attribute = fc.record({
  attribute: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom<string>(...PATHS) },
    { weight: 1, arbitrary: fc.constant('$now') },
  ),
  op: fc.constantFrom(
    'in',
    'notIn',
    'startsWith',
    'endsWith',
    'contains',
    'matches',
    'lt',
    'lte',
    'gt',
    'gte',
    'before',
    'after',
    'semverEq',
    'semverLt',
    'semverGte',
    'cidr',
    'exists',
    'newer',
  ),
  values: fc.array(scalar, { maxLength: 3 }),
})
const condition: fc.Arbitrary<Json> = fc.letrec<{ node: Json }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    attribute as fc.Arbitrary<Json>,
    fc.record({
      ...{ attribute: fc.constantFrom<string>(...PATHS), op: fc.constant('in') },
      values: fc.array(text, { minLength: 1, maxLength: 3 }),
      ignoreCase: fc.constant(true),
    }),
    fc.record({ segment: fc.constantFrom<string>(...SEGMENTS, 'gone') }),
    fc.record({ all: fc.array(tie('node'), { maxLength: 3 }) }),
    fc.record({ any: fc.array(tie('node'), { maxLength: 3 }) }),
    fc.record({ not: tie('node') }),
  ),
})).node

const split = fc
  .uniqueArray(fc.integer({ min: 0, max: 100_000 }), { minLength: 2, maxLength: 6 })
  .chain((cuts) => {
    const bounds = cuts.sort((a, b) => a - b)
    return fc.record(
      {
        by: fc.constantFrom<string>(...PATHS),
        salt: text,
        ranges: fc.tuple(
          ...bounds.slice(1).map((to, i) =>
            fc.record({
              variant: fc.constantFrom<string>(...VARIANTS),
              from: fc.constant(bounds[i] as number),
              to: fc.constant(to),
            }),
          ),
        ),
        missing: fc.constantFrom<string>(...VARIANTS),
      },
      { requiredKeys: ['ranges'] },
    )
  })
const serve = fc.oneof(fc.record({ variant: fc.constantFrom<string>(...VARIANTS) }), fc.record({ split }))
const rule = fc.record(
  { id: fc.constantFrom('1', '2', '3'), when: condition, serve },
  { requiredKeys: ['id', 'serve'] },
)

/** A flag whose parts are all of the right shape. */
export const flagDefinition: fc.Arbitrary<Json> = fc.record({
  type: fc.constant('string'),
  enabled: fc.oneof(
    { weight: 5, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  visibility: fc.constantFrom('server', 'client'),
  variants: fc.constant({ on: 'ON', off: 'OFF', maybe: 'MAYBE' }),
  offVariant: fc.constantFrom(...VARIANTS, null),
  prerequisites: fc.array(
    fc.record({ flag: fc.constantFrom<string>(...FLAGS, 'gone'), variants: fc.subarray([...VARIANTS]) }),
    { maxLength: 2 },
  ),
  targets: fc.array(
    fc.record({
      variant: fc.constantFrom<string>(...VARIANTS),
      by: fc.constantFrom<string>(...PATHS),
      units: fc.array(text, { maxLength: 3 }),
    }),
    { maxLength: 2 },
  ),
  rules: fc.array(rule, { maxLength: 4 }),
  fallthrough: fc.option(serve),
}) as fc.Arbitrary<Json>

const segmentDefinition = fc.record(
  { by: fc.constantFrom<string>(...PATHS), when: fc.option(condition), ignoreCase: fc.constant(true) },
  { requiredKeys: ['when'] },
) as fc.Arbitrary<Json>

/** Definitions by kind and key; some are broken, some in no kind that is known. */
const documents = fc.record({
  flag: fc.dictionary(
    fc.constantFrom<string>(...FLAGS, '__proto__'),
    fc.oneof({ weight: 6, arbitrary: flagDefinition }, { weight: 1, arbitrary: almostDefinition }),
    { maxKeys: 4 },
  ),
  segment: fc.dictionary(
    fc.constantFrom<string>(...SEGMENTS),
    fc.oneof({ weight: 6, arbitrary: segmentDefinition }, { weight: 1, arbitrary: almostDefinition }),
    { maxKeys: 3 },
  ),
  members: fc.dictionary(
    fc
      .tuple(fc.constantFrom(...SEGMENTS), fc.constantFrom('pro', 'PRO', 'x'))
      .map(([segment, unit]) => `${segment}/${memberChunk(unit)}`),
    fc.oneof(
      fc.record({ included: fc.subarray(['pro', 'x']), excluded: fc.subarray(['PRO']) }),
      almostDefinition,
    ),
    { maxKeys: 3 },
  ),
  kill: fc.dictionary(
    fc.constantFrom<string>(...FLAGS),
    fc.constantFrom<Json>({ id: 'k1' }, { id: 'k2' }, 'broken'),
    { maxKeys: 1 },
  ),
  newer: fc.dictionary(text, anyJson, { maxKeys: 2 }),
})

function written(
  before: State,
  edits: { readonly [kind: string]: { readonly [key: string]: Json | null } },
): State {
  const revision = before.revision + 1
  const entries = new Map([...before.entries].map(([kind, ofKind]) => [kind, new Map<string, Entry>(ofKind)]))
  for (const [kind, ofKind] of Object.entries(edits)) {
    const map = entries.get(kind) ?? new Map<string, Entry>()
    for (const [key, definition] of Object.entries(ofKind)) {
      if (definition === null) map.delete(key)
      else map.set(key, { revision, definition })
    }
    if (map.size > 0) entries.set(kind, map)
    else entries.delete(kind)
  }
  return { ...before, revision, entries, digest: digestOf(entries) }
}

const EMPTY: State = {
  project: 'shop',
  environment: 'production',
  epoch: EPOCH,
  revision: 0,
  digest: 0,
  entries: new Map(),
  pending: new Map(),
  endedKills: new Set(),
}

/** The state of a log after some edits. */
export const state: fc.Arbitrary<State> = documents.map((edits) => written(EMPTY, edits))

/** A log's states, one after another: each edit rewrites some documents and removes others. */
export const history: fc.Arbitrary<readonly State[]> = fc
  .tuple(state, fc.array(fc.tuple(documents, documents), { minLength: 1, maxLength: 4 }))
  .map(([first, edits]) => {
    const states = [first]
    for (const [more, fewer] of edits) {
      const removals = Object.fromEntries(
        Object.entries(fewer).map(([kind, ofKind]) => [
          kind,
          Object.fromEntries(Object.keys(ofKind).map((key) => [key, null])),
        ]),
      )
      states.push(written(written(states.at(-1) as State, removals), more))
    }
    return states
  })

const found = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.constantFrom(null, undefined, {}, Number.NaN),
)

/** Contexts with the attributes that the definitions ask for, of any type. */
export const context = fc.oneof(
  fc.record(
    {
      targetingKey: fc.oneof(text, fc.integer()),
      plan: found,
      version: found,
      ip: found,
      at: found,
      company: fc.oneof(found, fc.record({ size: found })),
    },
    { requiredKeys: [] },
  ),
  fc.object(),
) as fc.Arbitrary<{ [attribute: string]: unknown }>

/** Values that nobody should pass as a context. */
export const anyContext: fc.Arbitrary<unknown> = fc.oneof(
  context,
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
  }),
  fc.constantFrom<unknown>(
    () => 1,
    Symbol('x'),
    new Proxy(
      {},
      {
        get: () => Number.NaN,
        has: () => true,
        getOwnPropertyDescriptor: () => ({ configurable: true, value: 1 }),
      },
    ),
    new Proxy({}, { getOwnPropertyDescriptor: throwing, get: throwing }),
    Object.defineProperty({}, 'plan', { get: throwing, enumerable: true }),
  ),
)

function throwing(): never {
  throw new Error('boom')
}

export const now = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(Date.UTC(2027, 0, 1)), fc.double())

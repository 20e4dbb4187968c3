import { check, type Range, type Split, type State } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addRule,
  archiveFlag,
  BUCKETS,
  bucketsOf,
  type Change,
  canonical,
  commitAll,
  createFlag,
  deleteSegment,
  type Edit,
  entriesOf,
  flagOf,
  heldBuckets,
  kill,
  PARTS,
  type Part,
  Problem,
  promote,
  putConfiguration,
  putSegment,
  replaceMembers,
  revert,
  SEGMENT_PARTS,
  unarchiveFlag,
  unkill,
} from '../../../server/domain/index.ts'
import { ANY, World } from '../../unit/domain/world.ts'
import { anything, condition, configuration, FLAGS, SEGMENTS, shares } from './documents.ts'

const base = { variants: { on: true, off: false, other: true }, offVariant: 'off' } as const

function populated(): World {
  const world = World.started()
  for (const key of FLAGS) world.commit(createFlag(world.project, { key, type: 'boolean', ...base }))
  for (const environment of ['staging', 'production']) {
    const id = world.environment(environment)
    for (const key of SEGMENTS) world.commit(putSegment(id, key, {}, {}))
    world.commit(addRule(id, 'a', { id: 'r1', serve: { variant: 'on' } }))
  }
  return world
}

/** Commits the edit, or is told why not; anything else that is thrown fails the test. */
function attempt<R>(world: World, edit: Edit<R>): Change<R> | Problem {
  try {
    return world.commit(edit)
  } catch (error) {
    if (error instanceof Problem && error.status < 500) return error
    throw error
  }
}

const flag = fc.constantFrom(...FLAGS)
const segment = fc.constantFrom(...SEGMENTS)
const units = fc.array(
  fc.nat(40).map((n) => `User-${n}`),
  { maxLength: 8 },
)

type Step = (world: World, environment: string) => Edit<unknown>
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(flag, configuration).map(
      ([key, input]): Step =>
        (_, env) =>
          putConfiguration(env, key, input as never, ANY),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(segment, fc.option(condition), fc.boolean()).map(
      ([key, when, ignoreCase]): Step =>
        (world, env) => {
          const exists = entriesOf(world.state(env), 'segment').has(key)
          return putSegment(env, key, { when: when as never, ignoreCase }, exists ? ANY : {})
        },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(segment, units, units).map(
      ([key, included, excluded]): Step =>
        (_, env) =>
          replaceMembers(env, key, { included, excluded }),
    ),
  },
  {
    weight: 1,
    arbitrary: segment.map(
      (key): Step =>
        (_, env) =>
          deleteSegment(env, key, ANY),
    ),
  },
  {
    weight: 2,
    arbitrary: flag.map(
      (key): Step =>
        (_, env) =>
          kill(env, key),
    ),
  },
  {
    weight: 1,
    arbitrary: flag.map(
      (key): Step =>
        (_, env) =>
          unkill(env, key),
    ),
  },
  {
    weight: 1,
    arbitrary: flag.map(
      (key): Step =>
        (_, env) =>
          commitAll(env, [{ op: 'delete', kind: 'flag', key }]),
    ),
  },
  {
    weight: 1,
    arbitrary: flag.map(
      (key): Step =>
        ({ project }) =>
          archiveFlag(project, key),
    ),
  },
  {
    weight: 2,
    arbitrary: flag.map(
      (key): Step =>
        ({ project }) =>
          unarchiveFlag(project, key),
    ),
  },
)
const history = fc.array(step, { minLength: 2, maxLength: 25 })

/** The documents of a kind, as text. */
const textsOf = (state: State, kind: string): [string, string][] =>
  [...entriesOf(state, kind)]
    .map(([key, { definition }]): [string, string] => [key, canonical(definition)])
    .sort()

describe('a revert', () => {
  it('of all makes flags, segments and members what they were, to the byte, and leaves kills alone', () => {
    let reverted = 0
    fc.assert(
      fc.property(history, fc.nat(), (steps, which) => {
        const world = populated()
        const env = world.environment()
        const states = [world.state(env)]
        for (const one of steps) {
          attempt(world, one(world, env))
          states.push(world.state(env))
        }
        const past = states[which % states.length]!
        const kills = textsOf(world.state(env), 'kill')
        const change = attempt(world, revert(env, past))
        expect(textsOf(world.state(env), 'kill')).toEqual(kills)
        if (change instanceof Problem) {
          // A flag that is archived by now stays away, and those that required it cannot come back without it.
          expect(change.message).toMatch(/as it was at \/prerequisites\/\d\/flag: There is no flag/)
          return
        }
        reverted += 1
        const state = world.state(env)
        const there = textsOf(past, 'flag').filter(([key]) => world.identity(key)?.archived === null)
        expect(textsOf(state, 'flag')).toEqual(there)
        for (const kind of ['segment', 'members']) expect(textsOf(state, kind)).toEqual(textsOf(past, kind))
        expect(world.commit(revert(env, past)).edits.size).toBe(0)
      }),
      { numRuns: 150 },
    )
    expect(reverted).toBeGreaterThan(100)
  })

  it('of some makes these what they were, and touches no other document', () => {
    let reverted = 0
    fc.assert(
      fc.property(
        history,
        fc.nat(),
        fc.subarray(FLAGS),
        fc.subarray(SEGMENTS),
        (steps, which, flags, segments) => {
          const world = populated()
          const env = world.environment()
          const states = [world.state(env)]
          for (const one of steps) {
            attempt(world, one(world, env))
            states.push(world.state(env))
          }
          const past = states[which % states.length]!
          const before = world.state(env)
          if (attempt(world, revert(env, past, { flags, segments })) instanceof Problem) return
          reverted += 1
          const state = world.state(env)
          const named = ([key]: [string, string]): boolean =>
            [...flags, ...segments].includes(String(key.split('/')[0]))
          const others = (entry: [string, string]): boolean => !named(entry)
          for (const kind of ['flag', 'segment', 'members']) {
            expect(textsOf(state, kind).filter(named)).toEqual(textsOf(past, kind).filter(named))
            expect(textsOf(state, kind).filter(others)).toEqual(textsOf(before, kind).filter(others))
          }
          expect(textsOf(state, 'kill')).toEqual(textsOf(before, 'kill'))
          for (const finding of check(state, entriesOf(state, 'flag').keys()).values()) {
            expect(finding).toEqual({ skipped: [] })
          }
        },
      ),
      { numRuns: 150 },
    )
    expect(reverted).toBeGreaterThan(50)
  })

  it('of any JSON is carried out, or refused with a problem', () => {
    const world = populated()
    const past = world.state(world.environment())
    fc.assert(
      fc.property(anything, (json) => {
        attempt(world, revert(world.environment(), past, json as never))
      }),
    )
  })
})

const splitOf = (serve: unknown): Split | undefined => (serve as { split?: Split } | null | undefined)?.split

/** Who has each bucket; undefined for nobody. */
function ownersOf(ranges: readonly Range[]): (string | undefined)[] {
  const owners: (string | undefined)[] = new Array(BUCKETS).fill(undefined)
  for (const { variant, from, to } of ranges) owners.fill(variant, from, to)
  return owners
}
const movedBetween = (before: Split, after: Split): number => {
  const [a, b] = [ownersOf(before.ranges), ownersOf(after.ranges)]
  return a.reduce<number>((sum, owner, bucket) => sum + (owner === b[bucket] ? 0 : 1), 0)
}
/** The fewest buckets that can change when a split gets these shares. */
function fewest(before: Split, shares: Split['shares']): number {
  const had = heldBuckets(before.ranges)
  const wanted = new Map(shares.map(({ variant, percent }) => [variant, bucketsOf(percent)]))
  let gains = 0
  let losses = 0
  for (const variant of new Set([...had.keys(), ...wanted.keys()])) {
    const change = (wanted.get(variant) ?? 0) - (had.get(variant) ?? 0)
    if (change > 0) gains += change
    else losses -= change
  }
  return Math.max(gains, losses)
}

const promotion = fc.record({
  flags: fc.subarray(FLAGS, { minLength: 1 }),
  parts: fc.option(fc.subarray<Part>([...PARTS], { minLength: 1 }), { nil: undefined }),
  segments: fc.option(fc.constantFrom(...SEGMENT_PARTS), { nil: undefined }),
})
const twoSides = fc.tuple(fc.array(step, { maxLength: 16 }), fc.array(step, { maxLength: 16 }))

/** Plays both histories, promotes, and tells what was and what is; nothing where it was refused. */
function played([staged, produced]: readonly [Step[], Step[]], input: Parameters<typeof promote>[2]) {
  const world = populated()
  const [from, to] = [world.environment('staging'), world.environment()]
  for (const one of staged) attempt(world, one(world, from))
  for (const one of produced) attempt(world, one(world, to))
  const [source, before] = [world.state(from), world.state(to)]
  const change = attempt(world, promote(from, to, input))
  if (change instanceof Problem) {
    expect(world.state(to)).toBe(before)
    return undefined
  }
  expect(world.state(from)).toBe(source)
  return { world, from, to, source, before, after: world.state(to), change }
}

describe('a promotion', () => {
  it('leaves a sound environment, brings only what is asked, and has then nothing more to bring', () => {
    let promoted = 0
    fc.assert(
      fc.property(twoSides, promotion, (sides, input) => {
        const done = played(sides, input)
        if (done === undefined) return
        const { world, from, to, source, before, after } = done
        promoted += 1
        for (const finding of check(after, entriesOf(after, 'flag').keys()).values()) {
          expect(finding).toEqual({ skipped: [] })
        }
        expect(textsOf(after, 'kill')).toEqual(textsOf(before, 'kill'))
        const parts = new Set<Part>(input.parts ?? ['variants', 'prerequisites', 'rules', 'fallthrough'])
        for (const key of FLAGS) {
          const [theirs, was, is] = [source, before, after].map((state) => flagOf(state, key))
          if (!input.flags.includes(key)) expect(is).toEqual(was)
          else {
            for (const part of ['targets', 'enabled', 'prerequisites', 'variants'] as const) {
              const otherwise = was === undefined ? (part === 'enabled' ? false : []) : was[part]
              expect(is?.[part]).toEqual(parts.has(part) ? theirs?.[part] : otherwise)
            }
            if (parts.has('rules'))
              expect(is?.rules.map(({ id }) => id)).toEqual(theirs?.rules.map(({ id }) => id))
          }
        }
        if (input.segments !== 'members') {
          const segments = new Set(entriesOf(before, 'segment').keys())
          for (const [key] of textsOf(after, 'members')) expect(segments).toContain(key.split('/')[0])
        }
        const again = world.run(promote(from, to, input))
        expect([again.edits.size, again.warnings]).toEqual([0, []])
      }),
      { numRuns: 200 },
    )
    expect(promoted).toBeGreaterThan(100)
  })

  /** The flag `a`, split here and there: mostly by the same salt. */
  const salt = fc.constantFrom('x', 'x', 'x', 'y')
  const splits = (whole: boolean) => fc.record({ salt, shares: shares(whole) }).map((split) => ({ split }))
  const ramped = fc
    .record({
      rules: fc.uniqueArray(fc.record({ id: fc.constantFrom('r1', 'r2', 'r3'), serve: splits(false) }), {
        selector: ({ id }) => id,
      }),
      fallthrough: splits(true),
    })
    .map(
      (input): Step =>
        (_, env) =>
          putConfiguration(env, 'a', { ...base, ...input }, ANY),
    )
  const ramps = fc.array(ramped, { minLength: 1, maxLength: 5 })

  /** By rule, and under the empty id in the fallthrough. */
  const splitsOf = (state: State): Map<string, Split | undefined> => {
    const config = flagOf(state, 'a')
    return new Map([
      ['', splitOf(config?.fallthrough)],
      ...(config?.rules ?? []).map(({ id, serve }) => [id, splitOf(serve)] as const),
    ])
  }
  /** Each split that both sides have, before and after. */
  function* splitsOfBoth(sides: readonly [Step[], Step[]], parts?: Part[]) {
    const done = played(sides, { flags: ['a'], ...(parts && { parts }) })
    if (done === undefined) throw new Error('The promotion was refused.')
    const [theirs, was, is] = [done.source, done.before, done.after].map(splitsOf)
    for (const [place, before] of was ?? []) {
      const [source, after] = [theirs?.get(place), is?.get(place)]
      if (before !== undefined && source !== undefined && after !== undefined)
        yield { place, source, before, after }
    }
  }

  it('never moves a user of a rule that the target has, unless the shares are asked for', () => {
    let kept = 0
    fc.assert(
      fc.property(ramps, ramps, (staged, produced) => {
        for (const { place, before, after } of splitsOfBoth([staged, produced])) {
          if (place === '') continue
          kept += 1
          expect(after).toEqual(before)
        }
      }),
      { numRuns: 60 },
    )
    expect(kept).toBeGreaterThan(30)
  })

  it('moves exactly the fewest users where it reweights: in the fallthrough, and in rules if shares are asked for', () => {
    let reweighted = 0
    fc.assert(
      fc.property(ramps, ramps, (staged, produced) => {
        for (const { source, before, after } of splitsOfBoth(
          [staged, produced],
          ['rules', 'fallthrough', 'shares'],
        )) {
          if (source.salt !== before.salt) {
            expect(after).toEqual(source)
            continue
          }
          reweighted += 1
          expect({ ...after, ranges: [] }).toEqual({ ...source, ranges: [] })
          expect(movedBetween(before, after)).toBe(fewest(before, source.shares))
        }
      }),
      { numRuns: 60 },
    )
    expect(reweighted).toBeGreaterThan(30)
  })

  it('of any JSON is carried out, or refused with a problem', () => {
    const world = populated()
    const [from, to] = [world.environment('staging'), world.environment()]
    const near = fc.record(
      { flags: fc.oneof(fc.subarray(FLAGS), anything), parts: anything, segments: anything, plan: anything },
      { requiredKeys: ['flags'] },
    )
    fc.assert(
      fc.property(fc.oneof(anything, near), (json) => {
        attempt(world, promote(from, to, json as never))
      }),
    )
  })
})

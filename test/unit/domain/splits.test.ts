import type { Split } from '@halyard/sdk/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createFlag,
  type FlagConfigInput,
  patchConfiguration,
  putConfiguration,
  putFallthrough,
  type SplitInput,
} from '../../../server/domain/index.ts'
import { ANY, faultsOf, pointersOf, World } from './world.ts'

let world: World
let env: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
  env = world.environment()
  world.commit(createFlag(world.project, { key: 'checkout', type: 'boolean' }))
})

const shares = (on: number) => [
  { variant: 'on', percent: on },
  { variant: 'off', percent: 100 - on },
]
const split = (on: number, more: Partial<SplitInput> = {}, options = {}) =>
  world.commit(putFallthrough(env, 'checkout', { split: { shares: shares(on), ...more } }, ANY, options))
const ranges = (): Split['ranges'] => (world.flag('checkout').fallthrough as { split: Split }).split.ranges
const moves = (change: { warnings: readonly { code: string; share?: number }[] }) =>
  change.warnings.filter(({ code }) => code === 'users-may-move').map(({ share }) => share)

describe('a split', () => {
  it('has the flag’s key as its salt, and the targeting key as its unit', () => {
    expect(split(25).result.fallthrough).toEqual({
      split: {
        by: 'targetingKey',
        salt: 'checkout',
        shares: shares(25),
        ranges: [
          { variant: 'on', from: 0, to: 25_000 },
          { variant: 'off', from: 25_000, to: 100_000 },
        ],
      },
    })
  })

  it('keeps its users when it is reweighted', () => {
    split(25)
    split(10)
    expect(moves(split(40))).toEqual([])
    expect(ranges()).toEqual([
      { variant: 'on', from: 0, to: 10_000 },
      { variant: 'off', from: 10_000, to: 70_000 },
      { variant: 'on', from: 70_000, to: 100_000 },
    ])
  })

  it('ignores ranges that are given', () => {
    expect(split(25, { ranges: [{ variant: 'on', from: 0, to: 100_000 }] }).result.fallthrough).toMatchObject(
      {
        split: { ranges: [{ to: 25_000 }, { to: 100_000 }] },
      },
    )
  })

  it('starts afresh with a new salt, and says what share of users may move', () => {
    split(50)
    expect(moves(split(50, { salt: 'new' }))).toEqual([0.5])
    expect(moves(split(0, { salt: 'newer' }))).toEqual([0.5])
    expect(moves(split(0, { salt: 'newest' }))).toEqual([])
  })

  it('starts afresh with another attribute, counting who was in no range', () => {
    const rule = (by: string) => ({
      ...base,
      rules: [{ id: 'ramp', serve: { split: { by, shares: [{ variant: 'on', percent: 20 }] } } }],
    })
    world.commit(putConfiguration(env, 'checkout', rule('user'), ANY))
    const change = world.commit(putConfiguration(env, 'checkout', rule('account'), ANY))
    expect(change.warnings).toEqual([
      {
        code: 'users-may-move',
        pointer: '/rules/0/serve/split',
        share: expect.closeTo(0.32),
        message: expect.stringContaining('About 32 percent'),
      },
    ])
  })

  it('warns of a variant that was renamed, and moves nobody else', () => {
    split(30)
    const renamed: FlagConfigInput = {
      variants: { yes: true, off: false },
      fallthrough: {
        split: {
          shares: [
            { variant: 'yes', percent: 30 },
            { variant: 'off', percent: 70 },
          ],
        },
      },
    }
    expect(moves(world.commit(putConfiguration(env, 'checkout', renamed, ANY)))).toEqual([0.3])
    expect(ranges()).toEqual([
      { variant: 'yes', from: 0, to: 30_000 },
      { variant: 'off', from: 30_000, to: 100_000 },
    ])
  })

  it('warns of nothing when a variant merely loses its share', () => {
    split(30)
    const { warnings } = world.commit(
      putFallthrough(env, 'checkout', { split: { shares: [{ variant: 'off', percent: 100 }] } }, ANY),
    )
    expect(moves({ warnings })).toEqual([])
  })

  it('is found by its rule’s id, wherever the rule stands', () => {
    const rule = (id: string, percent: number) => ({
      id,
      serve: {
        split: {
          shares: [
            { variant: 'off', percent: 10 },
            { variant: 'on', percent },
          ],
        },
      },
    })
    world.commit(putConfiguration(env, 'checkout', { ...base, rules: [rule('a', 20), rule('b', 40)] }, ANY))
    world.commit(
      putConfiguration(env, 'checkout', { ...base, rules: [rule('b', 5), rule('a', 30), rule('c', 5)] }, ANY),
    )
    const found = world
      .flag('checkout')
      .rules.map(({ serve }) => (serve as { split: Split }).split.ranges.at(-1))
    expect(found).toEqual([
      { variant: 'on', from: 10_000, to: 15_000 },
      { variant: 'on', from: 10_000, to: 40_000 },
      { variant: 'on', from: 10_000, to: 15_000 },
    ])
  })

  it('starts afresh where the stored ranges cannot be right', () => {
    split(50)
    const broken = structuredClone(world.flag('checkout')) as unknown as {
      fallthrough: { split: { ranges: unknown } }
    }
    broken.fallthrough.split.ranges = [
      { variant: 'on', from: 0, to: 60_000 },
      { variant: 'off', from: 50_000, to: 100_000 },
    ]
    world.apply(env, [{ kind: 'flag', key: 'checkout', definition: broken as never }])
    split(50)
    expect(ranges()[0]).toEqual({ variant: 'on', from: 0, to: 50_000 })
  })
})

describe('with kept ranges', () => {
  const kept = [
    { variant: 'off', from: 0, to: 75_000 },
    { variant: 'on', from: 75_000, to: 100_000 },
  ]

  it('a split is written as it was read', () => {
    split(25, { ranges: [...kept].reverse() }, { keepRanges: true })
    expect(ranges()).toEqual(kept)
  })

  it('adjacent ranges of a variant are merged', () => {
    const cut = [{ variant: 'off', from: 0, to: 7 }, { variant: 'off', from: 7, to: 75_000 }, kept[1]!]
    split(25, { ranges: cut }, { keepRanges: true })
    expect(ranges()).toEqual(kept)
  })

  it('a split without ranges is reweighted', () => {
    split(25, { ranges: kept }, { keepRanges: true })
    split(35, {}, { keepRanges: true })
    expect(ranges()).toContainEqual({ variant: 'on', from: 65_000, to: 100_000 })
  })

  it('ranges that are none, or not what the shares say, are refused', () => {
    const attempt = (given: unknown) => () => split(25, { ranges: given as never }, { keepRanges: true })
    expect(pointersOf(attempt('all'))).toEqual(['/split/ranges'])
    expect(pointersOf(attempt([kept[0], kept[0]]))).toEqual(['/split/ranges'])
    expect(faultsOf(attempt([kept[0]]))).toEqual([
      '/split/ranges: The ranges of "on" are not its share: send both as they were read.',
    ])
    const stranger = { variant: 'x', from: 0, to: 1 }
    expect(faultsOf(attempt([stranger]))).toHaveLength(3)
    world.commit(patchConfiguration(env, 'checkout', { variants: { x: true } }, ANY))
    const unused = {
      split: {
        shares: [{ variant: 'on', percent: 25 }],
        ranges: [kept[1]!, { variant: 'x', from: 0, to: 9 }],
      },
    }
    const rules = [{ id: 'r', serve: unused }]
    const put = () =>
      world.run(
        putConfiguration(env, 'checkout', { ...world.flag('checkout'), rules }, ANY, { keepRanges: true }),
      )
    expect(faultsOf(put)[0]).toContain('The ranges of "x" are not its share')
  })

  it('a thousand ranges are the most', () => {
    const pieces = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        variant: index % 2 === 0 ? 'on' : 'off',
        from: index,
        to: index + 1,
      }))
    const write = (count: number) => {
      const last = { variant: 'off', from: count, to: 100_000 }
      const all = [...pieces(count), last]
      const on = Math.ceil(count / 2) / 1_000
      return split(
        on,
        {
          ranges: all,
          shares: [
            { variant: 'on', percent: on },
            { variant: 'off', percent: 100 - on },
          ],
        },
        { keepRanges: true },
      )
    }
    write(999)
    expect(ranges()).toHaveLength(1_000)
    expect(faultsOf(() => write(1_001))[0]).toContain(
      '1002 ranges, more than 1000. A new salt starts it afresh',
    )
  })
})

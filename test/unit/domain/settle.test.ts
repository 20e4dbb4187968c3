import { beforeEach, describe, expect, it } from 'vitest'
import {
  createFlag,
  type FlagConfigInput,
  patchConfiguration,
  putConfiguration,
  putSegment,
  setEnabled,
} from '../../../server/domain/index.ts'
import { ANY, faultsOf, pointersOf, World } from './world.ts'

let world: World
let env: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
  env = world.environment()
  for (const key of ['a', 'b', 'c']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
})
const put = (flag: string, input: Partial<FlagConfigInput>) =>
  world.commit(putConfiguration(env, flag, { ...base, ...input }, ANY))
const requires = (...flags: string[]) => ({
  prerequisites: flags.map((flag) => ({ flag, variants: ['on'] })),
})

describe('prerequisites', () => {
  it('that close a cycle are refused, with its path', () => {
    put('a', requires('b'))
    put('b', requires('c'))
    expect(faultsOf(() => put('c', requires('a')))).toEqual([
      '/prerequisites/0/flag: This makes a cycle: c → a → b → c.',
    ])
    expect(world.flag('c').prerequisites).toEqual([])
  })

  it('may meet again without being a cycle', () => {
    put('a', requires('b', 'c'))
    put('b', requires('c'))
    put('c', { enabled: true })
    expect(put('a', { ...requires('b', 'c'), enabled: true }).result.enabled).toBe(true)
  })

  it('keep the variants that they name', () => {
    put('a', requires('b'))
    put('c', { prerequisites: [{ flag: 'b', variants: ['off'] }] })
    const remove = () => world.run(patchConfiguration(env, 'b', { variants: { on: null, yes: true } }, ANY))
    expect(faultsOf(remove)).toEqual([
      '/variants: The flag "a" requires the variant "on"; keep it, or change that flag first.',
    ])
    put('a', {})
    expect(remove().result.variants).toEqual({ off: false, yes: true })
  })

  it('of a chain of thousands are followed without recursion', () => {
    const edits = Array.from({ length: 9_000 }, (_, index) => ({
      kind: 'flag',
      key: `f${index}`,
      definition: {
        ...base,
        type: 'boolean',
        prerequisites: [{ flag: `f${index + 1}`, variants: ['on'] }],
      } as never,
    }))
    world.apply(env, edits)
    expect(pointersOf(() => put('a', requires('f0', 'a')))).toEqual(['/prerequisites/1/flag'])
  })

  it('on a flag whose stored document is broken are told, not thrown', () => {
    world.apply(env, [
      { kind: 'flag', key: 'b', definition: 5 },
      {
        kind: 'flag',
        key: 'c',
        definition: { prerequisites: [5, { flag: 7 }, { flag: 'a', variants: [7, 'on'] }] },
      },
    ])
    expect(faultsOf(() => put('a', requires('b')))).toEqual([
      '/prerequisites/0/variants/0: The flag "b" has no variant "on".',
    ])
    put('a', { variants: { ...base.variants, extra: true } })
    expect(put('a', {}).result.variants).toEqual(base.variants)
  })

  it('that close a long cycle are shown cut', () => {
    const link = (index: number) => ({
      kind: 'flag',
      key: `f${index}`,
      definition: { ...base, type: 'boolean', ...requires(index === 50 ? 'a' : `f${index + 1}`) } as never,
    })
    world.apply(
      env,
      Array.from({ length: 51 }, (_, index) => link(index)),
    )
    const [fault] = faultsOf(() => put('a', requires('f0')))
    expect(fault).toContain('a → f0 → f1 → f2 → f3 → f4 → f5 → f6 → f7 → f8 → … → f50 → a.')
  })

  it('that close very many cycles are told of a hundred', () => {
    const back = Array.from({ length: 150 }, (_, index) => ({
      kind: 'flag',
      key: `f${index}`,
      definition: { ...base, type: 'boolean', ...requires('a', `f${index + 1}`) } as never,
    }))
    world.apply(env, [...back, { kind: 'flag', key: 'f150', definition: { ...base } }])
    expect(faultsOf(() => put('a', requires('f0')))).toHaveLength(100)
  })

  it('that were in a cycle before are no fault of an edit elsewhere', () => {
    const config = (flag: string) => ({
      ...base,
      type: 'boolean',
      enabled: true,
      visibility: 'server',
      targets: [],
      rules: [],
      fallthrough: null,
      ...requires(flag),
    })
    world.apply(env, [
      { kind: 'flag', key: 'b', definition: config('c') as never },
      { kind: 'flag', key: 'c', definition: config('b') as never },
    ])
    world.commit(setEnabled(env, 'a', true))
    put('a', requires('b'))
  })
})

describe('what depends on a change', () => {
  it('is no reason to refuse it when it was broken before', () => {
    const broken = (key: string) => ({
      kind: 'flag',
      key,
      definition: { ...requires('a'), type: 'nonsense' } as never,
    })
    world.apply(env, [broken('b'), broken('c')])
    put('a', { variants: { ...base.variants, extra: true } })
    expect(put('a', {}).result.variants).toEqual(base.variants)
  })
})

describe('segments that name segments', () => {
  /** Each names the next one many times over, so that written out they are more than can be evaluated. */
  const tower = (floors: number) =>
    Array.from({ length: floors }, (_, index) => ({
      kind: 'segment',
      key: `s${index}`,
      definition: {
        by: 'targetingKey',
        when: { any: Array.from({ length: 150 }, () => ({ segment: `s${index + 1}` })) },
      },
    }))
  const named = {
    rules: [
      { id: 'first', serve: { variant: 'off' } },
      { id: 'r', when: { segment: 's0' }, serve: { variant: 'on' } },
    ],
  }

  it('are refused in a rule when they are too much to evaluate', () => {
    world.apply(env, tower(3))
    world.apply(env, [{ kind: 'segment', key: 's3', definition: { by: 'targetingKey', when: null } }])
    expect(faultsOf(() => put('a', named))[0]).toMatch(/^\/rules\/1: The evaluator cannot take this: /)
  })

  it('are refused when a flag would not work any more', () => {
    world.apply(env, [
      ...tower(1),
      { kind: 'segment', key: 's1', definition: { by: 'targetingKey', when: null } },
    ])
    put('a', named)
    const [, second, third] = tower(3)
    world.apply(env, [third!, { kind: 'segment', key: 's3', definition: { by: 'targetingKey', when: null } }])
    const grow = () => world.run(putSegment(env, 's1', second!.definition as never, ANY))
    expect(faultsOf(grow)[0]).toMatch(/^: With this, the flag "a" would not work: /)
  })
})

describe('an environment', () => {
  it('has a size, up to which it may grow', () => {
    world.fill(env, 32 * 1024 * 1024)
    expect(faultsOf(() => put('a', { targets: [{ variant: 'on', units: ['anna'] }] }))[0]).toContain(
      'at most 33554432 bytes',
    )
    world.commit(setEnabled(env, 'a', true))
  })

  it('has at most 1,000 segments', () => {
    const segment = { by: 'targetingKey', when: null }
    world.apply(
      env,
      Array.from({ length: 1_000 }, (_, i) => ({ kind: 'segment', key: `s${i}`, definition: segment })),
    )
    expect(faultsOf(() => world.run(putSegment(env, 'more', {}, {})))).toEqual([
      ': An environment has at most 1000 segments; archive or delete some.',
    ])
    world.commit(putSegment(env, 's1', { by: 'account' }, ANY))
  })
})

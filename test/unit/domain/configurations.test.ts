import { beforeEach, describe, expect, it } from 'vitest'
import {
  addRule,
  archiveFlag,
  createFlag,
  deleteRule,
  deleteTargets,
  type FlagConfigInput,
  patchConfiguration,
  patchRule,
  putConfiguration,
  putFallthrough,
  putTargets,
  SYSTEM,
  setEnabled,
} from '../../../server/domain/index.ts'
import { ANY, faultsOf, pointersOf, problemOf, World } from './world.ts'

let world: World
let env: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const
const put = (input: FlagConfigInput, options = {}) =>
  world.commit(putConfiguration(env, 'checkout', input, ANY, options))

beforeEach(() => {
  world = World.started()
  env = world.environment()
  world.commit(createFlag(world.project, { key: 'checkout', type: 'boolean' }))
})

describe('PUT of a configuration', () => {
  it('fills in what people leave out', () => {
    const { result } = put({ ...base, rules: [{ serve: { variant: 'on' } }] })
    expect(result).toEqual({
      type: 'boolean',
      enabled: false,
      visibility: 'server',
      variants: { on: true, off: false },
      offVariant: 'off',
      prerequisites: [],
      targets: [],
      rules: [{ id: expect.stringMatching(/^m\d+$/), serve: { variant: 'on' } }],
      fallthrough: null,
    })
    expect(world.flag('checkout')).toEqual(result)
  })

  it('keeps everything that is given', () => {
    const input: FlagConfigInput = {
      ...base,
      type: 'boolean',
      enabled: true,
      visibility: 'client',
      targets: [
        { variant: 'on', units: ['anna', 7] },
        { variant: 'off', by: 'account', units: ['acme'] },
      ],
      rules: [
        {
          id: 'pro',
          description: 'Paying customers',
          when: {
            all: [
              { attribute: 'plan', op: 'in', values: ['pro'] },
              { not: { attribute: 'bot', op: 'exists' } },
            ],
          },
          serve: { variant: 'on' },
        },
      ],
      fallthrough: { variant: 'off' },
    }
    expect(put(input).result).toEqual({
      ...input,
      prerequisites: [],
      targets: [
        { variant: 'on', by: 'targetingKey', units: ['anna', '7'] },
        { variant: 'off', by: 'account', units: ['acme'] },
      ],
      rules: [
        {
          ...input.rules![0],
          when: {
            all: [
              { attribute: 'plan', op: 'in', values: ['pro'] },
              { not: { attribute: 'bot', op: 'exists', values: [] } },
            ],
          },
        },
      ],
    })
  })

  it('takes back what a GET shows, and writes nothing', () => {
    put({ ...base, fallthrough: { split: { shares: [{ variant: 'on', percent: 100 }] } } })
    const shown = {
      ...world.flag('checkout'),
      key: 'checkout',
      epoch: 1,
      revision: 9,
      changedAt: 'x',
      changedBy: {},
      kill: null,
    }
    expect(put(shown as FlagConfigInput).edits.size).toBe(0)
  })

  it('counts null, absent and unset as one for what is off and what falls through', () => {
    put({ variants: base.variants, offVariant: null, fallthrough: null })
    expect(put({ variants: base.variants }).edits.size).toBe(0)
  })

  it('drops repeated and empty targets', () => {
    const targets = [
      { variant: 'on', units: ['anna', 'anna'] },
      { variant: 'off', units: [] },
    ]
    expect(put({ ...base, targets }).result.targets).toEqual([
      { variant: 'on', by: 'targetingKey', units: ['anna'] },
    ])
  })

  it('asks for If-Match, and answers the current document when it is stale', () => {
    const attempt = (ifMatch?: string) =>
      problemOf(() => world.run(putConfiguration(env, 'checkout', base, { ifMatch })))
    expect(attempt().type).toBe('precondition-required')
    const stale = attempt('"1-999"')
    expect(stale.type).toBe('stale')
    expect(stale.details.current).toEqual({ epoch: 1, revision: 2, definition: world.flag('checkout') })
    expect(attempt(`W/${world.etag(env, 'flag', 'checkout')}`).type).toBe('stale')
    const read = `"0-1", ${world.etag(env, 'flag', 'checkout')}`
    world.commit(putConfiguration(env, 'checkout', { ...base, enabled: true }, { ifMatch: read }))
    expect(world.flag('checkout').enabled).toBe(true)
  })

  it('tells an unknown flag from an archived one, if the project is locked too', () => {
    const attempt = (flag: string, locked?: string[]) =>
      problemOf(() => world.run(putConfiguration(env, flag, base, {}), locked))
    expect(attempt('chekout').type).toBe('flag-not-found')
    expect(attempt('chekout').details.didYouMean).toBe('checkout')
    world.commit(archiveFlag(world.project, 'checkout'))
    expect(attempt('checkout').type).toBe('flag-archived')
    expect(attempt('checkout', [env]).type).toBe('flag-not-found')
    expect(attempt('checkout', [SYSTEM]).type).toBe('environment-not-found')
  })

  it('puts back a configuration that is not there, for a flag that exists', () => {
    world.apply(env, [{ kind: 'flag', key: 'checkout', definition: null }])
    expect(problemOf(() => world.run(setEnabled(env, 'checkout', true))).message).toContain('PUT one')
    expect(problemOf(() => world.run(putConfiguration(env, 'checkout', base, ANY))).type).toBe('stale')
    world.commit(putConfiguration(env, 'checkout', base, {}))
    expect(world.flag('checkout').type).toBe('boolean')
  })

  it('needs no project to be locked', () => {
    const { result } = world.commit(putConfiguration(env, 'checkout', { ...base, enabled: true }, ANY), [env])
    expect(result.type).toBe('boolean')
  })

  it('mends a flag whose stored configuration is broken', () => {
    world.apply(env, [{ kind: 'flag', key: 'checkout', definition: 7 }])
    expect(problemOf(() => world.run(setEnabled(env, 'checkout', true))).message).toContain('PUT a whole one')
    expect(pointersOf(() => world.run(putConfiguration(env, 'checkout', base, ANY), [env]))).toEqual([
      '/type',
    ])
    expect(put(base).result.type).toBe('boolean')
  })
})

describe('PATCH of a configuration', () => {
  const patch = (change: object) => world.commit(patchConfiguration(env, 'checkout', change as never, ANY))

  it('merges as RFC 7396 has it', () => {
    put({ ...base, fallthrough: { variant: 'on' } })
    const { result } = patch({ enabled: true, variants: { beta: true, off: false }, fallthrough: null })
    expect(result).toMatchObject({
      enabled: true,
      variants: { on: true, off: false, beta: true },
      fallthrough: null,
    })
    expect(patch({ variants: { beta: null } }).result.variants).toEqual({ on: true, off: false })
  })

  it('leaves alone what is undefined', () => {
    expect(patch({ enabled: true, visibility: undefined }).result).toMatchObject({
      enabled: true,
      visibility: 'server',
    })
  })

  it('removes the off variant by null', () => {
    expect(patch({ offVariant: null }).result.offVariant).toBeNull()
  })

  it('keeps the users of a split when only its shares change', () => {
    put({
      ...base,
      fallthrough: { split: { by: 'account', salt: 's', shares: [{ variant: 'on', percent: 100 }] } },
    })
    const { result, warnings } = patch({
      fallthrough: {
        split: {
          shares: [
            { variant: 'off', percent: 40 },
            { variant: 'on', percent: 60 },
          ],
        },
      },
    })
    expect(result.fallthrough).toMatchObject({
      split: {
        by: 'account',
        salt: 's',
        ranges: [
          { variant: 'on', from: 0, to: 60_000 },
          { variant: 'off', from: 60_000, to: 100_000 },
        ],
      },
    })
    expect(warnings.map(({ code }) => code)).not.toContain('users-may-move')
  })

  it('says how to switch from a split to a variant', () => {
    put({ ...base, fallthrough: { split: { shares: [{ variant: 'on', percent: 100 }] } } })
    const faults = faultsOf(() => patch({ fallthrough: { variant: 'on' } }))
    expect(faults).toEqual([
      '/fallthrough: Exactly one of variant and split is expected; a merge patch sets the other to null.',
    ])
    expect(patch({ fallthrough: { variant: 'on', split: null } }).result.fallthrough).toEqual({
      variant: 'on',
    })
  })

  it('refuses a patch that is no object, or too deep', () => {
    expect(pointersOf(() => patch(5 as never))).toEqual(['', '/variants'])
    expect(pointersOf(() => patch(undefined as never))).toEqual([''])
    let deep: unknown = {}
    for (let level = 0; level < 20_000; level += 1) deep = [deep]
    expect(problemOf(() => patch({ rules: deep })).message).toContain('64 levels')
  })

  it('does not take a flag that is not there', () => {
    expect(problemOf(() => world.run(patchConfiguration(env, 'nope', {}, {}))).type).toBe('flag-not-found')
    expect(problemOf(() => world.run(patchConfiguration(env, 'checkout', {}, {}))).type).toBe(
      'precondition-required',
    )
  })
})

describe('the small edits', () => {
  it('enable and disable without If-Match, and write nothing when it is so already', () => {
    expect(world.commit(setEnabled(env, 'checkout', true)).action).toBe('flag.enable')
    expect(world.commit(setEnabled(env, 'checkout', true)).edits.size).toBe(0)
    expect(world.commit(setEnabled(env, 'checkout', false)).action).toBe('flag.disable')
    expect(world.flag('checkout').enabled).toBe(false)
  })

  it('ask for If-Match where they replace or remove what somebody else may have changed', () => {
    world.commit(addRule(env, 'checkout', { id: 'a', serve: { variant: 'on' } }))
    for (const edit of [
      putFallthrough(env, 'checkout', { variant: 'on' }, {}),
      putTargets(env, 'checkout', 'on', { units: ['anna'] }, {}),
      deleteTargets(env, 'checkout', 'on', {}),
      patchRule(env, 'checkout', 'a', { serve: { variant: 'off' } }, {}),
      deleteRule(env, 'checkout', 'a', {}),
    ]) {
      expect(problemOf(() => world.run(edit)).type).toBe('precondition-required')
    }
  })

  it('hold an If-Match that is given', () => {
    expect(problemOf(() => world.run(setEnabled(env, 'checkout', true, { ifMatch: '"1-0"' }))).type).toBe(
      'stale',
    )
    const ifMatch = world.etag(env, 'flag', 'checkout')
    expect(world.commit(setEnabled(env, 'checkout', true, { ifMatch })).result.enabled).toBe(true)
  })

  it('set the fallthrough, with pointers into what was sent', () => {
    world.commit(putFallthrough(env, 'checkout', { variant: 'on' }, ANY))
    expect(world.flag('checkout').fallthrough).toEqual({ variant: 'on' })
    world.commit(putFallthrough(env, 'checkout', null, ANY))
    expect(world.flag('checkout').fallthrough).toBeNull()
    expect(pointersOf(() => world.run(putFallthrough(env, 'checkout', { variant: 'no' }, ANY)))).toEqual([
      '/variant',
    ])
  })

  it('set and remove the targets of a variant', () => {
    world.commit(putTargets(env, 'checkout', 'on', { units: ['anna'] }, ANY))
    world.commit(putTargets(env, 'checkout', 'off', { by: 'account', units: [7] }, ANY))
    world.commit(putTargets(env, 'checkout', 'on', { units: ['ben'] }, ANY))
    expect(world.flag('checkout').targets).toEqual([
      { variant: 'on', by: 'targetingKey', units: ['ben'] },
      { variant: 'off', by: 'account', units: ['7'] },
    ])
    expect(
      faultsOf(() => world.run(putTargets(env, 'checkout', 'off', { units: ['new', 'ben'] }, ANY))),
    ).toEqual(['/units/1: "ben" is a target of "on" already, which would win.'])
    world.commit(deleteTargets(env, 'checkout', 'on', ANY))
    expect(world.flag('checkout').targets).toHaveLength(1)
    expect(world.commit(deleteTargets(env, 'checkout', 'on', ANY)).edits.size).toBe(0)
    world.commit(putTargets(env, 'checkout', 'off', { units: [] }, ANY))
    expect(world.flag('checkout').targets).toEqual([])
  })

  it('know the variants', () => {
    const problem = problemOf(() => world.run(putTargets(env, 'checkout', 'onn', { units: [] }, ANY)))
    expect([problem.type, problem.details.didYouMean]).toEqual(['variant-not-found', 'on'])
    world.apply(env, [{ kind: 'flag', key: 'checkout', definition: {} }])
    expect(
      problemOf(() => world.run(deleteTargets(env, 'checkout', 'on', ANY))).details.didYouMean,
    ).toBeUndefined()
  })
})

describe('rules', () => {
  const ids = () => world.flag('checkout').rules.map(({ id }) => id)
  const rule = (id: string) => ({ id, serve: { variant: 'on' } })

  it('are added at the end, before one or after one', () => {
    world.commit(addRule(env, 'checkout', rule('b')))
    world.commit(addRule(env, 'checkout', rule('d')))
    world.commit(addRule(env, 'checkout', rule('a'), { before: 'b' }))
    world.commit(addRule(env, 'checkout', rule('c'), { after: 'b' }))
    expect(ids()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('are refused between two places, or at an unknown one', () => {
    world.commit(addRule(env, 'checkout', rule('first')))
    const add = (place: object) => () => world.run(addRule(env, 'checkout', rule('x'), place))
    expect(problemOf(add({ before: 'first', after: 'first' })).type).toBe('invalid-request')
    const problem = problemOf(add({ after: 'frist' }))
    expect([problem.type, problem.details.didYouMean]).toEqual(['rule-not-found', 'first'])
  })

  it('have faults pointing into the rule that was sent', () => {
    for (let index = 0; index < 10; index += 1) world.commit(addRule(env, 'checkout', rule(`r${index}`)))
    const broken = { ...rule('r0'), when: { attribute: 'a', op: 'is', values: [1] } }
    const problem = problemOf(() => world.run(addRule(env, 'checkout', broken, { after: 'r0' })))
    expect(problem.details.errors?.map(({ pointer }) => pointer)).toEqual(['/id', '/when/op'])
    expect(problem.details.didYouMean).toBe('in')
  })

  it('are a hundred at most, which is no fault of one of them', () => {
    const rules = Array.from({ length: 100 }, (_, index) => rule(`r${index}`))
    put({ ...base, rules })
    expect(pointersOf(() => world.run(addRule(env, 'checkout', rule('more'))))).toEqual(['/rules'])
  })

  it('are patched by their id, which stays', () => {
    world.commit(addRule(env, 'checkout', { ...rule('a'), description: 'x' }))
    const when = { attribute: 'plan', op: 'in', values: ['pro'] }
    const patch = (change: object) => world.run(patchRule(env, 'checkout', 'a', change as never, ANY))
    expect(patch({ id: 'a', description: null, when }).result.rules).toEqual([{ ...rule('a'), when }])
    expect(faultsOf(() => patch({ id: 'b' }))).toEqual([
      '/id: A rule keeps its id, "a": by it its users keep their variants.',
    ])
    expect(pointersOf(() => patch({ serve: { variant: 'no' } }))).toEqual(['/serve/variant'])
    expect(pointersOf(() => patch({ serve: null }))).toEqual(['/serve'])
  })

  it('are deleted', () => {
    world.commit(addRule(env, 'checkout', rule('a')))
    world.commit(deleteRule(env, 'checkout', 'a', ANY))
    expect(ids()).toEqual([])
    expect(problemOf(() => world.run(deleteRule(env, 'checkout', 'a', ANY))).type).toBe('rule-not-found')
  })
})

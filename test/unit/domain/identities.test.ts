import { beforeEach, describe, expect, it } from 'vitest'
import {
  archiveFlag,
  type CreateFlagInput,
  createEnvironment,
  createFlag,
  deleteEnvironment,
  deleteFlag,
  deleteSegment,
  environmentsOf,
  type FlagPatch,
  flagOf,
  identityOf,
  putConfiguration,
  putSegment,
  SYSTEM,
  unarchiveFlag,
  updateFlag,
} from '../../../server/domain/index.ts'
import { ANY, faultsOf, pointersOf, problemOf, World } from './world.ts'

let world: World
let env: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
  env = world.environment()
})
const create = (input: Partial<CreateFlagInput>) =>
  world.commit(createFlag(world.project, { key: 'checkout', type: 'boolean', ...input }))

describe('creating a flag', () => {
  it('writes its identity, and a disabled configuration in every environment', () => {
    const { result, action } = create({ description: 'New checkout', tags: ['web', 'web'], owner: 'team' })
    expect(action).toBe('flag.create')
    expect(result).toEqual({
      key: 'checkout',
      type: 'boolean',
      description: 'New checkout',
      tags: ['web'],
      owner: 'team',
      temporary: false,
      archived: null,
      initial: {
        ...base,
        type: 'boolean',
        enabled: false,
        visibility: 'server',
        prerequisites: [],
        targets: [],
        rules: [],
        fallthrough: { variant: 'off' },
      },
    })
    for (const environment of ['development', 'staging', 'production']) {
      expect(world.flag('checkout', environment)).toEqual(result.initial)
    }
  })

  it('of another type needs variants and an off variant, null included', () => {
    expect(pointersOf(() => create({ type: 'string' }))).toEqual(['/offVariant', '/variants'])
    const { result } = create({
      type: 'string',
      variants: { a: 'x' },
      offVariant: null,
      visibility: 'client',
    })
    expect(result.initial).toMatchObject({ offVariant: null, fallthrough: null, visibility: 'client' })
  })

  it('takes a boolean flag’s own variants', () => {
    expect(create({ offVariant: null }).result.initial).toMatchObject({
      ...base,
      offVariant: null,
      fallthrough: null,
    })
    const own = { variants: { yes: true, no: false } }
    expect(faultsOf(() => create({ key: 'own', ...own }))[0]).toContain('/offVariant: Name the variant')
    expect(create({ key: 'own', ...own, offVariant: 'no' }).result.initial.fallthrough).toEqual({
      variant: 'no',
    })
    expect(create({ key: 'same', variants: { off: false } }).result.initial.offVariant).toBe('off')
  })

  it('starts with a split, whose salt is its key', () => {
    const shares = [{ variant: 'on', percent: 100 }]
    expect(create({ fallthrough: { split: { shares } } }).result.initial.fallthrough).toMatchObject({
      split: { salt: 'checkout' },
    })
  })

  it('may be temporary', () => {
    const { result } = create({ temporary: true, expiresAt: '2027-01-31T12:00:00+02:00' })
    expect([result.temporary, result.expiresAt]).toEqual([true, '2027-01-31T10:00:00.000Z'])
    expect(pointersOf(() => create({ key: 'b', expiresAt: '2027-01-31T12:00:00Z' }))).toEqual(['/expiresAt'])
  })

  it.each<[string, unknown, string[]]>([
    ['what is no object', 7, ['', '/key', '/type']],
    ['a key that is none', { key: '__proto__', type: 'boolean' }, ['/key']],
    ['a type that is none', { key: 'a', type: 'json' }, ['/type']],
    ['a field that is unknown', { key: 'a', type: 'boolean', tag: [] }, ['/tag']],
    ['a description that is none', { key: 'a', type: 'boolean', description: 7 }, ['/description']],
    ['tags that are none', { key: 'a', type: 'boolean', tags: ['', 7] }, ['/tags/0', '/tags/1']],
    ['too many tags', { key: 'a', type: 'boolean', tags: new Array(65).fill('t') }, ['/tags']],
    ['an owner that is none', { key: 'a', type: 'boolean', owner: {} }, ['/owner']],
    ['temporary that is no boolean', { key: 'a', type: 'boolean', temporary: 1 }, ['/temporary']],
    [
      'a time that is none',
      { key: 'a', type: 'boolean', temporary: true, expiresAt: '2027-01-31' },
      ['/expiresAt'],
    ],
    [
      'a day that is none',
      { key: 'a', type: 'boolean', temporary: true, expiresAt: '2027-02-30T00:00:00Z' },
      ['/expiresAt'],
    ],
    ['variants that are none', { key: 'a', type: 'boolean', variants: 7 }, ['/variants']],
  ])('is refused with a pointer to %s', (_what, input, pointers) => {
    expect(pointersOf(() => world.run(createFlag(world.project, input as never)))).toEqual(pointers)
  })

  it('is refused while its key is taken, by an archived or a deleted flag too', () => {
    create({})
    const taken = () => problemOf(() => create({}))
    expect([taken().type, taken().message]).toEqual(['already-exists', 'The flag "checkout" exists.'])
    world.commit(archiveFlag(world.project, 'checkout'))
    expect(taken().message).toContain('unarchive it')
    world.commit(deleteFlag(world.project, 'checkout', ANY))
    expect([taken().type, taken().message]).toEqual(['already-exists', expect.stringContaining('reserved')])
  })

  it('is refused beyond 10,000 flags, those archived not counted', () => {
    const identity = (key: string, archived: unknown) => ({
      kind: 'identity',
      key,
      definition: { key, archived } as never,
    })
    world.apply(
      world.project,
      Array.from({ length: 9_999 }, (_, index) => identity(`f${index}`, null)),
    )
    world.apply(world.project, [identity('old', { configurations: {} })])
    create({})
    expect(problemOf(() => create({ key: 'more' })).message).toBe(
      'A project has at most 10000 flags; archive some.',
    )
    expect(problemOf(() => world.run(unarchiveFlag(world.project, 'old'))).type).toBe('invalid-document')
  })

  it('is refused where an environment has as many flags as it may', () => {
    const definition = { ...create({ key: 'first' }).result.initial } as never
    world.apply(
      env,
      Array.from({ length: 9_999 }, (_, index) => ({ kind: 'flag', key: `f${index}`, definition })),
    )
    expect(faultsOf(() => create({}))).toEqual([
      ': An environment has at most 10000 flags; archive or delete some.',
    ])
  })

  it('asks for a project that is there', () => {
    expect(problemOf(() => world.run(createFlag('prj_gone', { key: 'a', type: 'boolean' }))).type).toBe(
      'project-not-found',
    )
  })
})

describe('updating a flag', () => {
  const update = (patch: FlagPatch) => world.commit(updateFlag(world.project, 'checkout', patch, ANY))

  it('changes what is given, and resets what is null', () => {
    create({ description: 'x', tags: ['a'], owner: 'me', temporary: true, expiresAt: '2027-01-01T00:00:00Z' })
    expect(update({ description: 'y' }).result).toMatchObject({
      description: 'y',
      tags: ['a'],
      owner: 'me',
      temporary: true,
    })
    expect(update({ tags: null, owner: null, expiresAt: null }).result).toMatchObject({
      tags: [],
      owner: null,
    })
    expect(world.identity('checkout')).not.toHaveProperty('expiresAt')
    expect(update({}).edits.size).toBe(0)
  })

  it('forgets the expiry of a flag that is no longer temporary', () => {
    create({ temporary: true, expiresAt: '2027-01-01T00:00:00Z' })
    expect(update({ temporary: null }).result).not.toHaveProperty('expiresAt')
    expect(pointersOf(() => update({ expiresAt: '2027-01-01T00:00:00Z' }))).toEqual(['/expiresAt'])
  })

  it('takes back what a GET shows, and keeps the type', () => {
    const { result } = create({})
    expect(update({ ...result, revision: 3 } as never).edits.size).toBe(0)
    expect(pointersOf(() => update({ type: 'string' }))).toEqual(['/type'])
    expect(pointersOf(() => update({ name: 'x' } as never))).toEqual(['/name'])
  })

  it('asks for If-Match, and for a flag that is there', () => {
    create({})
    expect(problemOf(() => world.run(updateFlag(world.project, 'checkout', {}, {}))).type).toBe(
      'precondition-required',
    )
    const problem = problemOf(() => world.run(updateFlag(world.project, 'chekout', {}, ANY)))
    expect([problem.type, problem.details.didYouMean]).toEqual(['flag-not-found', 'checkout'])
  })
})

describe('archiving a flag', () => {
  it('takes it out of every environment, and unarchiving puts it back as it was', () => {
    create({})
    world.commit(
      putConfiguration(
        env,
        'checkout',
        {
          ...base,
          enabled: true,
          rules: [{ id: 'r', serve: { split: { shares: [{ variant: 'on', percent: 10 }] } } }],
        },
        ANY,
      ),
    )
    const before = world.flag('checkout')
    const archived = world.commit(archiveFlag(world.project, 'checkout')).result.archived
    expect(archived).toMatchObject({ at: '2026-03-01T12:00:00.000Z', by: 'Anna' })
    expect(world.flag('checkout')).toBeUndefined()
    expect(world.commit(archiveFlag(world.project, 'checkout')).edits.size).toBe(0)

    world.commit(unarchiveFlag(world.project, 'checkout'))
    expect(world.flag('checkout')).toEqual(before)
    expect(world.identity('checkout')?.archived).toBeNull()
    expect(world.commit(unarchiveFlag(world.project, 'checkout')).edits.size).toBe(0)
  })

  it('is a conflict while another flag requires it anywhere', () => {
    create({})
    create({ key: 'late' })
    world.commit(
      putConfiguration(
        env,
        'late',
        { ...base, prerequisites: [{ flag: 'checkout', variants: ['on'] }] },
        ANY,
      ),
    )
    expect(faultsOf(() => world.run(archiveFlag(world.project, 'checkout')), 'flag-required')).toEqual([
      '/environments/production: "checkout" is required by "late". Remove the prerequisite there first.',
    ])
  })

  it('skips environments that have no configuration of it', () => {
    create({})
    world.apply(env, [{ kind: 'flag', key: 'checkout', definition: null }])
    world.commit(archiveFlag(world.project, 'checkout'))
    world.commit(unarchiveFlag(world.project, 'checkout'))
    expect(world.flag('checkout').enabled).toBe(false)
  })

  it('is taken back only where the flag can stand today', () => {
    create({})
    world.commit(putSegment(env, 'beta', {}, {}))
    const rules = [{ id: 'r', when: { segment: 'beta' }, serve: { variant: 'on' } }]
    world.commit(putConfiguration(env, 'checkout', { ...base, rules }, ANY))
    world.commit(archiveFlag(world.project, 'checkout'))
    world.commit(deleteSegment(env, 'beta', ANY))
    expect(pointersOf(() => world.run(unarchiveFlag(world.project, 'checkout')))).toEqual([
      '/environments/production/rules/0/when',
    ])
    const identity = identityOf(world.state(world.project), 'checkout')!
    const configurations = { [env]: { ...identity.initial, offVariant: 'none' } }
    const broken = { ...identity, archived: { ...identity.archived!, configurations } }
    world.apply(world.project, [{ kind: 'identity', key: 'checkout', definition: broken as never }])
    expect(pointersOf(() => world.run(unarchiveFlag(world.project, 'checkout')))).toEqual([
      '/environments/production/offVariant',
    ])
  })

  it('gives an environment made since what is initial, and forgets one that is gone', () => {
    create({})
    world.commit(archiveFlag(world.project, 'checkout'))
    world.commit(createEnvironment(world.project, { key: 'eu' }))
    world.commit(deleteEnvironment(world.project, 'staging', ANY))
    expect(flagOf(world.state(world.environment('eu')), 'checkout')).toBeUndefined()
    world.commit(unarchiveFlag(world.project, 'checkout'))
    expect(world.flag('checkout', 'eu')).toEqual(world.identity('checkout')?.initial)
  })
})

describe('deleting a flag', () => {
  it('leaves a tombstone that keeps its key', () => {
    create({ description: 'secret plans' })
    expect(problemOf(() => world.run(deleteFlag(world.project, 'checkout', {}))).type).toBe(
      'precondition-required',
    )
    expect(problemOf(() => world.run(deleteFlag(world.project, 'checkout', ANY))).type).toBe(
      'flag-not-archived',
    )
    world.commit(archiveFlag(world.project, 'checkout'))
    expect(world.commit(deleteFlag(world.project, 'checkout', ANY)).result.key).toBe('checkout')
    expect(world.identity('checkout')).toBeUndefined()
    const stone = world.state(world.project).entries.get('identity')!.get('checkout')!.definition
    expect(stone).toMatchObject({ deleted: true, description: '', archived: { configurations: {} } })
    expect(problemOf(() => world.run(unarchiveFlag(world.project, 'checkout'))).type).toBe('flag-not-found')
  })
})

describe('the environments of a project', () => {
  it('are those locked, and no other project’s', () => {
    expect(environmentsOf(world.logs, world.project)).toHaveLength(3)
    expect(environmentsOf(world.logs, SYSTEM)).toHaveLength(0)
  })
})

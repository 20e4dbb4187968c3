import { beforeEach, describe, expect, it } from 'vitest'
import {
  archiveFlag,
  corsAllows,
  createEnvironment,
  createFlag,
  createSdkKey,
  deleteEnvironment,
  type EnvironmentInput,
  editMembers,
  environmentOf,
  flagOf,
  kill,
  killOf,
  putConfiguration,
  putSegment,
  SYSTEM,
  sdkKeyOf,
  segmentOf,
  updateEnvironment,
} from '../../../server/domain/index.ts'
import { ANY, pointersOf, problemOf, World } from './world.ts'

let world: World
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
})
const create = (input: EnvironmentInput) => world.commit(createEnvironment(world.project, input))

describe('creating an environment', () => {
  it('opens a log with what is initial for each flag, archived ones left out', () => {
    world.commit(createFlag(world.project, { key: 'a', type: 'boolean' }))
    world.commit(createFlag(world.project, { key: 'b', type: 'boolean' }))
    world.commit(archiveFlag(world.project, 'b'))
    const { result, opens } = create({ key: 'eu' })
    expect(result).toEqual({
      id: expect.stringMatching(/^env_m/),
      key: 'eu',
      name: 'eu',
      settings: { corsOrigins: [], requireComment: false, confirmBulk: false },
    })
    expect(opens?.[0]).toMatchObject({
      kind: 'environment',
      parent: world.project,
      project: 'default',
      environment: 'eu',
    })
    expect([...world.state(world.environment('eu')).entries.get('flag')!.keys()]).toEqual(['a'])
  })

  it('from another has its configurations with their ranges, its segments, members and kills', () => {
    const env = world.environment()
    for (const key of ['a', 'gone']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
    world.commit(putSegment(env, 'beta', {}, {}))
    world.commit(editMembers(env, 'beta', { included: { add: ['anna'] } }))
    const ranges = [{ variant: 'on', from: 50_000, to: 60_000 }]
    const rules = [{ id: 'r', serve: { split: { shares: [{ variant: 'on', percent: 10 }], ranges } } }]
    world.commit(putConfiguration(env, 'a', { ...base, enabled: true, rules }, ANY, { keepRanges: true }))
    world.apply(env, [{ kind: 'flag', key: 'gone', definition: null }])
    const first = world.commit(kill(env, 'a')).result.kill

    create({ key: 'eu', from: 'production', name: 'Europe', settings: { requireComment: true } })
    const state = world.state(world.environment('eu'))
    expect(flagOf(state, 'a')).toEqual(world.flag('a'))
    expect(flagOf(state, 'gone')?.enabled).toBe(false)
    expect(segmentOf(state, 'beta')).toBeDefined()
    expect(world.members('beta', 'eu').included).toEqual(['anna'])
    expect(killOf(state, 'a')).toEqual({ ...first, id: expect.not.stringMatching(first.id) })
  })

  it.each<[string, unknown, string[]]>([
    ['what is no object', [], ['', '/key']],
    ['a key that is none', { key: 'a/b' }, ['/key']],
    ['an empty name', { key: 'a', name: '' }, ['/name']],
    ['a name that is too long', { key: 'a', name: 'x'.repeat(257) }, ['/name']],
    ['a source that is unknown', { key: 'a', from: 'prod' }, ['/from']],
    ['a source that is no key', { key: 'a', from: 7 }, ['/from']],
    ['settings that are none', { key: 'a', settings: 7 }, ['/settings']],
    ['a setting that is unknown', { key: 'a', settings: { cors: [] } }, ['/settings/cors']],
    ['a setting that is no boolean', { key: 'a', settings: { confirmBulk: 1 } }, ['/settings/confirmBulk']],
    ['origins that are no list', { key: 'a', settings: { corsOrigins: '*' } }, ['/settings/corsOrigins']],
    [
      'too many origins',
      { key: 'a', settings: { corsOrigins: new Array(101).fill('*') } },
      ['/settings/corsOrigins'],
    ],
    [
      'origins that are none',
      { key: 'a', settings: { corsOrigins: ['https://a.b/', 'HTTPS://A.B', 'a.b', 7, 'null'] } },
      [0, 1, 2, 3, 4].map((index) => `/settings/corsOrigins/${index}`),
    ],
  ])('is refused with a pointer to %s', (_what, input, pointers) => {
    expect(pointersOf(() => create(input as EnvironmentInput))).toEqual(pointers)
  })

  it('is refused where there is one of that key', () => {
    expect(problemOf(() => create({ key: 'staging' })).type).toBe('already-exists')
    const from = createEnvironment(world.project, { key: 'eu', from: 'staging' })
    expect(problemOf(() => world.run(from, [world.project])).type).toBe('environment-not-found')
  })

  it('is refused where its flags are too much for one', () => {
    const initial = { variants: { a: 'x'.repeat(20 * 1024 * 1024) } }
    const identity = (key: string) => ({
      kind: 'identity',
      key,
      definition: { key, archived: null, initial } as never,
    })
    world.apply(world.project, [identity('a'), identity('b')])
    expect(problemOf(() => create({ key: 'eu' })).message).toContain('at most 33554432 bytes')
  })
})

describe('updating an environment', () => {
  const update = (patch: object) => world.commit(updateEnvironment(world.project, 'staging', patch, ANY))

  it('changes what is given, setting by setting', () => {
    const corsOrigins = ['https://app.example.com', 'http://[::1]:*', '*', '*']
    expect(update({ name: 'Stage', settings: { corsOrigins } }).result).toMatchObject({
      name: 'Stage',
      settings: { corsOrigins: corsOrigins.slice(0, 3), requireComment: false },
    })
    expect(update({ settings: { requireComment: true } }).result.settings.corsOrigins).toHaveLength(3)
    const shown = { ...environmentOf(world.state(world.project), 'staging'), id: undefined, revision: 7 }
    expect(update(shown).edits.size).toBe(0)
  })

  it('is refused for what is wrong, stale or unknown', () => {
    expect(pointersOf(() => update({ from: 'x', name: 7 }))).toEqual(['/from', '/name'])
    const run = (key: string, expectation: object) =>
      problemOf(() => world.run(updateEnvironment(world.project, key, {}, expectation)))
    expect(run('staging', {}).type).toBe('precondition-required')
    expect([run('stagin', {}).type, run('stagin', {}).details.didYouMean]).toEqual([
      'environment-not-found',
      'staging',
    ])
  })
})

describe('deleting an environment', () => {
  it('closes its log, and ends its keys and no others', () => {
    const bytes = new Uint8Array(32)
    const key = (environment: string) =>
      world.commit(
        createSdkKey(world.project, world.environment(environment), { kind: 'server', name: 'k' }, bytes),
      ).result.document.id
    const [own, other] = [key('staging'), key('production')]
    const id = world.environment('staging')
    const change = world.commit(deleteEnvironment(world.project, 'staging', ANY))
    expect([change.closes, change.result.key]).toEqual([[id], 'staging'])
    expect(sdkKeyOf(world.state(world.project), own)).toBeUndefined()
    expect(sdkKeyOf(world.state(world.project), other)).toBeDefined()
  })

  it('is refused for what is stale or unknown', () => {
    const run = (key: string, expectation: object) =>
      problemOf(() => world.run(deleteEnvironment(world.project, key, expectation)))
    expect(run('staging', {}).type).toBe('precondition-required')
    expect(run('none', ANY).type).toBe('environment-not-found')
    const onlyProject = () =>
      world.run(deleteEnvironment(world.project, 'staging', ANY), [SYSTEM, world.project])
    expect(problemOf(onlyProject).type).toBe('environment-not-found')
  })
})

describe('corsAllows', () => {
  it.each<[string[], string, boolean]>([
    [['https://app.example.com'], 'https://app.example.com', true],
    [['https://app.example.com'], 'https://app.example.com:8443', false],
    [['https://app.example.com'], 'https://evil.example.com', false],
    [['http://localhost:*'], 'http://localhost', true],
    [['http://localhost:*'], 'http://localhost:5173', true],
    [['http://localhost:*'], 'https://localhost:5173', false],
    [['http://localhost:*'], 'http://localhost.evil.com:5173', false],
    [['http://localhost:*'], 'http://localhost:*', true],
    [['*'], 'null', true],
    [['http://localhost:*'], 'null', false],
    [[], 'https://app.example.com', false],
  ])('%j lets %s in: %s', (patterns, origin, allowed) => {
    expect(corsAllows(patterns, origin)).toBe(allowed)
  })
})

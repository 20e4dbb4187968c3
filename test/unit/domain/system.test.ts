import { beforeEach, describe, expect, it } from 'vitest'
import {
  type ApiKeyInput,
  apiKeyOf,
  bootstrap,
  createApiKey,
  createProject,
  createSdkKey,
  deleteProject,
  digestOfKey,
  environmentOf,
  parseKey,
  projectOf,
  revokeApiKey,
  revokeSdkKey,
  SYSTEM,
  sdkKeyOf,
  updateProject,
} from '../../../server/domain/index.ts'
import { ANY, pointersOf, problemOf, World } from './world.ts'

const BYTES = new Uint8Array(32).fill(7)
let world: World
beforeEach(() => {
  world = World.started()
})

describe('the first start', () => {
  it('makes project default with three environments, development open to localhost', () => {
    expect(projectOf(world.state(SYSTEM), 'default')?.name).toBe('Default')
    const project = world.state(world.project)
    expect([...project.entries.get('environment')!.keys()]).toEqual(['development', 'staging', 'production'])
    expect(environmentOf(project, 'development')?.settings.corsOrigins).toEqual([
      'http://localhost:*',
      'http://127.0.0.1:*',
    ])
    expect(world.state(world.environment('staging'))).toMatchObject({
      project: 'default',
      environment: 'staging',
    })
  })

  it('happens once', () => {
    const again = world.commit(bootstrap())
    expect([again.result.created, again.edits.size]).toEqual([false, 0])
  })

  it('needs the system log', () => {
    expect(problemOf(() => world.run(bootstrap(), [])).type).toBe('project-not-found')
  })
})

describe('projects', () => {
  it('are created without environments', () => {
    const { result, opens } = world.commit(createProject({ key: 'shop' }))
    expect(result).toEqual({ id: expect.stringMatching(/^prj_/), key: 'shop', name: 'shop' })
    expect(opens).toEqual([
      { id: result.id, kind: 'project', parent: SYSTEM, project: 'shop', environment: '', entries: [] },
    ])
    expect(problemOf(() => world.run(createProject({ key: 'shop', name: 'Shop' }))).type).toBe(
      'already-exists',
    )
    expect(pointersOf(() => world.run(createProject({ key: '-', name: '', owner: 1 } as never)))).toEqual([
      '/owner',
      '/key',
      '/name',
    ])
  })

  it('are renamed', () => {
    expect(world.commit(updateProject('default', { name: 'Web' }, ANY)).result.name).toBe('Web')
    expect(world.commit(updateProject('default', {}, ANY)).edits.size).toBe(0)
    expect(pointersOf(() => world.run(updateProject('default', { name: 7 } as never, ANY)))).toEqual([
      '/name',
    ])
    expect(problemOf(() => world.run(updateProject('default', {}, {}))).type).toBe('precondition-required')
    const problem = problemOf(() => world.run(updateProject('defualt', {}, {})))
    expect([problem.type, problem.details.didYouMean]).toEqual(['project-not-found', 'default'])
  })

  it('are deleted with all of their logs', () => {
    const ids = [...world.logs.keys()].filter((id) => id !== SYSTEM)
    expect(problemOf(() => world.run(deleteProject('default', {}))).type).toBe('precondition-required')
    expect(problemOf(() => world.run(deleteProject('default', ANY), [SYSTEM])).type).toBe('project-not-found')
    const { closes } = world.commit(deleteProject('default', ANY))
    expect([...closes!].sort()).toEqual(ids.sort())
    expect(projectOf(world.state(SYSTEM), 'default')).toBeUndefined()
  })
})

describe('management keys', () => {
  const create = (input: Partial<ApiKeyInput>) =>
    world.commit(createApiKey({ name: 'CI', grants: [{ role: 'editor' }], ...input }, BYTES))

  it('are kept as a digest, and shown once', () => {
    const { document, secret } = create({ expiresAt: '2027-01-01T00:00:00Z' }).result
    expect(document).toEqual({
      id: parseKey(secret)?.id,
      name: 'CI',
      digest: digestOfKey(secret),
      grants: [{ role: 'editor' }],
      createdAt: '2026-03-01T12:00:00.000Z',
      expiresAt: '2027-01-01T00:00:00.000Z',
    })
    expect(parseKey(secret)?.kind).toBe('management')
    expect(JSON.stringify(apiKeyOf(world.state(SYSTEM), document.id))).not.toContain(parseKey(secret)!.secret)
  })

  it('are granted roles, for all or for some', () => {
    const grants = [
      { role: 'killer', environments: ['default/production'] },
      { role: 'viewer', projects: ['default'] },
    ] as const
    expect(create({ grants, expiresAt: null }).result.document.grants).toEqual(grants)
  })

  it.each<[string, unknown, string[]]>([
    ['no grants', { grants: [] }, ['/grants']],
    ['a grant that is none', { grants: ['admin'] }, ['/grants/0']],
    ['a role that is none', { grants: [{ role: 'root' }] }, ['/grants/0/role']],
    ['no projects', { grants: [{ role: 'admin', projects: [] }] }, ['/grants/0/projects']],
    ['a project that is none', { grants: [{ role: 'admin', projects: ['a b'] }] }, ['/grants/0/projects/0']],
    [
      'an environment that is none',
      { grants: [{ role: 'admin', environments: ['production', 7] }] },
      ['/grants/0/environments/0', '/grants/0/environments/1'],
    ],
    ['no name', { name: '' }, ['/name']],
    ['an expiry that is past', { expiresAt: '2026-03-01T12:00:00Z' }, ['/expiresAt']],
    ['an expiry that is none', { expiresAt: 'soon' }, ['/expiresAt']],
  ])('are refused with a pointer to %s', (_what, input, pointers) => {
    expect(pointersOf(() => create(input as ApiKeyInput))).toEqual(pointers)
  })

  it('are revoked', () => {
    const { id } = create({}).result.document
    expect(world.commit(revokeApiKey(id)).result.id).toBe(id)
    expect(problemOf(() => world.run(revokeApiKey(id))).type).toBe('key-not-found')
  })
})

describe('SDK keys', () => {
  it('open one environment', () => {
    const environment = world.environment()
    const { document, secret } = world.commit(
      createSdkKey(world.project, environment, { kind: 'client', name: 'web' }, BYTES),
    ).result
    expect(parseKey(secret)?.kind).toBe('client')
    expect(sdkKeyOf(world.state(world.project), document.id)).toEqual({
      id: parseKey(secret)?.id,
      kind: 'client',
      environment,
      name: 'web',
      digest: digestOfKey(secret),
      createdAt: '2026-03-01T12:00:00.000Z',
    })
  })

  it('are refused with pointers, and for an environment that is gone', () => {
    const create = (environment: string, input: unknown) => () =>
      world.run(createSdkKey(world.project, environment, input as never, BYTES))
    expect(pointersOf(create(world.environment(), { kind: 'management', name: 7 }))).toEqual([
      '/kind',
      '/name',
    ])
    expect(problemOf(create('env_gone', { kind: 'server', name: 'x' })).type).toBe('environment-not-found')
  })

  it('are revoked', () => {
    const create = createSdkKey(world.project, world.environment(), { kind: 'server', name: 'web' }, BYTES)
    const { id } = world.commit(create).result.document
    expect(world.commit(revokeSdkKey(world.project, id)).action).toBe('sdk-key.revoke')
    expect(problemOf(() => world.run(revokeSdkKey(world.project, id))).type).toBe('key-not-found')
  })
})

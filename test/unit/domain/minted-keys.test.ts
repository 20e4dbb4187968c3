import { beforeEach, describe, expect, it } from 'vitest'
import {
  type ApiKeyInput,
  apiKeyOf,
  createApiKey,
  createSdkKey,
  digestOfKey,
  type GrantInput,
  parseKey,
  revokeApiKey,
  revokeSdkKey,
  rotateApiKey,
  rotateSdkKey,
  SYSTEM,
  sdkKeyOf,
} from '../../../server/domain/index.ts'
import { NOW, pointersOf, problemOf, World } from './world.ts'

const BYTES = new Uint8Array(32).fill(7)
const CONFIGURED = { adminConfigured: true }
const NONE_CONFIGURED = { adminConfigured: false }
let world: World
beforeEach(() => {
  world = World.started()
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
    expect(world.commit(revokeApiKey(id, CONFIGURED)).result.id).toBe(id)
    expect(problemOf(() => world.run(revokeApiKey(id, CONFIGURED))).type).toBe('key-not-found')
  })

  it('warn of what their grants name and nothing has, with a pointer and what may be meant', () => {
    const grants: GrantInput[] = [
      { role: 'admin' },
      {
        role: 'viewer',
        projects: ['default', 'defualt'],
        environments: ['default/staging', 'other/staging'],
      },
    ]
    const known = { projects: new Set(['default']), environments: new Set(['default/staging']) }
    const input = { name: 'CI', grants }
    expect(world.run(createApiKey(input, BYTES, known)).warnings).toEqual([
      {
        code: 'grant-names-unknown',
        pointer: '/grants/1/projects/1',
        message:
          'There is no project "defualt": the grant gives nothing until there is. Did you mean "default"?',
      },
      {
        code: 'grant-names-unknown',
        pointer: '/grants/1/environments/1',
        message: 'There is no environment "other/staging": the grant gives nothing until there is.',
      },
    ])
    expect(world.run(createApiKey(input, BYTES)).warnings).toEqual([])
  })
})

describe('the last key that administers the service', () => {
  const ADMIN: GrantInput[] = [{ role: 'admin' }]
  const make = (grants: readonly GrantInput[], expiresAt?: string) =>
    world.commit(createApiKey({ name: 'key', grants, expiresAt }, BYTES)).result.document.id
  const revoking =
    (id: string, over = NONE_CONFIGURED) =>
    () =>
      world.run(revokeApiKey(id, over))

  it('is not revoked, unless one is configured', () => {
    const id = make(ADMIN)
    const problem = problemOf(revoking(id))
    expect([problem.type, problem.message]).toEqual([
      'last-admin-key',
      expect.stringContaining('HALYARD_ADMIN_KEY'),
    ])
    expect(revoking(id, CONFIGURED)().action).toBe('api-key.revoke')
  })

  it.each<[string, () => string]>([
    ['of another role', () => make([{ role: 'editor' }])],
    ['of one project', () => make([{ role: 'admin', projects: ['default'] }])],
    ['of one environment', () => make([{ role: 'admin', environments: ['default/production'] }])],
    ['that has expired', () => make(ADMIN, new Date(NOW + 1_000).toISOString())],
  ])('is the last though there is a key %s, which can be revoked', (_what, another) => {
    const [last, other] = [make(ADMIN), another()]
    world.now = NOW + 1_000
    expect(problemOf(revoking(last)).type).toBe('last-admin-key')
    expect(revoking(other)().result.id).toBe(other)
  })

  it('is the last though there are keys that were broken by hand', () => {
    const last = make(ADMIN)
    const broken = { id: 'odd', name: 'odd', digest: 'd', createdAt: 'x' }
    world.apply(SYSTEM, [
      { kind: 'api-key', key: 'odd', definition: { ...broken, grants: 'all' } },
      {
        kind: 'api-key',
        key: 'odder',
        definition: { ...broken, grants: [{ role: 'admin' }], expiresAt: 'soon' },
      },
    ])
    expect(problemOf(revoking(last)).type).toBe('last-admin-key')
  })

  it('is the last though the key that it was made for has its grace still', () => {
    const old = make(ADMIN)
    const { document } = world.commit(rotateApiKey(old, {}, BYTES)).result
    expect(problemOf(revoking(document.id)).type).toBe('last-admin-key')
    expect(revoking(old)().result.id).toBe(old)
  })

  it('is not the last while another has an end that is to come', () => {
    const first = make(ADMIN)
    make([{ role: 'viewer' }, ...ADMIN], new Date(NOW + 1).toISOString())
    expect(revoking(first)().result.id).toBe(first)
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
    expect(world.commit(revokeSdkKey(world.project, world.environment(), id)).action).toBe('sdk-key.revoke')
    expect(problemOf(() => world.run(revokeSdkKey(world.project, world.environment(), id))).type).toBe(
      'key-not-found',
    )
  })
})

describe('rotating a key', () => {
  const DAY = 86_400_000
  const OTHER_BYTES = new Uint8Array(32).fill(9)
  const at = (time: number) => new Date(time).toISOString()
  const makeApiKey = (expiresAt?: string) =>
    world.commit(createApiKey({ name: 'CI', grants: [{ role: 'editor' }], expiresAt }, BYTES)).result.document
  const rotate = (id: string, graceSeconds?: unknown) =>
    world.commit(rotateApiKey(id, { graceSeconds: graceSeconds as number }, OTHER_BYTES)).result

  it('makes one that may do the same, and ends the old one a day later; each names the other', () => {
    const old = makeApiKey()
    world.now = NOW + 5_000
    const { document, secret, previous } = rotate(old.id)
    expect(document).toEqual({
      id: parseKey(secret)?.id,
      name: 'CI',
      grants: [{ role: 'editor' }],
      digest: digestOfKey(secret),
      createdAt: at(NOW + 5_000),
      replaces: old.id,
    })
    expect(document.id).not.toBe(old.id)
    expect(previous).toEqual({ ...old, expiresAt: at(NOW + 5_000 + DAY), replacedBy: document.id })
    expect(apiKeyOf(world.state(SYSTEM), old.id)).toEqual(previous)
    expect(apiKeyOf(world.state(SYSTEM), document.id)).toEqual(document)
  })

  it('keeps the kind and environment of an SDK key, and knows no other environment’s', () => {
    const [project, environment] = [world.project, world.environment()]
    const create = createSdkKey(project, environment, { kind: 'client', name: 'web' }, BYTES)
    const { id } = world.commit(create).result.document
    const elsewhere = rotateSdkKey(project, world.environment('staging'), id, {}, OTHER_BYTES)
    expect(problemOf(() => world.run(elsewhere)).type).toBe('key-not-found')
    const { action, result } = world.commit(rotateSdkKey(project, environment, id, {}, OTHER_BYTES))
    expect(action).toBe('sdk-key.rotate')
    expect(result.document).toMatchObject({ kind: 'client', environment, name: 'web', replaces: id })
    expect(parseKey(result.secret)?.kind).toBe('client')
  })

  it.each([
    ['at once', 0, NOW],
    ['after a minute', 60, NOW + 60_000],
    ['after thirty days', 30 * 86_400, NOW + 30 * DAY],
  ])('ends the old one %s where that is asked for', (_when, graceSeconds, end) => {
    expect(rotate(makeApiKey().id, graceSeconds).previous.expiresAt).toBe(at(end))
  })

  it.each([-1, 0.5, 30 * 86_400 + 1, '60', null])('refuses a grace of %j', (graceSeconds) => {
    const { id } = makeApiKey()
    expect(pointersOf(() => rotate(id, graceSeconds))).toEqual(['/graceSeconds'])
  })

  it('never prolongs the old one, and gives the new one the lifetime that the old one was made with', () => {
    const old = makeApiKey(at(NOW + 90 * DAY))
    world.now = NOW + 89.5 * DAY
    const { document, previous } = rotate(old.id)
    expect(previous.expiresAt).toBe(at(NOW + 90 * DAY))
    expect(document.expiresAt).toBe(at(NOW + 179.5 * DAY))
    const last = '9999-12-31T23:59:59.999Z'
    expect(rotate(makeApiKey(last).id).document.expiresAt).toBe(last)
  })

  it('is done once: the new key is the one to rotate', () => {
    const old = makeApiKey()
    const { document } = rotate(old.id)
    const problem = problemOf(() => rotate(old.id))
    expect([problem.type, problem.message]).toEqual(['key-rotated', expect.stringContaining(document.id)])
    const again = rotate(document.id)
    expect(again.document.replaces).toBe(document.id)
    expect(again.document).not.toHaveProperty('replacedBy')
    expect(again.previous).toMatchObject({ replaces: old.id, replacedBy: again.document.id })
  })

  it('does not bring back what has ended or is gone', () => {
    const { id } = makeApiKey(at(NOW + 1_000))
    world.now = NOW + 1_000
    expect(problemOf(() => rotate(id)).type).toBe('key-expired')
    expect(problemOf(() => rotate('nobody')).type).toBe('key-not-found')
  })
})

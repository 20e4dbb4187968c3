import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseKey } from '../../../server/domain/keys.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const KEYS = '/api/v1/api-keys'
const PROJECTS = '/api/v1/projects'

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

const make = (body: object, url = KEYS) => service.ask('POST', url, { body })

describe('management keys', () => {
  it('are made with grants and opened by their secret, which no later answer shows', async () => {
    const made = await make({
      name: 'staging only',
      grants: [{ role: 'viewer', environments: ['default/staging'] }],
    })
    expect(made.status).toBe(201)
    const { id, secret, revision } = made.body
    expect(parseKey(secret)).toMatchObject({ kind: 'management', id })
    expect(made.etag).toMatch(new RegExp(`^"\\d+-${revision}"$`))
    const seen = await service.ask('GET', `${PROJECTS}/default/environments`, { key: secret })
    expect(seen.body.items.map((one: { key: string }) => one.key)).toEqual(['staging'])

    const read = await service.ask('GET', `${KEYS}/${id}`)
    expect(read.body).toMatchObject({
      id,
      name: 'staging only',
      grants: [{ role: 'viewer', environments: ['default/staging'] }],
      changedBy: { kind: 'api-key', id: 'admin' },
    })
    expect(read.etag).toBe(made.etag)
    const listed = await service.ask('GET', `${KEYS}?query=staging`)
    expect(listed.body.items).toEqual([read.body])
    for (const { text } of [read, listed]) {
      expect(text).not.toContain(parseKey(secret)?.secret)
      expect(text).not.toMatch(/digest|[0-9a-f]{64}/)
    }
  })

  it('are refused from the moment that they are revoked', async () => {
    const { id, secret } = (await make({ name: 'short', grants: [{ role: 'viewer' }] })).body
    expect((await service.ask('GET', PROJECTS, { key: secret })).status).toBe(200)
    const gone = await service.ask('DELETE', `${KEYS}/${id}`)
    expect(gone.body).toMatchObject({ key: id, deleted: true })
    expect((await service.ask('GET', PROJECTS, { key: secret })).status).toBe(401)
    expect((await service.ask('GET', `${KEYS}/${id}`)).status).toBe(404)
  })

  it('show a typing error in a grant at once, and give what they name once it is there', async () => {
    const made = await make({
      name: 'ahead',
      grants: [
        { role: 'viewer', projects: ['later'] },
        { role: 'killer', environments: ['default/stagin'] },
      ],
    })
    expect(made.body.warnings).toEqual([
      expect.objectContaining({ code: 'grant-names-unknown', pointer: '/grants/0/projects/0' }),
      {
        code: 'grant-names-unknown',
        pointer: '/grants/1/environments/0',
        message:
          'There is no environment "default/stagin": the grant gives nothing until there is. Did you mean "default/staging"?',
      },
    ])
    const { secret } = made.body
    expect((await service.ask('GET', PROJECTS, { key: secret })).body.items).toEqual([])
    await service.ask('POST', PROJECTS, { body: { key: 'later' } })
    const { items } = (await service.ask('GET', PROJECTS, { key: secret })).body
    expect(items.map(({ key }: { key: string }) => key)).toEqual(['later'])
  })

  it('can be tried: a dry run makes nothing and shows no secret', async () => {
    const tried = await make({ name: 'tried', grants: [{ role: 'admin' }] }, `${KEYS}?dryRun=true`)
    expect(tried.status).toBe(201)
    expect(tried.body).toMatchObject({ name: 'tried', dryRun: true })
    expect(tried.body).not.toHaveProperty('secret')
    expect((await service.ask('GET', `${KEYS}/${tried.body.id}`)).status).toBe(404)
  })

  it('are listed in pages, the configured one among them, which cannot be revoked here', async () => {
    const ids: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: { id: string }[]; cursor: string | null } = (
        await service.ask('GET', `${KEYS}?limit=1&fields=name${cursor === '' ? '' : `&cursor=${cursor}`}`)
      ).body
      ids.push(...page.items.map(({ id }) => id))
      cursor = page.cursor
    }
    expect(ids).toEqual([...new Set(ids)].sort())
    expect(ids).toContain('admin')
    expect((await service.ask('GET', `${KEYS}/admin`)).body).toMatchObject({
      id: 'admin',
      grants: [{ role: 'admin' }],
      configured: true,
    })
    const refused = await service.ask('DELETE', `${KEYS}/admin`)
    expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining('HALYARD_ADMIN_KEY')])
  })
})

describe('rotating a management key', () => {
  const rotate = (id: string, body?: object) => service.ask('POST', `${KEYS}/${id}/rotate`, { body })

  it('lets the old one work until its end, and shows the pair in lists', async () => {
    const old = (await make({ name: 'pair', grants: [{ role: 'viewer' }] })).body
    const rotated = await rotate(old.id)
    expect(rotated.status).toBe(201)
    expect(rotated.body).toMatchObject({ name: 'pair', replaces: old.id, previous: { id: old.id } })
    const inADay = Date.parse(rotated.body.previous.expiresAt) - Date.parse(rotated.body.createdAt)
    expect(inADay).toBe(86_400_000)
    for (const { secret } of [old, rotated.body]) {
      expect((await service.ask('GET', PROJECTS, { key: secret })).status).toBe(200)
    }
    const { items } = (await service.ask('GET', `${KEYS}?query=pair&fields=replaces,replacedBy`)).body
    expect(items).toHaveLength(2)
    expect(items).toEqual(
      expect.arrayContaining([
        { id: old.id, replacedBy: rotated.body.id },
        { id: rotated.body.id, replaces: old.id },
      ]),
    )
    const again = await rotate(old.id)
    expect([again.status, again.body.detail]).toEqual([409, expect.stringContaining(rotated.body.id)])
  })

  it('ends the old one at once where there is no grace', async () => {
    const old = (await make({ name: 'leaked', grants: [{ role: 'viewer' }] })).body
    const { secret } = (await rotate(old.id, { graceSeconds: 0, comment: 'it was in a log' })).body
    expect((await service.ask('GET', PROJECTS, { key: old.secret })).status).toBe(401)
    expect((await service.ask('GET', PROJECTS, { key: secret })).status).toBe(200)
  })

  it('is refused with a pointer where the grace is too long', async () => {
    const { id } = (await make({ name: 'long', grants: [{ role: 'viewer' }] })).body
    const refused = await rotate(id, { graceSeconds: 2_592_001 })
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, '/graceSeconds'])
  })

  it('shows no secret in a dry run, nor when the request comes again', async () => {
    const { id } = (await make({ name: 'again', grants: [{ role: 'viewer' }] })).body
    const tried = await service.ask('POST', `${KEYS}/${id}/rotate?dryRun=true`)
    expect(tried.body).toMatchObject({ dryRun: true, replaces: id })
    const ask = () =>
      service.ask('POST', `${KEYS}/${id}/rotate`, { headers: { 'idempotency-key': 'rotate-it' } })
    const [first, second] = [await ask(), await ask()]
    const { secret, ...shown } = first.body
    expect(secret).toMatch(/^hly_api_/)
    expect(second.body).toEqual(shown)
    expect(tried.body).not.toHaveProperty('secret')
  })
})

describe('where no admin key is configured', () => {
  let bare: TestService
  beforeAll(async () => {
    bare = await startService({ adminKey: undefined })
  })
  afterAll(() => bare.close())

  it('the key of the first start cannot lock everyone out', async () => {
    const first = parseKey(bare.adminKey)?.id
    expect((await bare.ask('GET', `${KEYS}/admin`)).status).toBe(404)
    const refused = await bare.ask('DELETE', `${KEYS}/${first}`)
    expect([refused.status, refused.body.type]).toEqual([409, expect.stringContaining('last-admin-key')])
    await bare.managementKey([{ role: 'editor' }])
    expect((await bare.ask('DELETE', `${KEYS}/${first}`)).status).toBe(409)
  })

  it('of two admins who revoke each other, one stays', async () => {
    const keys = [bare.adminKey, await bare.managementKey([{ role: 'admin' }])]
    const [one, other] = keys.map((key) => parseKey(key)?.id)
    const answers = await Promise.all([
      bare.ask('DELETE', `${KEYS}/${other}`, { key: keys[0] ?? null }),
      bare.ask('DELETE', `${KEYS}/${one}`, { key: keys[1] ?? null }),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const MATCH = { 'if-match': '*' }

let service: TestService
const ask: TestService['ask'] = (...request) => service.ask(...request)
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

const revision = () =>
  service.live.status().environments.find(({ environment }) => environment === 'default/development')
    ?.revision

describe('documents', () => {
  it('a body that was read can be put back unchanged, and makes no revision', async () => {
    await ask('POST', `${PROJECT}/flags`, {
      body: { key: 'whole', type: 'object', variants: { a: {} }, offVariant: 'a' },
    })
    await ask('PUT', `${ENVIRONMENT}/segments/beta`, { body: { when: { attribute: 'plan', op: 'exists' } } })
    const config = await ask('PUT', `${ENVIRONMENT}/flags/whole`, {
      headers: MATCH,
      body: {
        enabled: true,
        visibility: 'client',
        variants: { a: { size: 1 }, b: { size: 2 } },
        offVariant: null,
        targets: [{ variant: 'b', units: ['u1', 2] }],
        rules: [
          {
            description: 'Beta users',
            when: { any: [{ segment: 'beta' }, { not: { segment: 'beta' } }] },
            serve: { variant: 'a' },
          },
          { id: 'ramp', serve: { split: { shares: [{ variant: 'b', percent: 12.345 }] } } },
        ],
        fallthrough: null,
        valueSchema: { type: 'object', required: ['size'] },
      },
    })
    expect(config.status, config.text).toBe(200)
    await ask('PUT', `${ENVIRONMENT}/flags/whole/kill`, { body: { comment: 'for the test' } })

    for (const path of [`${ENVIRONMENT}/flags/whole`, `${ENVIRONMENT}/segments/beta`]) {
      const read = await ask('GET', path)
      const before = revision()
      for (const method of ['PUT', 'PATCH']) {
        const written = await ask(method, path, { body: read.body, headers: { 'if-match': read.etag } })
        expect(written.status, written.text).toBe(200)
        expect(written.etag).toBe(read.etag)
        const { warnings: _, ...document } = written.body
        expect(document).toEqual(read.body)
      }
      expect(revision()).toBe(before)
      // What a write answered can be put back as well.
      const { body, etag } = await ask('PATCH', path, { body: {}, headers: MATCH })
      expect((await ask('PUT', path, { body, headers: { 'if-match': etag } })).status).toBe(200)
      expect(revision()).toBe(before)
    }
    for (const path of [`${PROJECT}/flags/whole`, ENVIRONMENT, PROJECT]) {
      const read = await ask('GET', path)
      const written = await ask('PATCH', path, { body: read.body, headers: { 'if-match': read.etag } })
      expect(written.status, written.text).toBe(200)
      expect(written.etag).toBe(read.etag)
    }
  })

  it('refuses a body that was read from another document', async () => {
    const { body } = await ask('GET', `${ENVIRONMENT}/flags/whole`)
    await ask('POST', `${PROJECT}/flags`, {
      body: { key: 'second', type: 'object', variants: { a: {} }, offVariant: 'a' },
    })
    const answer = await ask('PUT', `${ENVIRONMENT}/flags/second`, { body, headers: MATCH })
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, '/key'])
  })

  it('says with each document who changed it, when, and by which revision', async () => {
    const key = await service.managementKey([{ role: 'editor' }])
    const made = await ask('POST', `${PROJECT}/flags`, { body: { key: 'stamped', type: 'boolean' }, key })
    expect(made.body.changedBy).toMatchObject({ kind: 'api-key', name: 'a key of the tests' })
    const read = await ask('GET', `${ENVIRONMENT}/flags/stamped`)
    expect(read.body.changedBy).toEqual(made.body.changedBy)
    expect(Math.abs(Date.parse(read.body.changedAt) - Date.now())).toBeLessThan(60_000)
    await ask('POST', `${PROJECT}/flags`, { body: { key: 'later', type: 'boolean' } })
    expect((await ask('GET', `${ENVIRONMENT}/flags/stamped`)).etag).toBe(read.etag)
  })

  it('answers a dry run with what would change, and changes nothing', async () => {
    const before = revision()
    const dry = await ask('PATCH', `${ENVIRONMENT}/flags/stamped?dryRun=true`, {
      body: { enabled: true },
      headers: MATCH,
    })
    expect(dry.body).toMatchObject({ enabled: true, dryRun: true, warnings: [{ code: 'serves-only-off' }] })
    expect(dry.body.diff).toMatchObject([
      {
        kind: 'flag',
        key: 'stamped',
        environment: 'development',
        summary: ['enabled'],
        before: { enabled: false },
        after: { enabled: true },
        diff: [{ pointer: '/enabled', before: false, after: true }],
      },
    ])
    expect(dry.etag).toBe('')
    expect(revision()).toBe(before)
    expect((await ask('GET', `${ENVIRONMENT}/flags/stamped`)).body.enabled).toBe(false)
    const key = await ask('POST', `${ENVIRONMENT}/keys?dryRun=true`, {
      body: { kind: 'server', name: 'never' },
    })
    expect(key.body.secret).toBeUndefined()
    expect(key.body.diff).toMatchObject([
      { kind: 'sdk-key', summary: ['server key "never" created'], before: null, after: { name: 'never' } },
    ])
    expect(key.text).not.toContain('digest')
    const refused = await ask('PATCH', `${ENVIRONMENT}/flags/stamped?dryRun=true`, {
      body: { offVariant: 'nope' },
      headers: MATCH,
    })
    expect(refused.status).toBe(422)
  })

  it('tells in a dry run of all documents that a write would touch, and counts the lines of a long diff', async () => {
    const made = await ask('POST', `${PROJECT}/flags?dryRun=true`, { body: { key: 'dry', type: 'boolean' } })
    const told = (body: { diff: { kind: string; environment?: string; summary: string[] }[] }) =>
      body.diff.map(({ kind, environment, summary }) => [kind, environment, ...summary])
    expect(told(made.body).toSorted()).toEqual([
      ['flag', 'development', 'created, disabled, everyone gets off'],
      ['flag', 'production', 'created, disabled, everyone gets off'],
      ['flag', 'staging', 'created, disabled, everyone gets off'],
      ['identity', undefined, 'created, boolean'],
    ])
    const key = await ask('POST', '/api/v1/api-keys?dryRun=true', {
      body: { name: 'ci', grants: [{ role: 'viewer' }] },
    })
    expect(told(key.body)).toEqual([['api-key', undefined, 'management key "ci" created: viewer everywhere']])
    expect(key.text).not.toContain('digest')
    const units = (name: string) => Array.from({ length: 600 }, (_, index) => `${name}-${index}`)
    const targets = (name: string) => ({
      body: { targets: [{ variant: 'on', units: units(name) }] },
      headers: MATCH,
    })
    await ask('PATCH', `${ENVIRONMENT}/flags/stamped`, targets('before'))
    const long = await ask('PATCH', `${ENVIRONMENT}/flags/stamped?dryRun=true`, targets('after'))
    const [entry] = long.body.diff
    expect(entry.summary).toEqual(['targets: 600 added to on, 600 removed from on'])
    expect([entry.diff.length, entry.leftOff]).toEqual([1_000, 200])
    await ask('PATCH', `${ENVIRONMENT}/flags/stamped`, { body: { targets: null }, headers: MATCH })
  })

  it('takes back an archived flag with its configurations as they were', async () => {
    await ask('PATCH', `${ENVIRONMENT}/flags/stamped`, { body: { enabled: true }, headers: MATCH })
    const archived = await ask('POST', `${PROJECT}/flags/stamped/archive`, { body: { comment: 'done' } })
    expect(archived.body.archived).toMatchObject({ by: 'configured admin key' })
    expect(archived.text).not.toContain('configurations')
    expect((await ask('GET', `${ENVIRONMENT}/flags/stamped`)).status).toBe(404)
    expect((await ask('POST', `${ENVIRONMENT}/flags/stamped/enable`)).status).toBe(409)
    const keys = async (query: string) =>
      (await ask('GET', `${PROJECT}/flags?limit=1000${query}`)).body.items.map(
        (one: { key: string }) => one.key,
      )
    expect(await keys('')).not.toContain('stamped')
    expect(await keys('&archived=true')).toEqual(['stamped'])
    expect(await keys('&archived=any')).toContain('stamped')
    await ask('POST', `${PROJECT}/flags/stamped/unarchive`)
    expect((await ask('GET', `${ENVIRONMENT}/flags/stamped`)).body.enabled).toBe(true)
  })

  it('shows a key’s secret once, and never its digest', async () => {
    const made = await ask('POST', `${ENVIRONMENT}/keys`, { body: { kind: 'client', name: 'web' } })
    expect(made.body.secret).toMatch(/^hly_pub_/)
    const listed = await ask('GET', `${ENVIRONMENT}/keys?query=web`)
    expect(listed.body.items).toMatchObject([{ id: made.body.id, kind: 'client', name: 'web' }])
    expect(listed.text).not.toMatch(/secret|digest/)
    const revoked = await ask('DELETE', `${ENVIRONMENT}/keys/${made.body.id}`)
    expect(revoked.body).toMatchObject({ deleted: true })
    const elsewhere = await ask('DELETE', `${PROJECT}/environments/staging/keys/${made.body.id}`)
    expect(elsewhere.status).toBe(404)
    expect(
      (await ask('POST', '/ofrep/v1/evaluate/flags', { key: made.body.secret, body: { context: {} } }))
        .status,
    ).toBe(401)
  })

  it('commits many documents as one revision, or none of them', async () => {
    await ask('POST', `${PROJECT}/flags`, { body: { key: 'committed', type: 'boolean' } })
    const before = revision() ?? 0
    const changes = [
      { op: 'put', kind: 'segment', key: 'staff', definition: { by: 'email' } },
      {
        op: 'put',
        kind: 'flag',
        key: 'committed',
        definition: {
          variants: { on: true },
          rules: [{ when: { segment: 'staff' }, serve: { variant: 'on' } }],
        },
      },
    ]
    const committed = await ask('POST', `${ENVIRONMENT}/commits`, { body: { changes, comment: 'together' } })
    expect(committed.status, committed.text).toBe(200)
    expect(committed.body.changes).toMatchObject([{ key: 'staff' }, { key: 'committed' }])
    expect(revision()).toBe(before + 1)
    const half = await ask('POST', `${ENVIRONMENT}/commits`, {
      body: {
        changes: [
          { op: 'delete', kind: 'segment', key: 'staff' },
          { op: 'put', kind: 'segment', key: 'new', definition: {} },
        ],
      },
    })
    expect(half.status, half.text).toBe(409)
    expect((await ask('GET', `${ENVIRONMENT}/segments/new`)).status).toBe(404)
    const references = await ask('GET', `${ENVIRONMENT}/segments/staff/references`)
    expect(references.body).toEqual({ flags: ['committed'], segments: [] })
  })

  it('pages through lists by an opaque cursor, filtered', async () => {
    for (let number = 0; number < 25; number++) {
      const key = `paged-${String(number).padStart(2, '0')}`
      await ask('POST', `${PROJECT}/flags`, {
        body: {
          key,
          type: 'boolean',
          tags: number % 2 === 0 ? ['even'] : [],
          owner: number < 5 ? 'first-five' : null,
          description: `Number ${number}`,
        },
      })
    }
    const all = async (path: string) => {
      const keys: string[] = []
      let cursor: string | null = ''
      while (cursor !== null) {
        const { body } = await ask('GET', `${path}${cursor && `&cursor=${cursor}`}`)
        keys.push(...body.items.map((item: { key: string }) => item.key))
        cursor = body.cursor
      }
      return keys
    }
    const paged = await all(`${PROJECT}/flags?limit=4&query=PAGED`)
    expect(paged).toHaveLength(25)
    expect(paged).toEqual([...paged].sort())
    expect(await all(`${PROJECT}/flags?limit=5&tag=even&query=paged`)).toHaveLength(13)
    expect(await all(`${ENVIRONMENT}/flags?limit=2&owner=first-five`)).toHaveLength(5)
    expect(await all(`${PROJECT}/flags?limit=3&query=number%2024`)).toEqual(['paged-24'])
    const some = await ask('GET', `${ENVIRONMENT}/flags?limit=1&fields=enabled,revision`)
    expect(Object.keys(some.body.items[0]).sort()).toEqual(['enabled', 'key', 'revision'])
  })
})

/** Whose changes a key sees: what its grants cover, and never a secret. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { problemUri } from '../../../server/contract/index.ts'
import { parseKey } from '../../../server/domain/keys.ts'
import { sha256 } from '../../../server/store/chain.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const WRITES = { 'if-match': '*' }

let service: TestService
const keys: Record<string, string> = {}
const secrets: string[] = []

beforeAll(async () => {
  service = await startService()
  await service.ask('POST', '/api/v1/projects', { body: { key: 'other', name: 'Other' } })
  await service.ask('POST', '/api/v1/projects/other/environments', { body: { key: 'production' } })
  await service.ask('POST', '/api/v1/projects/other/flags', { body: { key: 'foreign', type: 'boolean' } })
  await service.ask('POST', `${PROJECT}/flags`, { body: { key: 'checkout', type: 'boolean' } })
  for (const env of ['development', 'staging', 'production']) {
    await service.ask('PATCH', `${PROJECT}/environments/${env}`, {
      body: { name: `The ${env}` },
      headers: WRITES,
    })
    const made = await service.ask('POST', `${PROJECT}/environments/${env}/keys`, {
      body: { kind: 'server', name: `backend of ${env}` },
    })
    secrets.push(made.body.secret)
  }
  const made = await service.ask('POST', '/api/v1/api-keys', {
    body: { name: 'pipeline', grants: [{ role: 'editor', projects: ['default'] }] },
  })
  secrets.push(made.body.secret)
  const grants = {
    viewer: { role: 'viewer' },
    'of default': { role: 'viewer', projects: ['default'] },
    'of staging': { role: 'viewer', environments: ['default/staging'] },
    'of other': { role: 'admin', projects: ['other'] },
    killer: { role: 'killer' },
    admin: { role: 'admin' },
  } as const
  for (const [name, grant] of Object.entries(grants)) keys[name] = await service.managementKey([grant])
})
afterAll(() => service.close())

type Item = {
  revision: number
  documents: { kind: string; key: string; diff: unknown[] }[]
  summary: string[]
}

/** Every page, as this key sees it, small ones. */
async function changes(who: string, path: string, query = 'limit=3'): Promise<Item[]> {
  const items: Item[] = []
  for (let cursor = ''; ; ) {
    const { status, body } = await service.ask('GET', `${path}?${query}${cursor}`, { key: keys[who] ?? null })
    expect(status).toBe(200)
    items.push(...body.items)
    if (body.cursor === null) return items
    cursor = `&cursor=${body.cursor}`
  }
}
const named = (items: readonly Item[]) =>
  [...new Set(items.flatMap(({ documents }) => documents.map(({ kind, key }) => `${kind} ${key}`)))].sort()
const keyId = (secret: string | undefined) => parseKey(secret ?? '')?.id
const [DEVELOPMENT, STAGING, PRODUCTION] = [0, 1, 2]

describe('a project’s changes', () => {
  it('are all there for those who may read the whole project', async () => {
    for (const who of ['admin', 'viewer', 'of default']) {
      const seen = named(await changes(who, `${PROJECT}/changes`))
      const expected = [
        ...['identity checkout', 'environment development', 'environment staging', 'environment production'],
        ...[DEVELOPMENT, STAGING, PRODUCTION].map((index) => `sdk-key ${keyId(secrets[index])}`),
      ]
      expect(seen).toEqual(expected.sort())
    }
  })

  it('of other environments and their keys are not for a key of one', async () => {
    const items = await changes('of staging', `${PROJECT}/changes`)
    expect(named(items)).toEqual(
      ['identity checkout', 'environment staging', `sdk-key ${keyId(secrets[STAGING])}`].sort(),
    )
    expect(JSON.stringify(items)).not.toMatch(/development|production/)
    const everything = await changes('admin', `${PROJECT}/changes`)
    for (const { revision, documents } of everything) {
      const one = await service.ask('GET', `${PROJECT}/changes/${revision}`, {
        key: keys['of staging'] ?? null,
      })
      const visible = items.some((item) => item.revision === revision)
      expect(one.status).toBe(visible ? 200 : 404)
      if (visible) expect(one.body.documents.length).toBeLessThanOrEqual(documents.length)
      else expect(one.body.type).toBe(problemUri('revision-not-found'))
      expect(one.text).not.toMatch(/development|production/)
    }
  })

  it('are seen with any choice of fields alike', async () => {
    const all = await changes('of staging', `${PROJECT}/changes`)
    const some = await changes('of staging', `${PROJECT}/changes`, 'limit=3&fields=action')
    expect(some.map(({ revision }) => revision)).toEqual(all.map(({ revision }) => revision))
  })
})

describe('the service’s changes', () => {
  it('show administrators projects and management keys', async () => {
    const seen = named(await changes('admin', '/api/v1/changes'))
    expect(seen).toEqual(
      expect.arrayContaining(['project default', 'project other', `api-key ${keyId(secrets[3])}`]),
    )
  })

  it('show others the projects that they may read, and no key', async () => {
    expect(named(await changes('viewer', '/api/v1/changes'))).toEqual(['project default', 'project other'])
    expect(named(await changes('of default', '/api/v1/changes'))).toEqual(['project default'])
    expect(named(await changes('of staging', '/api/v1/changes'))).toEqual(['project default'])
    expect(named(await changes('of other', '/api/v1/changes'))).toEqual(['project other'])
  })
})

describe('nobody else sees anything', () => {
  it.each([
    ['GET', `${PROJECT}/environments/staging/changes`],
    ['GET', `${PROJECT}/environments/staging/changes/1`],
    ['GET', `${PROJECT}/environments/staging/revisions/1`],
    ['GET', `${PROJECT}/environments/staging/revisions/latest`],
    ['POST', `${PROJECT}/environments/staging/explain`],
    ['GET', `${PROJECT}/changes`],
    ['POST', `${PROJECT}/compare`],
  ])('%s %s', async (method, path) => {
    const body = path.endsWith('compare')
      ? { context: {}, from: { environment: 'staging' }, to: { environment: 'staging' } }
      : { context: {} }
    for (const who of ['killer', 'of other']) {
      const { status, body: problem } = await service.ask(method, path, {
        key: keys[who] ?? null,
        ...(method === 'POST' && { body }),
      })
      expect([who, status, problem.type]).toEqual([who, 403, problemUri('forbidden')])
    }
  })

  it('a comparison needs both sides, and tells nothing of one that may not be read', async () => {
    const ask = (from: string, to: string) =>
      service.ask('POST', `${PROJECT}/compare`, {
        key: keys['of staging'] ?? null,
        body: { context: {}, from: { environment: from }, to: { environment: to } },
      })
    expect((await ask('staging', 'staging')).status).toBe(200)
    for (const [from, to] of [
      ['staging', 'production'],
      ['production', 'staging'],
      ['staging', 'nowhere'],
    ] as const) {
      const { status, body } = await ask(from, to)
      expect([status, body.type]).toEqual([403, problemUri('forbidden')])
    }
  })
})

it('no answer about changes holds a secret, or what is kept of one', async () => {
  const texts = await Promise.all(
    ['/api/v1/changes', `${PROJECT}/changes`].flatMap((path) => [
      service.ask('GET', `${path}?limit=200`).then(({ text }) => text),
      ...Array.from({ length: 12 }, (_, n) =>
        service.ask('GET', `${path}/${n + 1}`).then(({ text }) => text),
      ),
    ]),
  )
  for (const text of texts) {
    expect(text).not.toContain('"digest"')
    for (const secret of secrets) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(sha256(secret))
    }
    // Logs go by ids of their own, which nobody needs but for the head.
    expect(text.replace(/"head":\{[^}]*\}/, '')).not.toMatch(/env_[a-z0-9]{20}/)
  }
})

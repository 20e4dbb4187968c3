import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allEndpoints } from '../../../server/contract/index.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const DEVELOPMENT = `${PROJECT}/environments/development`

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

let made = 0
/** A flag of its own for the asking. @returns its key */
async function flag(): Promise<string> {
  const key = `flag-${++made}`
  await service.ask('POST', `${PROJECT}/flags`, { body: { key, type: 'boolean' } })
  return key
}
/** `If-Match: *` where the document is expected to exist. */
const send = (method: string, url: string, key: string, body?: unknown, headers = {}) =>
  service.ask(method, url, { body, headers: { 'idempotency-key': key, 'if-match': '*', ...headers } })
const create = (method: string, url: string, key: string, body: unknown) =>
  service.ask(method, url, { body, headers: { 'idempotency-key': key } })
const killOf = async (key: string) => (await service.ask('GET', `${DEVELOPMENT}/flags/${key}`)).body.kill

describe('Idempotency-Key', () => {
  it('is taken by every write, and by nothing that only reads', () => {
    // A link is made without writing anything.
    const reads = ['members.check', 'kill-links.create']
    for (const { id, method, access, headers } of allEndpoints) {
      const writes = access.by === 'management' && method !== 'GET' && 'halyard-comment' in headers.shape
      expect('idempotency-key' in headers.shape, id).toBe(writes && !reads.includes(id))
    }
  })

  it('answers a write again as the first time, byte for byte, whatever was edited meanwhile', async () => {
    const key = await flag()
    const url = `${DEVELOPMENT}/flags/${key}`
    const rule = { when: { attribute: 'plan', op: 'in', values: ['pro'] }, serve: { variant: 'on' } }
    const first = await send('POST', `${url}/rules`, 'add-rule', rule)
    await service.ask('POST', `${url}/enable`)
    await service.ask('DELETE', `${url}/rules/${first.body.rules[0].id}`, { headers: { 'if-match': '*' } })
    const again = await send('POST', `${url}/rules`, 'add-rule', rule)
    expect([again.status, again.text, again.etag]).toEqual([201, first.text, first.etag])
    expect((await service.ask('GET', url)).body.rules).toEqual([])
  })

  it('does not kill again what was un-killed meanwhile, though the first kill changed nothing', async () => {
    const key = await flag()
    const url = `${DEVELOPMENT}/flags/${key}/kill`
    await service.ask('PUT', url, { body: { comment: 'INC-1' } })
    const first = await send('PUT', url, 'kill-it', { comment: 'INC-1' })
    expect(first.body.already).toBe(true)
    await service.ask('DELETE', url)
    const again = await send('PUT', url, 'kill-it', { comment: 'INC-1' })
    expect([again.status, again.text]).toEqual([200, first.text])
    expect(await killOf(key)).toBe(null)
  })

  it('ends a kill once, and answers so again: also where nothing is killed any more, or something else', async () => {
    const key = await flag()
    const url = `${DEVELOPMENT}/flags/${key}/kill`
    await service.ask('PUT', url, { body: { comment: 'INC-1' } })
    const first = await send('DELETE', url, `end-${key}`)
    expect([first.status, first.body.ended.comment]).toEqual([200, 'INC-1'])
    const again = await send('DELETE', url, `end-${key}`)
    expect([again.status, again.text]).toEqual([200, first.text])
    await service.ask('PUT', url, { body: { comment: 'INC-2' } })
    const later = await send('DELETE', url, `end-${key}`)
    expect([later.status, later.text]).toEqual([200, first.text])
    expect(await killOf(key)).toMatchObject({ comment: 'INC-2' })
  })

  it('makes one revision of two requests at once', async () => {
    const key = await flag()
    const url = `${DEVELOPMENT}/flags/${key}/rules`
    const before = service.live.environment('default', 'development')
    const revision = () => service.live.held(before?.id ?? '')?.head.revision ?? 0
    const from = revision()
    const [one, two] = await Promise.all([
      send('POST', url, 'twice', { serve: { variant: 'on' } }),
      send('POST', url, 'twice', { serve: { variant: 'on' } }),
    ])
    expect(one.text).toBe(two.text)
    expect(revision()).toBe(from + 1)
  })

  it('is for one request: another body, address, If-Match or comment is refused', async () => {
    const key = await flag()
    const url = `${DEVELOPMENT}/flags/${key}`
    await send('POST', `${url}/rules`, 'one', { id: 'a', serve: { variant: 'on' } })
    for (const other of [
      send('POST', `${url}/rules`, 'one', { id: 'b', serve: { variant: 'on' } }),
      send('POST', `${url}/enable`, 'one'),
      send('POST', `${url}/rules`, 'one', { id: 'a', serve: { variant: 'on' } }, { 'if-match': '"1-1"' }),
      send('POST', `${url}/rules`, 'one', { id: 'a', serve: { variant: 'on' } }, { 'halyard-comment': 'x' }),
    ]) {
      const { status, body } = await other
      expect([status, body.type]).toEqual([409, 'https://halyard.dev/problems/idempotency-key-reused'])
    }
    // The order of names in a body is nothing that was asked.
    const same = await send('POST', `${url}/rules`, 'one', '{"serve": {"variant": "on"}, "id": "a"}')
    expect(same.status).toBe(201)
  })

  it('knows lines by their bytes', async () => {
    await service.ask('PUT', `${DEVELOPMENT}/segments/beta`, { body: {} })
    const url = `${DEVELOPMENT}/segments/beta/members`
    const csv = { 'content-type': 'text/csv' }
    const first = await send('PATCH', url, 'import', 'unit\nanna\nben\n', csv)
    expect(first.body).toMatchObject({ added: 2, present: 0 })
    expect((await send('PATCH', url, 'import', 'unit\nanna\nben\n', csv)).text).toBe(first.text)
    expect((await send('PATCH', url, 'import', 'unit\nanna\ncarl\n', csv)).status).toBe(409)
  })

  it('does not show a secret twice', async () => {
    const body = { kind: 'server', name: 'shop' }
    const { secret, ...first } = (await send('POST', `${DEVELOPMENT}/keys`, 'make-key', body)).body
    expect(secret).toMatch(/^hly_srv_/)
    const again = await send('POST', `${DEVELOPMENT}/keys`, 'make-key', body)
    expect([again.status, again.body]).toEqual([201, first])
    expect((await service.ask('GET', '/sdk/v1/ruleset', { key: secret })).status).toBe(200)
  })

  it('answers again that something was deleted, and made', async () => {
    const project = await send('POST', '/api/v1/projects', 'p', { key: 'short' })
    const environment = await send('POST', '/api/v1/projects/short/environments', 'e', { key: 'qa' })
    const segment = await create('PUT', '/api/v1/projects/short/environments/qa/segments/s', 's', {})
    expect([project.status, environment.status, segment.status]).toEqual([201, 201, 201])
    const again = await create('PUT', '/api/v1/projects/short/environments/qa/segments/s', 's', {})
    expect([again.status, again.text]).toEqual([201, segment.text])
    for (const url of ['/api/v1/projects/short/environments/qa', '/api/v1/projects/short']) {
      const first = await send('DELETE', url, `gone${url}`)
      const second = await send('DELETE', url, `gone${url}`)
      expect([first.status, second.status, second.text]).toEqual([200, 200, first.text])
      expect((await send('DELETE', url, `another${url}`)).status).toBe(404)
      expect((await service.ask('DELETE', url, { headers: { 'if-match': '*' } })).status).toBe(404)
    }
    expect((await send('POST', '/api/v1/projects', 'p', { key: 'short' })).text).toBe(project.text)
  })

  it('is one to 255 printable characters', async () => {
    const key = await flag()
    for (const wrong of ['', 'a b', 'x'.repeat(256), 'é']) {
      const { status, body } = await send('POST', `${DEVELOPMENT}/flags/${key}/enable`, wrong)
      expect([status, body.detail]).toEqual([400, expect.stringContaining('idempotency-key')])
    }
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseKey } from '../../../server/domain/keys.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { secondsSince } from '../../support/until.ts'

const ENVIRONMENTS = '/api/v1/projects/default/environments'
const KEYS = `${ENVIRONMENTS}/development/keys`

let service: TestService
let url: string
beforeAll(async () => {
  service = await startService()
  url = await service.listen()
})
afterAll(() => service.close())

const make = async (body: object = { kind: 'server', name: 'app' }) =>
  (await service.ask('POST', KEYS, { body })).body
const rotate = (id: string, body?: object, keys = KEYS) =>
  service.ask('POST', `${keys}/${id}/rotate`, { body })
const ruleset = async (key: string) => (await service.ask('GET', '/sdk/v1/ruleset', { key })).status

/** Opens a stream of the key. `over`: when it ended, epoch milliseconds. */
async function stream(path: string, key?: string): Promise<{ readonly over: Promise<number> }> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const response = await fetch(url + path, { headers })
  expect(response.status).toBe(200)
  return { over: response.text().then(() => Date.now()) }
}
/** Both streams that a server key can open. */
async function streams(key: string) {
  const { body } = await service.ask('POST', '/ofrep/v1/evaluate/flags', { key, body: { context: {} } })
  const { requestUri } = body.eventStreams[0].endpoint
  return Promise.all([stream('/sdk/v1/stream', key), stream(requestUri)])
}

describe('SDK keys', () => {
  it('are read in their environment alone', async () => {
    const { id, secret } = await make()
    const read = await service.ask('GET', `${KEYS}/${id}`)
    expect(read.body).toMatchObject({ id, kind: 'server', name: 'app' })
    expect(read.text).not.toContain(parseKey(secret)?.secret)
    for (const [method, path] of [
      ['GET', id],
      ['DELETE', id],
      ['POST', `${id}/rotate`],
    ] as const) {
      const elsewhere = await service.ask(method, `${ENVIRONMENTS}/staging/keys/${path}`)
      const nowhere = await service.ask(method, `${ENVIRONMENTS}/staging/keys/${path.replace(id, 'nobody')}`)
      expect([elsewhere.status, elsewhere.body.type]).toEqual([404, nowhere.body.type])
      expect(elsewhere.body.detail.replace(id, 'nobody')).toBe(nowhere.body.detail)
    }
    expect(await ruleset(secret)).toBe(200)
  })

  it('are rotated into one of the same kind and name, and open until the end of the grace', async () => {
    const old = await make({ kind: 'client', name: 'page' })
    const { status, body } = await rotate(old.id, { graceSeconds: 3_600 })
    expect(status).toBe(201)
    expect(body).toMatchObject({ kind: 'client', name: 'page', replaces: old.id })
    const evaluate = (key: string) =>
      service.ask('POST', '/ofrep/v1/evaluate/flags', { key, body: { context: {} } })
    for (const { secret } of [old, body]) expect((await evaluate(secret)).status).toBe(200)
    expect((await service.ask('GET', `${KEYS}/${old.id}`)).body).toMatchObject({
      replacedBy: body.id,
      expiresAt: body.previous.expiresAt,
    })
    expect((await rotate(old.id)).status).toBe(409)
  })
  it.each([
    ['its rotation without a grace', 0],
    ['the end of its grace', 1],
  ])(
    'have their open streams cut within two seconds of %s, and the new key’s stay',
    async (_when, graceSeconds) => {
      const old = await make()
      const open = await streams(old.secret)
      const { body } = await rotate(old.id, { graceSeconds })
      const end = Date.parse(body.previous.expiresAt)
      const seconds = secondsSince(end)
      const [kept] = await streams(body.secret)
      for (const { over } of open) expect(await over).toBeGreaterThanOrEqual(end)
      expect(seconds()).toBeLessThanOrEqual(2)
      expect([await ruleset(old.secret), await ruleset(body.secret)]).toEqual([401, 200])
      expect(service.live.streams()).toEqual({ server: 1, refetch: 1 })
      await service.ask('DELETE', `${KEYS}/${body.id}`)
      await kept?.over
    },
  )
})

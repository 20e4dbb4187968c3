/** Instances speak to each other directly: signed with a key of the installation, and nobody else is told anything. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { subkey } from '../../../server/data-folder.ts'
import { PEER_PATH } from '../../../server/live/peers.ts'
import { signText } from '../../../server/live/signed-text.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const SECRET = 'a-secret-of-two-instances-that-is-long-enough'
const KEY = subkey(SECRET, 'peers')

let service: TestService
beforeAll(async () => {
  service = await startService({ secret: SECRET })
})
afterAll(() => service.close())

const say = (payload: string, headers: Readonly<Record<string, string>> = {}) =>
  service.http.inject({
    method: 'POST',
    url: PEER_PATH,
    headers: { 'content-type': 'text/plain', ...headers },
    payload,
  })

it('answers an instance with what it accounts for', async () => {
  const { statusCode, payload } = await say(signText(JSON.stringify({ at: Date.now() }), KEY))
  expect(statusCode).toBe(200)
  expect(JSON.parse(payload)).toEqual({ server: expect.any(String), environments: {} })
})

it.each([
  ['another key', () => signText(JSON.stringify({ at: Date.now() }), subkey('another secret', 'peers'))],
  ['a key for something else', () => signText(JSON.stringify({ at: Date.now() }), subkey(SECRET, 'journal'))],
  ['no signature', () => JSON.stringify({ at: Date.now() })],
  ['nothing at all', () => ''],
  ['an old signature', () => signText(JSON.stringify({ at: Date.now() - 600_000 }), KEY)],
  [
    'kills that nobody accepted',
    () =>
      signText(JSON.stringify({ at: Date.now(), sealed: signText('{}', subkey('another', 'journal')) }), KEY),
  ],
])('tells nothing to %s', async (_, message) => {
  const { statusCode, json } = await say(message())
  expect([statusCode, json().type]).toEqual([401, expect.stringContaining('unauthenticated')])
})

it('takes no JSON, and no administrator for an instance', async () => {
  const answer = await say('{}', {
    'content-type': 'application/json',
    authorization: `Bearer ${service.adminKey}`,
  })
  expect([401, 415]).toContain(answer.statusCode)
})

/** Instances speak to each other directly: signed with a key of the installation, and nobody else is told anything. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { subkey } from '../../../server/data-folder.ts'
import { PEER_PASS, PEER_PATH, peerPass } from '../../../server/live/peers.ts'
import { signText } from '../../../server/live/signed-text.ts'
import { startService, type TestService } from '../../support/start-service.ts'

const SECRET = 'a-secret-of-two-instances-that-is-long-enough'
const KEY = subkey(SECRET, 'peers')

let service: TestService
let url: string
beforeAll(async () => {
  service = await startService({ secret: SECRET })
  url = await service.listen()
})
afterAll(() => service.close())

const say = (payload: string, headers: Readonly<Record<string, string>> = {}) =>
  service.http.inject({
    method: 'POST',
    url: PEER_PATH,
    headers: { 'content-type': 'text/plain', [PEER_PASS]: peerPass(Date.now(), KEY), ...headers },
    payload,
  })

it('answers an instance with what it accounts for', async () => {
  const { statusCode, payload } = await say(signText(JSON.stringify({ at: Date.now() }), KEY))
  expect(statusCode).toBe(200)
  expect(JSON.parse(payload)).toEqual({
    ...{ server: expect.any(String), at: expect.any(Number), environments: {} },
  })
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

it.each([
  ['no pass', {}],
  [
    'a pass of another installation',
    { [PEER_PASS]: peerPass(Date.now(), subkey('another secret', 'peers')) },
  ],
  ['an old pass', { [PEER_PASS]: peerPass(Date.now() - 600_000, KEY) }],
  ['a pass that is no time', { [PEER_PASS]: signText('soon', KEY) }],
])('reads nothing that comes with %s', async (_, pass) => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const headers = Object.entries({
    host: 'here',
    'content-type': 'text/plain',
    ...pass,
    'content-length': 2e7,
  })
  // The body never comes: whoever waited for it would not answer.
  socket.write(
    `POST ${PEER_PATH} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  )
  const [answer] = await once(socket, 'data')
  socket.destroy()
  expect(String(answer)).toMatch(/^HTTP\/1.1 401 /)
})

it('takes no JSON, and no administrator for an instance', async () => {
  const answer = await say('{}', {
    'content-type': 'application/json',
    authorization: `Bearer ${service.adminKey}`,
  })
  expect([401, 415]).toContain(answer.statusCode)
})

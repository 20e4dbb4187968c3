/**
 * SIGTERM: nothing that was begun is cut off, streams are told to go, and the process ends by itself.
 */
import { once } from 'node:events'
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { beforeAll, describe, expect, it } from 'vitest'
import { processes, type Server } from '../support/process.ts'
import { DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'

const all = processes()
const EXIT_WITHIN_MS = 15_000

describe('a server that gets SIGTERM', () => {
  let server: Server
  let api: Rest
  let key: string

  beforeAll(async () => {
    server = await all.startServer()
    api = rest(server.url, server.adminKey)
    key = await sdkKey(api, 'server')
  })

  it('finishes what it has begun, says goodbye to streams, and exits with 0', async () => {
    const stream = await follow(`${server.url}/sdk/v1/stream`, { authorization: `Bearer ${key}` })
    const bulk = await fetch(`${server.url}/ofrep/v1/evaluate/flags`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: '{"context":{}}',
    })
    const { eventStreams } = (await bulk.json()) as { eventStreams: { endpoint: { requestUri: string } }[] }
    const refetch = await follow(`${server.url}${eventStreams[0]!.endpoint.requestUri}`, {})
    const app = await startSdk(all, { url: server.url, key }, {})
    await app.see('the server', ({ state }) => state === 'ready')
    const begun = begin(server, `${PROJECT}/flags`, { key: 'begun', type: 'boolean' })
    await until('the request has arrived', () => begun.arrived())

    const ending = server.stop()
    await until('it takes no new connection', async () =>
      fetch(`${server.url}/health/live`, { headers: { connection: 'close' } }).then(
        (answer) => answer.status === 503,
        () => true,
      ),
    )
    const answer = await begun.finish()
    expect(answer.statusCode).toBe(201)

    const { code, afterMs } = await ending
    expect(code, server.stderr()).toBe(0)
    expect(afterMs).toBeLessThan(EXIT_WITHIN_MS)
    const text = await stream.ended
    expect(text).toMatch(/^event: goodbye$/m)
    expect(text).toMatch(/^retry: \d+$/m)
    expect(text).toMatch(/"retryMs":\d+/)
    await refetch.ended

    server = await server.again()
    const flag = await rest(server.url, server.adminKey).must('GET', `${DEVELOPMENT}/flags/begun`)
    expect(flag).toMatchObject({ key: 'begun' })
    const { revision } = await rest(server.url, server.adminKey).must<{ revision: number }>(
      'POST',
      `${DEVELOPMENT}/flags/begun/enable`,
    )
    await app.see('an edit of the new process', (line) => line.revision === revision)
    expect((await app.close()).code).toBe(0)
  })

  it('exits with 0 when it is idle, and on SIGINT too', async () => {
    server.child.kill('SIGINT')
    expect(await server.ended).toMatchObject({ code: 0, signal: null })
  })
})

/** Follows a stream; resolves once it is open. `ended`: all of its text, when the server ends it. */
async function follow(url: string, headers: Record<string, string>) {
  const answer = await fetch(url, { headers: { ...headers, accept: 'text/event-stream' } })
  expect(answer.status).toBe(200)
  return { ended: answer.text() }
}

/** Sends a write whose body is half there, over a connection that the client would keep for more. */
function begin(server: Server, path: string, body: unknown) {
  const text = JSON.stringify(body)
  const half = text.length >> 1
  const sending: ClientRequest = request(`${server.url}${path}`, {
    agent: new Agent({ keepAlive: true }),
    method: 'POST',
    headers: {
      authorization: `Bearer ${server.adminKey}`,
      'content-type': 'application/json',
      'content-length': String(text.length),
      // The server says that it has taken the request up: 100 Continue.
      expect: '100-continue',
    },
  })
  let taken = false
  sending.once('continue', () => {
    taken = true
    sending.write(text.slice(0, half))
  })
  sending.flushHeaders()
  return {
    arrived: () => taken,
    finish: async (): Promise<IncomingMessage> => {
      const answered = once(sending, 'response')
      sending.end(text.slice(half))
      const [answer] = (await answered) as [IncomingMessage]
      answer.resume()
      return answer
    },
  }
}

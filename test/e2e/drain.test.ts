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

describe('a server with a balancer before it', () => {
  /** Longer than any test: what is asked during the pause is never too late. */
  const lasting = { settings: { HALYARD_DRAIN_DELAY_MS: '600000' } }

  it('is not ready at once, and serves on over connections that it does not keep', async () => {
    const server = await all.startServer(lasting)
    const api = rest(server.url, server.adminKey)
    const key = await sdkKey(api, 'server')
    const agent = new Agent({ keepAlive: true })
    const asked = (method: string, path: string) => ask(server, agent, method, path, key)
    const stream = () => follow(`${server.url}/sdk/v1/stream`, { authorization: `Bearer ${key}` })
    const before = await asked('POST', '/ofrep/v1/evaluate/flags')
    expect([before.status, before.connection]).toEqual([200, 'keep-alive'])
    const early = await stream()

    server.child.kill('SIGTERM')
    await until('it is not ready', async () => (await asked('GET', '/health/ready')).status === 503)
    const during = await asked('POST', '/ofrep/v1/evaluate/flags')
    expect([during.status, during.connection]).toEqual([200, 'close'])
    expect((await asked('GET', '/health/live')).status).toBe(200)
    const late = await stream()
    expect((await api.ask('POST', `${PROJECT}/flags`, { key: 'late', type: 'boolean' })).status).toBe(201)
    for (const { text } of [early, late]) {
      await until('the stream carries the edit', () => text().includes('"key":"late"'))
      expect(text()).not.toContain('event: goodbye')
    }
    await server.kill()
  })

  it('says goodbye after the pause, and exits with 0', async () => {
    const pauseMs = 1_000
    const server = await all.startServer({ settings: { HALYARD_DRAIN_DELAY_MS: String(pauseMs) } })
    const key = await sdkKey(rest(server.url, server.adminKey), 'server')
    const stream = await follow(`${server.url}/sdk/v1/stream`, { authorization: `Bearer ${key}` })
    const { code, afterMs } = await server.stop()
    expect(code, server.stderr()).toBe(0)
    expect(afterMs).toBeGreaterThanOrEqual(pauseMs)
    expect(afterMs).toBeLessThan(EXIT_WITHIN_MS)
    expect(await stream.ended).toMatch(/^event: goodbye$/m)
  })

  it('does not keep a person at a terminal waiting', async () => {
    const server = await all.startServer(lasting)
    server.child.kill('SIGINT')
    expect(await server.ended).toMatchObject({ code: 0, signal: null })
  })

  it('ends at once when it is told a second time, and does not take one signal for two', async () => {
    const server = await all.startServer(lasting)
    const ready = async () => (await fetch(`${server.url}/health/ready`)).status
    server.child.kill('SIGTERM')
    // As npm does, which passes on what its whole group was sent.
    server.child.kill('SIGTERM')
    await until('it is not ready', async () => (await ready()) === 503)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(await ready()).toBe(503)
    server.child.kill('SIGINT')
    expect(await server.ended).toMatchObject({ code: 1, signal: null })
    expect(server.stderr()).toContain('second signal (SIGINT)')
  })
})

describe('an app that knows two servers of one database', () => {
  it('goes to the other one when its own goes away, and misses no change', async () => {
    const database = await all.freshDatabase()
    const settings = { HALYARD_SECRET: 'one secret for all instances of it' }
    const one = await all.startServer({ database, settings })
    const two = await all.startServer({ database, settings, adminKey: one.adminKey })
    const api = rest(two.url, two.adminKey)
    const key = await sdkKey(api, 'server')
    await api.must('POST', `${PROJECT}/flags`, { key: 'moving', type: 'boolean' })
    const app = await startSdk(all, { url: `${one.url},${two.url}`, key }, {})
    await until('its stream is open', async () => (await app.ask()).connected)

    expect((await one.stop()).code).toBe(0)
    const enabled = await api.must<{ revision: number }>('POST', `${DEVELOPMENT}/flags/moving/enable`)
    await app.see('an edit that the other server made', ({ revision }) => revision === enabled.revision)
    await until('its stream is the other server’s', async () => (await app.ask()).connected)
    expect((await app.close()).code).toBe(0)
  })
})

/** One request over a connection of the agent. */
async function ask(server: Server, agent: Agent, method: string, path: string, key: string) {
  const sending = request(`${server.url}${path}`, {
    agent,
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  })
  const answered = once(sending, 'response')
  sending.end(method === 'POST' ? '{"context":{}}' : undefined)
  const [answer] = (await answered) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  return { status: answer.statusCode, connection: answer.headers.connection }
}

/**
 * Follows a stream; resolves once it is open. One that has just started on a busy machine is late, and lets no stream in
 * until it is not (503): then it is asked again, as clients do.
 * @returns `text`: what came so far. `ended`: all of it, when the server ends it
 */
async function follow(url: string, headers: Record<string, string>) {
  const answer = await until('the stream is let in', async () => {
    const answer = await fetch(url, { headers: { ...headers, accept: 'text/event-stream' } })
    if (answer.status !== 503) return answer
    await answer.body?.cancel()
    return undefined
  })
  expect(answer.status).toBe(200)
  let text = ''
  const read = async () => {
    for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) text += chunk
    return text
  }
  const ended = read()
  // Who kills the server does not wait for it.
  ended.catch(() => undefined)
  return { text: () => text, ended }
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

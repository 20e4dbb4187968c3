import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

let service: TestService
let url: string
let server: string
let client: string
const opened: AbortController[] = []

beforeEach(async () => {
  service = await startService({ maxStreams: 6 })
  url = await service.listen()
  server = await service.sdkKey('server')
  client = await service.sdkKey('client')
  await service.ask('POST', `${PROJECT}/flags`, {
    body: { key: 'open', type: 'boolean', visibility: 'client' },
  })
})
afterEach(async () => {
  for (const one of opened.splice(0)) one.abort()
  await service.close()
})

type Stream = { readonly response: Response; until(pattern: RegExp): Promise<string>; end(): Promise<string> }

/** Opens a stream, and reads it as text. */
async function open(path: string, headers: Record<string, string> = {}): Promise<Stream> {
  const cut = new AbortController()
  opened.push(cut)
  const response = await fetch(url + path, { headers, signal: cut.signal })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    response,
    async until(pattern) {
      for (;;) {
        const found = pattern.exec(text)
        if (found !== null) {
          text = text.slice(found.index + found[0].length)
          return found[0]
        }
        const next = await reader?.read()
        if (next === undefined || next.done) throw new Error(`The stream ended before ${pattern}: ${text}`)
        text += next.value
      }
    },
    async end() {
      for (;;) {
        const next = await reader?.read()
        if (next === undefined || next.done) return text
        text += next.value
      }
    },
  }
}
const sdkStream = (headers: Record<string, string> = {}) =>
  open('/sdk/v1/stream', { authorization: `Bearer ${server}`, ...headers })
async function tokenAddress(key = client): Promise<string> {
  const { body } = await service.ask('POST', '/ofrep/v1/evaluate/flags', { key, body: { context: {} } })
  return body.eventStreams[0].endpoint.requestUri
}
const metrics = async (): Promise<Readonly<Record<string, string>>> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Object.fromEntries(text.split('\n').map((line) => line.split(/ (?=\S+$)/) as [string, string]))
}
const environmentId = () => service.live.environment('default', 'development')?.id ?? ''
const enable = (state: 'enable' | 'disable') => service.ask('POST', `${ENVIRONMENT}/flags/open/${state}`)

describe('the stream of server SDKs', () => {
  it('begins at once with an event, unbuffered and uncached, and carries each edit as a delta', async () => {
    const stream = await sdkStream()
    expect(stream.response.status).toBe(200)
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(stream.response.headers.get('cache-control')).toBe('no-store')
    expect(stream.response.headers.get('x-accel-buffering')).toBe('no')
    await stream.until(/event: (heartbeat|reload)\n/)
    await enable('enable')
    const delta = await stream.until(/event: delta\n(?:.*\n)*?\n/)
    expect(delta).toContain('"enabled":true')
    await service.ask('PUT', `${ENVIRONMENT}/flags/open/kill`)
    expect(await stream.until(/event: delta\n(?:.*\n)*?\n/)).toContain('"kind":"kill"')
  })

  it('resumes from the state that the client names', async () => {
    const first = await sdkStream()
    await first.until(/event: (heartbeat|reload)\n/)
    await enable('enable')
    const id = /id: (.*)\n/.exec(await first.until(/event: delta\n(?:.*\n)*?\n/))?.[1] ?? ''
    await enable('disable')
    const resumed = await sdkStream({ 'last-event-id': id })
    expect(await resumed.until(/event: delta\n(?:.*\n)*?\n/)).toContain('"enabled":false')
  })

  it('is cut when its key is revoked', async () => {
    const made = await service.ask('POST', `${ENVIRONMENT}/keys`, {
      body: { kind: 'server', name: 'soon gone' },
    })
    const stream = await open('/sdk/v1/stream', { 'x-api-key': made.body.secret })
    await stream.until(/event: /)
    await service.ask('DELETE', `${ENVIRONMENT}/keys/${made.body.id}`)
    await stream.end()
    expect(service.live.streams().server).toBe(0)
  })

  it('is not admitted beyond the limit, and says when to try again; leaving makes room', async () => {
    const streams = await Promise.all(Array.from({ length: 6 }, () => sdkStream()))
    const refused = await sdkStream()
    expect(refused.response.status).toBe(503)
    expect(refused.response.headers.get('retry-after')).toMatch(/^[1-9]/)
    expect(streams.map(({ response }) => response.status)).toEqual([200, 200, 200, 200, 200, 200])
    opened[0]?.abort()
    await expect.poll(() => service.live.streams().server).toBe(5)
    expect((await sdkStream()).response.status).toBe(200)
  })

  it('ends with a goodbye when the service stops, without holding it up', async () => {
    const stream = await sdkStream()
    await stream.until(/event: /)
    const closing = service.http.close()
    await stream.until(/event: goodbye\n/)
    await stream.end()
    await closing
  })

  it('keeps what a peer leaves unread bounded, and the others informed', async () => {
    const { port } = new URL(url)
    const socket = await new Promise<Socket>((resolve) => {
      const one = connect(Number(port), '127.0.0.1', () => resolve(one))
    })
    socket.pause()
    socket.write(`GET /sdk/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server}\r\n\r\n`)
    await expect.poll(() => service.live.streams().server).toBe(1)
    const reader = await sdkStream()
    await reader.until(/event: /)
    await enable('enable')
    expect(await reader.until(/event: delta\n/)).toBeTruthy()
    socket.destroy()
    await expect.poll(() => service.live.streams().server).toBe(1)
  })

  it('is one a connection: what was asked for behind it holds no room, and none is left when the peer goes', async () => {
    const { port } = new URL(url)
    const socket = await new Promise<Socket>((resolve) => {
      const one = connect(Number(port), '127.0.0.1', () => resolve(one))
    })
    const sent = `GET /sdk/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server}\r\n\r\n`
    socket.write(sent.repeat(5))
    await expect.poll(async () => (await metrics())['halyard_problems_total{type="unavailable"}']).toBe('4')
    expect(service.live.streams().server).toBe(1)
    const other = await sdkStream()
    expect(other.response.status).toBe(200)
    socket.destroy()
    await expect.poll(() => service.live.streams().server).toBe(1)
  })
})

describe('the event stream of remote evaluation', () => {
  it('tells pages to evaluate again after a change that they can see, and after no other', async () => {
    const address = await tokenAddress()
    const stream = await open(address, { origin: 'http://localhost:5173' })
    expect(stream.response.status).toBe(200)
    expect(stream.response.headers.get('access-control-allow-origin')).toBe('http://localhost:5173')
    await service.ask('POST', `${PROJECT}/flags`, { body: { key: 'inner', type: 'boolean' } })
    await enable('enable')
    const { revision } = service.live.held(environmentId())?.head ?? { revision: 0 }
    // The first message may be of a change from before: what a page that connects now can have missed.
    const message = await stream.until(new RegExp(`data: .*-${revision}.*\\n`))
    expect(JSON.parse(message.slice(message.lastIndexOf('data: ') + 6))).toMatchObject({
      type: 'refetchEvaluation',
      etag: expect.stringMatching(/^"\d+-\d+"$/),
      lastModified: expect.any(Number),
    })
  })

  it('leaves at least half of the room to servers', async () => {
    const address = await tokenAddress()
    const streams = await Promise.all(Array.from({ length: 3 }, () => open(address)))
    expect(streams.map(({ response }) => response.status)).toEqual([200, 200, 200])
    const refused = await open(address)
    expect([refused.response.status, refused.response.headers.has('retry-after')]).toEqual([503, true])
    expect((await sdkStream()).response.status).toBe(200)
  })

  it('ends with its key, and its token opens nothing else', async () => {
    const made = await service.ask('POST', `${ENVIRONMENT}/keys`, { body: { kind: 'client', name: 'page' } })
    const address = await tokenAddress(made.body.secret)
    const stream = await open(address)
    await service.ask('DELETE', `${ENVIRONMENT}/keys/${made.body.id}`)
    await stream.end()
    expect((await open(address)).response.status).toBe(401)
    const token = new URL(address, url).searchParams.get('token') ?? ''
    expect(
      (await service.ask('POST', '/ofrep/v1/evaluate/flags', { key: token, body: { context: {} } })).status,
    ).toBe(401)
    expect(service.logged.join('\n')).not.toContain(token.split('.').at(-1))
  })
})

describe('the ruleset', () => {
  it('comes in the encoding that the client takes, each with its own ETag', async () => {
    const get = (headers: Record<string, string>) =>
      service.ask('GET', '/sdk/v1/ruleset', { key: server, headers })
    const plain = await get({})
    expect(plain.body).toMatchObject({
      schema: 1,
      bucketing: 'halyard-1',
      project: 'default',
      environment: 'development',
    })
    expect(plain.headers['content-encoding']).toBeUndefined()
    const encodings = { gzip: 'gzip', 'gzip, br': 'br', 'br;q=0, gzip;q=0.5': 'gzip', '*': 'br' }
    for (const [accepted, expected] of Object.entries(encodings)) {
      const response = await fetch(`${url}/sdk/v1/ruleset`, {
        headers: { authorization: `Bearer ${server}`, 'accept-encoding': accepted },
      })
      expect(response.headers.get('content-encoding')).toBe(expected)
      expect(await response.json()).toEqual(plain.body)
      expect(response.headers.get('vary')).toContain('Accept-Encoding')
      const again = await get({
        'accept-encoding': accepted,
        'if-none-match': response.headers.get('etag') ?? '',
      })
      expect([again.status, again.text]).toEqual([304, ''])
    }
    await enable('enable')
    expect((await get({ 'if-none-match': plain.etag })).status).toBe(200)
  })
})

describe('operations', () => {
  it('is ready once it has loaded, and not any more while it drains', async () => {
    const ready = await service.ask('GET', '/health/ready', { key: null })
    expect([ready.status, ready.body.status]).toEqual([200, 'ready'])
    expect((await service.ask('HEAD', '/health/ready', { key: null })).status).toBe(200)
    await service.live.drain()
    const draining = await service.ask('GET', '/health/ready', { key: null })
    expect([draining.status, draining.body.status]).toEqual([503, 'draining'])
    expect((await service.ask('GET', '/health/live', { key: null })).status).toBe(200)
  })

  it('shows its interface as a page and as OpenAPI; the page may run and load nothing', async () => {
    const page = await service.ask('GET', '/docs', { key: null })
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    const policy = String(page.headers['content-security-policy'])
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; base-uri 'none'/)
    const style = /<style>(.*?)<\/style>/s.exec(page.text)?.[1] ?? ''
    expect(policy).toContain(createHash('sha256').update(style).digest('base64'))
    const { body } = await service.ask('GET', '/openapi.json', { key: null })
    expect(body).toMatchObject({ openapi: '3.1.0', info: { title: 'Halyard' } })
  })

  it.each(['/', '/docs/', '/?from=a'])('leads whoever opens %s to that page', async (url) => {
    const { statusCode, headers } = await service.http.inject({ method: 'GET', url })
    expect([statusCode, headers.location]).toEqual([302, '/docs'])
    expect((await service.http.inject({ method: 'POST', url, payload: {} })).statusCode).toBe(404)
    expect((await service.http.inject({ method: 'GET', url: '/docs/more' })).statusCode).toBe(404)
  })

  it('counts without a user’s key in any label, however many flags are asked for', async () => {
    const series = async () =>
      (await service.ask('GET', '/metrics', { key: null })).text
        .split('\n')
        // Node's own grow by a few when a kind of garbage collection first comes about.
        .filter((line) => line.startsWith('halyard_')).length
    await service.ask('POST', '/ofrep/v1/evaluate/flags/warm', { key: server, body: { context: {} } })
    await service.ask('GET', `${ENVIRONMENT}/flags/warm`)
    const before = await series()
    for (let number = 0; number < 200; number++) {
      await service.ask('POST', `/ofrep/v1/evaluate/flags/flag-${number}`, {
        key: server,
        body: { context: {} },
      })
      await service.ask('GET', `${ENVIRONMENT}/flags/flag-${number}`)
    }
    expect(await series()).toBe(before)
    const { text } = await service.ask('GET', '/metrics', { key: null })
    for (const name of [
      'halyard_streams{kind="server"}',
      'halyard_evaluations_total{outcome="single"} 201',
      'halyard_propagation_seconds_count',
      'halyard_bulk_answers_total{from="memory"}',
      'nodejs_eventloop_lag_seconds',
    ]) {
      expect(text).toContain(name)
    }
  })
})

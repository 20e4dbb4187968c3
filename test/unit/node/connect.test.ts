import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { rulesetOf } from '@halyard/sdk/core'
import { type Client, connect } from '@halyard/sdk/node'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../../support/until.ts'
import { fast, recorder } from './clients.ts'
import { booleanFlag, edit, environment, flagOf } from './rulesets.ts'
import { KEY, startWireServer } from './wire-server.ts'

const state = environment({ a: booleanFlag(true) })
const bootstrap = rulesetOf(environment({ a: booleanFlag(false) }))

async function served(initial = state) {
  const server = await startWireServer(initial)
  onTestFinished(() => server.stop())
  return server
}

/** An address where connections are accepted, and nothing is ever answered. */
async function hanging(): Promise<string> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An address where nobody listens. */
async function nobody(): Promise<string> {
  const server = await startWireServer(state)
  await server.stop()
  return server.url
}

describe('connect resolves', () => {
  test('with the newest state, when the server answers', async () => {
    const server = await served()
    const flags = await fast({ url: server.url })
    expect(flags.boolean('a', false)).toBe(true)
    expect(flags.status()).toMatchObject({ state: 'ready', source: 'poll', epoch: 1_000, revision: 1 })
  })

  test.each([
    ['nobody listens', nobody],
    ['nothing is answered', hanging],
  ])('after startTimeoutMs with the defaults, where %s', async (_, url) => {
    const flags = await fast({ url: await url(), startTimeoutMs: 150 })
    expect(flags.status()).toMatchObject({ state: 'starting', source: 'default', epoch: 0, revision: 0 })
    expect(flags.status()).not.toHaveProperty('ageMs')
    expect(flags.boolean('a', true)).toBe(true)
    expect(flags.details('a', 7)).toEqual({
      value: 7,
      reason: 'ERROR',
      errorCode: 'PROVIDER_NOT_READY',
      errorDetails: 'No ruleset has arrived yet.',
      metadata: {},
      epoch: 0,
      revision: 0,
      source: 'default',
    })
  })

  test('with the bootstrap as soon as no address answers, without waiting for the timeout', async () => {
    const flags = await fast({ url: await nobody(), bootstrap, startTimeoutMs: 3_600_000 })
    expect(flags.status()).toMatchObject({ state: 'stale', source: 'bootstrap', revision: 1 })
    expect(flags.details('a', true)).toMatchObject({ value: false, source: 'bootstrap' })
  })

  test('with the bootstrap alone, where there is no server to ask', async () => {
    const flags = await connect({ bootstrap: JSON.stringify(bootstrap) })
    expect(flags.status()).toMatchObject({ state: 'ready', source: 'bootstrap', connected: false })
    expect(flags.boolean('a', true)).toBe(false)
    await flags.close()
  })

  test('at once with startTimeoutMs 0, and the state comes later', async () => {
    const server = await served()
    const flags = await fast({ url: server.url, startTimeoutMs: 0 })
    await until('the state arrives', () => flags.status().state === 'ready')
    expect(flags.boolean('a', false)).toBe(true)
  })

  test('with a key function that hangs, after the timeout', async () => {
    const server = await served()
    const flags = await fast({ url: server.url, key: () => new Promise(() => {}), startTimeoutMs: 100 })
    expect(flags.status().state).toBe('starting')
  })
})

describe('a late start', () => {
  test('says ready and change when the server comes up', async () => {
    const server = await served()
    const { port } = server
    await server.stop()
    const flags = await fast({ url: server.url, startTimeoutMs: 50 })
    const said: unknown[] = []
    flags.on('ready', (at) => said.push(['ready', at]))
    flags.on('change', (change) => said.push(['change', change]))
    const later = await startWireServer(state, { port })
    onTestFinished(() => later.stop())
    await until('it is ready', () => flags.status().state === 'ready')
    expect(said).toEqual([
      ['ready', { epoch: 1_000, revision: 1 }],
      ['change', { keys: ['a'], epoch: 1_000, revision: 1 }],
    ])
    expect(flags.status()).not.toHaveProperty('error')
  })
})

describe('several addresses', () => {
  test('are tried in turn, at once', async () => {
    const server = await served()
    const urls = [await nobody(), await nobody(), server.url]
    const flags = await fast({ url: urls, timing: { firstMs: 3_600_000, mostMs: 3_600_000 } })
    expect(flags.boolean('a', false)).toBe(true)
    await until('the stream is there too', () => flags.status().connected)
  })

  test('the first that hangs leaves time for the second', async () => {
    const server = await served()
    const flags = await fast({
      url: [await hanging(), server.url],
      startTimeoutMs: 3_000,
      timing: { headersMs: 3_600_000 },
    })
    expect(flags.status().state).toBe('ready')
  })

  test('when the one in use dies, the other takes over, and nothing goes backwards', async () => {
    const newer = edit(state, [{ key: 'b', definition: booleanFlag(true) }])
    const first = await served(newer)
    const second = await served(state)
    const flags = await fast({ url: [first.url, second.url] })
    await until('the stream works', () => flags.status().connected)
    await first.stop()
    await until('the other is used', () => second.streams.size === 1)
    expect(flags.status().revision).toBe(2)
    expect(flags.boolean('b', false)).toBe(true)
    second.become(edit(newer, [{ key: 'b', definition: booleanFlag(false) }]))
    await until('the other moves on', () => flags.status().revision === 3)
  })
})

describe('requests', () => {
  test('carry the key in a header, and who asks', async () => {
    const server = await served()
    const app = { name: 'shop & co', version: '2.4.0', instance: 'pod 7' }
    const flags = await fast({ url: `${server.url}/`, app })
    await until('the stream works', () => flags.status().connected)
    await flags.close()
    await until('all requests ended', () => server.calls.length === 3)
    const [first, second] = ['ruleset', 'stream'].map((path) =>
      server.calls.find((call) => call.path === `/sdk/v1/${path}`),
    )
    for (const call of server.calls) {
      expect(call?.headers.authorization).toBe(`Bearer ${KEY}`)
      expect(call?.headers['halyard-app']).toBe('shop%20%26%20co/2.4.0')
      expect(call?.headers['halyard-sdk']).toMatch(/^node\/\d+\.\d+\.\d+$/)
      expect(call?.headers['halyard-instance']).toMatch(/^pod%207-[0-9a-f]{8}$/)
    }
    expect(first?.headers['halyard-instance']).toBe(second?.headers['halyard-instance'])
    expect(second?.headers['last-event-id']).toBe('1000-1')
  })

  test('a server behind a path is reached below that path', async () => {
    const server = await served()
    const paths: (string | undefined)[] = []
    const proxy = http.createServer((request, response) => {
      paths.push(request.url)
      response.writeHead(307, { location: server.url }).end()
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void proxy.close())
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/flags`
    const { logger, text } = recorder()
    await fast({ url, startTimeoutMs: 100, logger })
    expect(paths[0]).toBe('/flags/sdk/v1/ruleset')
    // A key never follows a redirect to where it was not sent.
    expect(text()).toMatch(/answered 307 \(redirects are not followed/)
    expect(server.calls).toEqual([])
  })
})

describe('modes', () => {
  test('poll: changes come by conditional polls, and no stream is opened', async () => {
    const server = await served()
    const flags = await fast({ url: server.url, mode: 'poll' })
    await until('it has polled again', () => server.calls.some(({ status }) => status === 304))
    expect(flags.status()).toMatchObject({ source: 'poll', connected: true })
    server.edit([{ key: 'a', definition: booleanFlag(false) }])
    await until('the change is there', () => !flags.boolean('a', true))
    expect(server.calls.every(({ path }) => path === '/sdk/v1/ruleset')).toBe(true)
    await server.stop()
    await until('the loss shows', () => !flags.status().connected)
  })

  test('once: the first state is kept, and nothing goes on', async () => {
    const server = await served()
    const flags = await fast({ url: server.url, mode: 'once' })
    server.edit([{ key: 'a', definition: booleanFlag(false) }])
    await until('the connection is given up', () => server.sockets.size === 0)
    expect(flags.boolean('a', false)).toBe(true)
    expect(server.calls).toHaveLength(1)
  })

  test('once: what is evaluated is told all the same', async () => {
    const server = await served()
    const told: { flag: string; count: number }[] = []
    server.instead.telemetry = async (request, response) => {
      const { counts } = (await json(request)) as { counts: typeof told }
      told.push(...counts.map(({ flag, count }) => ({ flag, count })))
      response.writeHead(202).end()
    }
    const flags = await fast({ url: server.url, mode: 'once' })
    await until('the connection is given up', () => server.sockets.size === 0)
    for (let times = 0; times < 3; times++) flags.boolean('a', false)
    await flags.close()
    expect(told).toEqual([{ flag: 'a', count: 3 }])
    await until('no connection is left', () => server.sockets.size === 0)
  })

  test('once: a first attempt that fails is not the last', async () => {
    const server = await served()
    const { port } = server
    await server.stop()
    const flags = await fast({ url: server.url, mode: 'once', startTimeoutMs: 30 })
    const later = await startWireServer(state, { port })
    onTestFinished(() => later.stop())
    await until('it has its state', () => flags.boolean('a', false))
  })
})

describe('staleness', () => {
  async function cut(
    options: object,
  ): Promise<{ flags: Client; said: string[]; restart: () => Promise<void> }> {
    const server = await served()
    const flags = await fast({ url: server.url, maxStalenessMs: 300, ...options })
    const said: string[] = []
    flags.on('stale', () => said.push('stale'))
    flags.on('ready', () => said.push('ready'))
    await server.stop()
    return {
      flags,
      said,
      restart: async () => {
        const again = await startWireServer(state, { port: server.port })
        onTestFinished(() => again.stop())
      },
    }
  }

  test('hold: a state without word from the server is marked, and serves on', async () => {
    const { flags, said, restart } = await cut({})
    await until('it is stale', () => flags.status().state === 'stale')
    expect(flags.boolean('a', false)).toBe(true)
    expect(flags.status().ageMs).toBeGreaterThan(300)
    await restart()
    await until('it is ready again', () => flags.status().state === 'ready')
    expect(said).toEqual(['stale', 'ready'])
  })

  test('default: such a state is not used', async () => {
    const { flags, restart } = await cut({ onStale: 'default' })
    await until('it is stale', () => flags.status().state === 'stale')
    expect(flags.boolean('a', false)).toBe(false)
    expect(flags.details('a', false)).toMatchObject({
      reason: 'ERROR',
      errorCode: 'PROVIDER_NOT_READY',
      errorDetails: expect.stringMatching(/not confirmed the state for more than 300 ms/),
      source: 'default',
    })
    await restart()
    await until('it is used again', () => flags.boolean('a', false))
  })
})

test('jumps of the wall clock make nothing stale, and nothing young', async () => {
  const server = await served()
  let year = 2026
  const clock = () => Date.UTC(year, 0, 1)
  const flags = await fast({ url: server.url, surroundings: { clock }, maxStalenessMs: 60_000 })
  await until('the stream works', () => flags.status().connected)
  for (year of [2037, 1970, 2026]) {
    server.edit([{ key: 'a', definition: booleanFlag(year === 1970) }])
    const { revision } = server.state
    await until('the edit arrives', () => flags.status().revision === revision)
    expect(flags.status().state).toBe('ready')
    expect(flags.status().ageMs).toBeLessThan(60_000)
  }
})

describe('close', () => {
  test('is idempotent, ends every connection, and evaluations go on', async () => {
    const server = await served(environment({ a: flagOf('x') }))
    const flags = await fast({ url: server.url })
    await until('the stream works', () => flags.status().connected)
    await Promise.all([flags.close(), flags.close()])
    await flags[Symbol.asyncDispose]()
    await until('the sockets are closed', () => server.sockets.size === 0)
    expect(flags.status()).toMatchObject({ state: 'closed', connected: false })
    expect(flags.string('a', '')).toBe('x')
  })

  test('does not wait for a key function that hangs', async () => {
    const flags = await fast({ url: await hanging(), startTimeoutMs: 10, key: () => new Promise(() => {}) })
    await flags.close()
    expect(flags.status().state).toBe('closed')
  })
})

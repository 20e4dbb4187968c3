import type { ServerResponse } from 'node:http'
import { murmur3, rulesetOf } from '@halyard/sdk/core'
import type { Client } from '@halyard/sdk/node'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../../support/until.ts'
import { type FastOptions, fast } from './clients.ts'
import { booleanFlag, deltaOf, edit, environment } from './rulesets.ts'
import { startWireServer, type WireServer, type WireServerOptions } from './wire-server.ts'

const on = { key: 'a', definition: booleanFlag(true) }
const off = { key: 'a', definition: booleanFlag(false) }
/** Polls are so far apart that what arrives came by the stream, or because of it. */
const STREAM_ALONE = { pollMs: 600_000 }

async function served(options: WireServerOptions = {}): Promise<WireServer> {
  const server = await startWireServer(environment({ a: booleanFlag(false) }), options)
  onTestFinished(() => server.stop())
  return server
}

async function connected(
  options: Omit<FastOptions, 'url'> = {},
  serverOptions: WireServerOptions = {},
): Promise<{ server: WireServer; flags: Client }> {
  const server = await served(serverOptions)
  const flags = await fast({ url: server.url, timing: { ...STREAM_ALONE, ...options.timing }, ...options })
  await until('the stream works', () => flags.status().connected)
  return { server, flags }
}
const isOn = (flags: Client) => flags.boolean('a', false)
const errors = (flags: Client): Error[] => {
  const seen: Error[] = []
  flags.on('error', (error) => seen.push(error))
  return seen
}

describe('while a stream works', () => {
  test('an edit arrives as a delta, without another GET', async () => {
    const { server, flags } = await connected()
    server.edit([on])
    await until('the edit arrives', () => isOn(flags))
    expect(flags.status()).toMatchObject({ state: 'ready', source: 'stream', revision: 2, connected: true })
    expect(server.rulesets()).toBe(1)
  })

  test('a change event names the flags whose answers may differ', async () => {
    const { server, flags } = await connected()
    const changes: unknown[] = []
    flags.on('change', (change) => changes.push(change))
    server.edit([{ key: 'b', definition: booleanFlag(true) }])
    server.edit([{ key: 'a', definition: null }])
    await until('both arrive', () => changes.length === 2)
    expect(changes).toEqual([
      { keys: ['b'], epoch: 1_000, revision: 2 },
      { keys: ['a'], epoch: 1_000, revision: 3 },
    ])
  })

  test('a heartbeat confirms the state, so that its age stays small', async () => {
    const { flags } = await connected({ maxStalenessMs: 5_000 }, { heartbeatMs: 10 })
    await until('it has been confirmed after it grew older', async () => {
      const before = flags.status().ageMs ?? 0
      await new Promise((resolve) => setTimeout(resolve, 5))
      return (flags.status().ageMs ?? 0) < before
    })
  })

  test('a heartbeat that names a newer state shows a lost delta: it is fetched', async () => {
    const { server, flags } = await connected()
    server.edit([on], { push: false })
    await until('it was fetched', () => isOn(flags))
    expect(server.rulesets()).toBe(2)
  })

  test('an answer that the stream has overtaken on its way says nothing against the server', async () => {
    const { server, flags } = await connected({ timing: { pollBesideStreamMs: 20 } })
    const reported = errors(flags)
    server.instead.ruleset = (_, response) => {
      const before = JSON.stringify(rulesetOf(server.state))
      server.edit([{ key: 'a', definition: booleanFlag(server.state.revision % 2 === 0) }])
      const { revision } = server.state
      void until('the edit arrives', () => flags.status().revision === revision).then(() =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(before),
      )
    }
    await until('six answers were overtaken', () => server.rulesets() >= 7)
    expect(reported).toEqual([])
  })

  test('a delta that comes twice is applied once, and fetches nothing', async () => {
    const { server, flags } = await connected()
    const delta = deltaOf(server.state, [on])
    server.edit([on])
    server.send(server.event('delta', delta))
    server.edit([off])
    await until('all arrive', () => flags.status().revision === 3)
    expect(isOn(flags)).toBe(false)
    expect(server.rulesets()).toBe(1)
  })

  test('deltas out of order end in the newest state', async () => {
    const { server, flags } = await connected()
    const first = deltaOf(server.state, [on])
    const second = deltaOf(edit(server.state, [on]), [{ key: 'b', definition: booleanFlag(true) }])
    server.edit([on], { push: false })
    server.edit([{ key: 'b', definition: booleanFlag(true) }], { push: false })
    server.send(server.event('delta', second))
    server.send(server.event('delta', first))
    await until('the newest state is held', () => flags.status().revision === 3)
    expect([flags.boolean('a', false), flags.boolean('b', false)]).toEqual([true, true])
  })

  test('a revision never goes backwards, whatever the stream says', async () => {
    const { server, flags } = await connected()
    const seen: number[] = []
    flags.on('change', ({ revision }) => seen.push(revision))
    const old = deltaOf(server.state, [on])
    server.edit([on])
    server.edit([off])
    server.send(server.event('delta', old))
    server.send(server.event('heartbeat', { epoch: 1_000, revision: 1 }))
    server.send(server.event('reload', { epoch: 999, revision: 50 }))
    server.edit([on])
    await until('the last edit arrives', () => flags.status().revision === 4)
    expect(seen).toEqual([2, 3, 4])
  })

  test.each<[string, (server: WireServer) => string]>([
    ['has another hash than its data', (server) => server.event('delta', {}, '1000-2-0')],
    [
      'names a digest that does not hold',
      (server) => server.event('delta', { ...deltaOf(server.state, [on]), digest: 1 }),
    ],
    [
      'has another shape',
      (server) => server.event('delta', { epoch: 1_000, base: 1, revision: 2, entries: 7 }),
    ],
    [
      'is cut short',
      () => `event: delta\nid: 1000-2-${murmur3('{"epoch":', 0).toString(16)}\ndata: {"epoch":\n\n`,
    ],
  ])('a delta that %s is reported and fetched instead', async (_, frame) => {
    const { server, flags } = await connected({}, { heartbeatMs: 30_000 })
    const seen = errors(flags)
    const damaged = frame(server)
    server.edit([on], { push: false })
    server.send(damaged)
    await until('it was fetched', () => isOn(flags))
    expect(seen.map(({ message }) => message)).toEqual([
      expect.stringMatching(/An event of the stream was ignored/),
    ])
    expect(flags.status()).toMatchObject({ state: 'ready', connected: true })
  })

  test('a delta of another base is fetched whole', async () => {
    const { server, flags } = await connected({}, { heartbeatMs: 30_000 })
    const ahead = deltaOf(edit(server.state, [off]), [on])
    server.edit([off], { push: false })
    server.edit([on], { push: false })
    server.send(server.event('delta', ahead))
    await until('it was fetched', () => isOn(flags))
  })

  test('a pending kill turns a flag off, and only the log can settle it', async () => {
    const { server, flags } = await connected()
    server.edit([on])
    await until('it is on', () => isOn(flags))
    const keys: unknown[] = []
    flags.on('change', (change) => keys.push(change.keys))
    server.pend({ a: [{ id: 'k1', by: 'anna', at: '2026-01-01T00:00:00Z' }] })
    await until('it is killed', () => !isOn(flags))
    expect(flags.details('a', true)).toMatchObject({
      reason: 'DISABLED',
      metadata: { killed: true },
      revision: 2,
    })
    expect(keys).toEqual([['a']])

    server.send(server.event('pending', { pending: {}, endedKills: [] }))
    server.edit([{ key: 'b', definition: booleanFlag(true) }])
    await until('the edit arrives', () => flags.boolean('b', false))
    expect(isOn(flags)).toBe(false)

    server.pend({}, ['k1'])
    await until('it lives again', () => isOn(flags))
  })

  test('a server that has not heard of a pending kill takes nothing away in a reload', async () => {
    const { server, flags } = await connected()
    server.edit([on])
    const unaware = server.state
    server.pend({ a: [{ id: 'k1', by: 'anna', at: '2026-01-01T00:00:00Z' }] })
    await until('it is killed', () => flags.details('a', true).metadata.killed === true)
    server.become(edit(unaware, [{ key: 'b', definition: booleanFlag(true) }]))
    await until('the other state is fetched', () => flags.boolean('b', false))
    expect(isOn(flags)).toBe(false)
  })

  test('a kill in the log turns a flag and those that require it off', async () => {
    const { server, flags } = await connected()
    const requires = booleanFlag(true, { prerequisites: [{ flag: 'a', variants: ['on'] }] })
    server.edit([on, { key: 'b', definition: requires }])
    await until('both are on', () => isOn(flags) && flags.boolean('b', false))
    const keys: unknown[] = []
    flags.on('change', (change) => keys.push(change.keys))
    server.edit([{ kind: 'kill', key: 'a', definition: { id: 'k', by: 'anna', at: '2026-01-01T00:00:00Z' } }])
    await until('both are off', () => !isOn(flags) && !flags.boolean('b', false))
    expect(keys).toEqual([['a', 'b']])
  })

  test('events of a later wire are ignored', async () => {
    const { server, flags } = await connected()
    const seen = errors(flags)
    server.send(server.event('weather', { sun: true }))
    server.send('event: weather\ndata: no JSON\n\n')
    server.edit([on])
    await until('the edit arrives', () => isOn(flags))
    expect(seen).toEqual([])
  })

  test('a higher epoch is another history: it is taken whole, though its revision is lower', async () => {
    const { server, flags } = await connected()
    server.edit([off])
    server.edit([off])
    await until('revision 3 is held', () => flags.status().revision === 3)
    server.become(environment({ a: booleanFlag(true) }, { epoch: 2_000 }))
    await until('the new history is held', () => flags.status().epoch === 2_000)
    expect(flags.status().revision).toBe(1)
    expect(isOn(flags)).toBe(true)
    server.edit([off])
    await until('it goes on by deltas', () => !isOn(flags))
  })
})

describe('when a stream ends', () => {
  test('it is opened again from the held state, and catches up', async () => {
    const { server, flags } = await connected()
    server.edit([off])
    await until('revision 2 is held', () => flags.status().revision === 2)
    for (const socket of server.sockets) socket.destroy()
    server.edit([on])
    await until('it catches up', () => isOn(flags) && flags.status().connected)
    const opened = server.calls.filter(({ path }) => path === '/sdk/v1/stream')
    await until('the second is seen', () => server.streams.size === 1)
    expect(opened.length).toBeGreaterThan(0)
  })

  test('a server that was killed and started again is found again', async () => {
    const { server, flags } = await connected()
    const { port, state } = server
    await server.stop()
    await until('the loss is noticed', () => !flags.status().connected)
    expect(isOn(flags)).toBe(false)
    const next = await startWireServer(edit(state, [on]), { port })
    onTestFinished(() => next.stop())
    await until('it is back', () => isOn(flags) && flags.status().connected)
    expect(flags.status()).toMatchObject({ state: 'ready', revision: 2 })
  })

  test('a goodbye is followed: the client comes back when it was asked to', async () => {
    const { server, flags } = await connected()
    const seen = errors(flags)
    server.send(server.event('goodbye', { retryMs: 30 }))
    await until('it has left', () => server.streams.size === 0)
    await until('it is back', () => flags.status().connected && server.streams.size === 1)
    expect(seen).toEqual([])
  })

  test('servers that all say goodbye at once are not circled', async () => {
    const { server, flags } = await connected({ timing: { ...STREAM_ALONE, firstMs: 200, mostMs: 400 } })
    const opened = () => server.calls.filter(({ path }) => path === '/sdk/v1/stream').length
    server.instead.stream = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(server.event('goodbye', { retryMs: 0 }))
    }
    server.send(server.event('goodbye', { retryMs: 0 }))
    await until('it came back a few times', () => opened() >= 4)
    expect(flags.status().connected).toBe(false)
    server.instead.stream = undefined
    await until('it is back', () => flags.status().connected)
    expect(opened()).toBeLessThan(40)
  })

  test('a connection that goes silent is half-open: it is given up and opened again', async () => {
    const { server, flags } = await connected()
    const seen = errors(flags)
    server.quiet()
    await until('the silence is noticed', () => seen.length > 0)
    expect(seen[0]).toMatchObject({ code: 'silent', message: expect.stringMatching(/half-open/) })
    server.quiet(false)
    server.edit([on])
    await until('it is back', () => flags.status().connected && isOn(flags))
  })

  test('comments alone are no sign of life', async () => {
    const { server, flags } = await connected()
    const seen = errors(flags)
    server.quiet()
    const comments = setInterval(() => server.send(': proxy\n\n'), 10)
    onTestFinished(() => clearInterval(comments))
    await until('the silence is noticed', () =>
      seen.some((error) => 'code' in error && error.code === 'silent'),
    )
  })

  test('an endless event is cut off', async () => {
    const { server, flags } = await connected({}, { heartbeatMs: 5_000 })
    const seen = errors(flags)
    server.send(`data: ${'x'.repeat(1024 * 1024 + 1)}`)
    await until('it was cut', () => seen.length > 0)
    expect(seen[0]).toMatchObject({ code: 'oversize' })
    await until('it is back', () => flags.status().connected)
  })
})

describe('beside a stream that does not work', () => {
  test('polls bring changes, and the stream is tried again and found', async () => {
    const server = await startWireServer(environment({ a: booleanFlag(false) }))
    onTestFinished(() => server.stop())
    server.instead.stream = (_, response) => response.writeHead(502).end()
    const flags = await fast({ url: server.url })
    server.edit([on])
    await until('a poll brings it', () => isOn(flags))
    expect(flags.status()).toMatchObject({ state: 'ready', source: 'poll', connected: false })
    server.instead.stream = undefined
    await until('the stream is found', () => flags.status().connected)
  })

  test('a proxy that buffers the stream is noticed, and polls go on', async () => {
    const server = await startWireServer(environment({ a: booleanFlag(false) }))
    onTestFinished(() => server.stop())
    server.quiet()
    const flags = await fast({ url: server.url, timing: { firstEventMs: 50 } })
    const seen = errors(flags)
    await until('it is noticed', () => seen.some(({ message }) => /buffering/.test(message)))
    server.edit([on], { push: false })
    await until('a poll brings it', () => isOn(flags))
    expect(flags.status().connected).toBe(false)
  })

  describe.each<[string, (response: ServerResponse) => void]>([
    ['are buffered', () => {}],
    ['are cut', (response) => setTimeout(() => response.socket?.destroy(), 5)],
    ['end', (response) => response.end()],
  ])('where streams open, and %s before an event comes', (_, then) => {
    function spoil(server: WireServer): () => number {
      let opened = 0
      server.instead.stream = (_request, response) => {
        opened += 1
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        then(response)
      }
      return () => opened
    }

    test('the next address is tried', async () => {
      const [first, second] = [await served(), await served()]
      spoil(first)
      const flags = await fast({ url: [first.url, second.url], timing: { firstEventMs: 100 } })
      await until('the stream works', () => flags.status().connected)
      expect(second.streams.size).toBe(1)
    })

    test('and nowhere else do better, the client waits between rounds', async () => {
      const [first, second] = [await served(), await served()]
      const opened = [spoil(first), spoil(second)]
      const flags = await fast({
        url: [first.url, second.url],
        timing: { firstEventMs: 20, firstMs: 3_600_000, mostMs: 3_600_000 },
        surroundings: { random: () => 0.5 },
      })
      await until('one was tried', () => opened.some((count) => count() > 0))
      await until('polls go on', () => first.rulesets() + second.rulesets() > 5)
      for (const count of opened) expect(count()).toBeLessThanOrEqual(1)
      expect(flags.status()).toMatchObject({ state: 'ready', connected: false })
    })
  })

  test('a page of HTML in the place of the stream is no stream', async () => {
    const server = await startWireServer(environment({ a: booleanFlag(false) }))
    onTestFinished(() => server.stop())
    server.instead.stream = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>data: x\n\n</html>')
    }
    const flags = await fast({ url: server.url })
    const seen = errors(flags)
    await until('it is said', () => seen.some(({ message }) => /no event stream/.test(message)))
    server.edit([on])
    await until('a poll brings it', () => isOn(flags))
  })
})

test('the whole state that a client ends with is the server’s own', async () => {
  const { server, flags } = await connected()
  for (let index = 0; index < 20; index++) {
    server.edit([{ key: `f${index % 7}`, definition: index % 3 === 0 ? null : booleanFlag(index % 2 === 0) }])
  }
  await until('the last arrives', () => flags.status().revision === server.state.revision)
  for (const key of Object.keys(rulesetOf(server.state).entries.flag ?? {})) {
    expect(flags.details(key, false).errorCode).toBeUndefined()
  }
  expect(server.rulesets()).toBe(1)
})

/** What clients acknowledge, and when: after a kill is served, and never more than that. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createAcknowledger } from '../../../sdk/node/acknowledger.ts'
import { createHolder } from '../../../sdk/node/holder.ts'
import { SURROUNDINGS } from '../../../sdk/node/timing.ts'
import { until } from '../../support/until.ts'
import { fast } from './clients.ts'
import { booleanFlag, environment } from './rulesets.ts'
import { problem, startWireServer, type WireServer } from './wire-server.ts'

const KILL = { kind: 'kill', key: 'a', definition: { id: 'k', by: 'anna', at: '2026-01-01T00:00:00Z' } }
const on = { key: 'a', definition: booleanFlag(true) }

async function connected(server?: WireServer) {
  const started = server ?? (await startWireServer(environment({ a: booleanFlag(true) })))
  onTestFinished(() => started.stop())
  const flags = await fast({ url: started.url })
  await until('the stream works', () => flags.status().connected)
  return { server: started, flags }
}

test('a kill is acknowledged once it is served, with how long ago that was; edits are not', async () => {
  const { server, flags } = await connected()
  server.edit([{ key: 'b', definition: booleanFlag(true) }])
  await until('the edit arrives', () => flags.boolean('b', false))
  expect(server.acks).toEqual([])
  server.edit([KILL])
  await until('it is acknowledged', () => server.acks.length > 0)
  expect(flags.boolean('a', true)).toBe(false)
  const { epoch, revision } = server.state
  expect(server.acks).toEqual([{ epoch, revision, afterMs: expect.any(Number) }])
  await flags.close()
  expect(server.acks.at(-1)).toEqual({ epoch, revision, closing: true })
})

test('who is asked says what it holds, and no time where it applied no kill', async () => {
  const { server } = await connected()
  const { epoch, revision } = server.state
  server.send(server.event('ask', { ackWithinMs: 10 }))
  await until('it has said so', () => server.acks.length === 1)
  expect(server.acks).toEqual([{ epoch, revision }])
  server.edit([KILL])
  server.send(server.event('ask', { ackWithinMs: 10 }))
  await until('it has said so', () => server.acks.length === 2)
  expect(server.acks[1]).toEqual({ epoch, revision: revision + 1, afterMs: expect.any(Number) })
})

test('the end of a kill is not acknowledged, and the next kill is', async () => {
  const { server, flags } = await connected()
  server.edit([KILL])
  await until('it is acknowledged', () => server.acks.length === 1)
  server.edit([{ ...KILL, definition: null }])
  await until('it lives again', () => flags.boolean('a', false))
  server.edit([{ ...KILL, definition: { ...KILL.definition, id: 'k2' } }])
  await until('the second is acknowledged', () => server.acks.length === 2)
  expect(server.acks[1]).toMatchObject({ revision: server.state.revision })
})

test('a kill without a revision is acknowledged by its id', async () => {
  const { server } = await connected()
  server.pend({ a: [{ id: 'k1', by: 'anna', at: '2026-01-01T00:00:00Z' }] })
  await until('it is acknowledged', () => server.acks.length > 0)
  expect(server.acks[0]).toMatchObject({ kills: ['k1'] })
})

test('a kill that came with a whole ruleset is acknowledged too', async () => {
  const { server } = await connected()
  server.edit([KILL], { push: false })
  await until('it is acknowledged', () => server.acks.length > 0)
  expect(server.acks[0]).toMatchObject({ revision: server.state.revision })
})

test('what a client finds at its start was killed before it was there', async () => {
  const server = await startWireServer(environment({ a: booleanFlag(true) }))
  server.edit([KILL])
  const { flags } = await connected(server)
  server.edit([{ key: 'b', definition: booleanFlag(true) }])
  await until('the edit arrives', () => flags.boolean('b', false))
  expect(server.acks).toEqual([])
})

test('an acknowledgement that fails is sent again; one that a server does not know is not, and harms nothing', async () => {
  const { server, flags } = await connected()
  let failed = 0
  server.instead.acks = (request, response) => {
    request.resume()
    failed += 1
    if (failed === 1) server.instead.acks = undefined
    problem(response, 503, 'Not now')
  }
  server.edit([KILL])
  await until('it came through', () => server.acks.length === 1)
  expect(failed).toBe(1)

  let unknown = 0
  server.instead.acks = (request, response) => {
    request.resume()
    unknown += 1
    problem(response, 404, 'There is nothing at this address')
  }
  server.edit([on, { ...KILL, key: 'b', definition: { ...KILL.definition, id: 'k2' } }])
  await until('it was told', () => unknown === 1)
  server.edit([{ key: 'c', definition: booleanFlag(true) }])
  await until('the stream goes on', () => flags.boolean('c', false))
  expect(flags.status()).toMatchObject({ state: 'ready', connected: true })
  expect(unknown).toBe(1)
})

test('a server that lets many acknowledgements wait is no leak of listeners in the app', async () => {
  const { server, flags } = await connected()
  const warnings: string[] = []
  const warned = (warning: Error) => warnings.push(warning.message)
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))
  let waiting = 0
  server.instead.acks = (request) => {
    request.resume()
    waiting += 1
  }
  for (let asked = 1; asked <= 15; asked++) {
    server.send(server.event('ask', { ackWithinMs: 1 }))
    await until('one more waits', () => waiting === asked)
  }
  server.instead.acks = undefined
  await flags.close()
  expect(warnings).toEqual([])
})

describe('once the server was told that a client closes', () => {
  const { offer, held } = createHolder(Date.now, () => {})
  offer(environment({ a: booleanFlag(true) }), 'poll')

  test('nothing is told any more, and no timer is left', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const abort = new AbortController()
    const posted: object[] = []
    let refuse = (_: Error): void => {}
    const post = (_: string, body: object) => {
      posted.push(body)
      return new Promise<void>((_, reject) => (refuse = reject))
    }
    const surroundings = { ...SURROUNDINGS, random: () => 0.5 }
    const acknowledger = createAcknowledger({ post, held, surroundings, signal: abort.signal })
    acknowledger.asked(100)
    await vi.advanceTimersByTimeAsync(50)
    expect(posted).toHaveLength(1)
    const failEarlier = refuse
    void acknowledger.closing()
    acknowledger.asked(100)
    failEarlier(new Error('cut'))
    await vi.advanceTimersByTimeAsync(400)
    expect(posted.slice(1)).toEqual([expect.objectContaining({ closing: true })])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('nor where it closes without having said so', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const abort = new AbortController()
    const post = () => Promise.resolve()
    const acknowledger = createAcknowledger({ post, held, surroundings: SURROUNDINGS, signal: abort.signal })
    acknowledger.asked(10_000)
    abort.abort()
    expect(vi.getTimerCount()).toBe(0)
  })
})

import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { rulesetOf } from '@halyard/sdk/core'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../support/until.ts'
import { fast } from './clients.ts'
import { booleanFlag, environment } from './rulesets.ts'
import { startWireServer } from './wire-server.ts'

const state = environment({ a: booleanFlag(true) })

async function served() {
  const server = await startWireServer(state)
  onTestFinished(() => server.stop())
  return server
}

test('a client keeps one connection: the stream takes over that of the first GET', async () => {
  const server = await served()
  let opened = 0
  server.onConnection(() => {
    opened += 1
  })
  const flags = await fast({ url: server.url })
  await until('the stream works', () => flags.status().connected)
  expect(opened).toBe(1)
})

test('a poll beside the stream takes a connection of its own, and gives it up', async () => {
  const server = await served()
  const flags = await fast({ url: server.url, timing: { pollMs: 20, pollBesideStreamMs: 20 } })
  await until('it has polled a few times', () => server.rulesets() > 5 && flags.status().connected)
  await until('only the stream is left', () => server.sockets.size === 1)
})

test('polls without a stream use one connection again and again', async () => {
  const server = await served()
  let opened = 0
  server.onConnection(() => {
    opened += 1
  })
  await fast({ url: server.url, mode: 'poll', timing: { pollMs: 10 } })
  await until('it has polled a few times', () => server.rulesets() > 5)
  expect(opened).toBe(1)
})

test('a server that closes kept connections just then costs no poll', async () => {
  const body = JSON.stringify(rulesetOf(state))
  let answered = 0
  const server = http.createServer((_, response) => {
    answered += 1
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    // Without saying so: the client may send its next request into the closing connection.
    response.on('finish', () => setTimeout(() => response.socket?.destroy(), 5))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const flags = await fast({ url, mode: 'poll', timing: { pollMs: 5, reloadGapMs: 0 } })
  const errors: Error[] = []
  flags.on('error', (error) => errors.push(error))
  await until('it has polled often', () => answered > 40)
  expect(errors).toEqual([])
})

test.each(['telemetry', 'acks'] as const)(
  'answers to %s that never end keep no connection open',
  async (path) => {
    const server = await served()
    let told = 0
    server.instead[path] = (_, response) => {
      told += 1
      response.writeHead(200).write('{')
    }
    const flags = await fast({ url: server.url, timing: { telemetryMs: 5, headersMs: 300 } })
    await until('the stream works', () => flags.status().connected)
    await until('it has told a lot', () => {
      if (path === 'telemetry') flags.boolean('a', false)
      else server.send(server.event('ask', { ackWithinMs: 1 }))
      return told > 30
    })
    await until('only the stream is left', () => server.sockets.size === 1)
  },
)

test('an answer to the last telling that never ends keeps no connection after close', async () => {
  const server = await served()
  server.instead.telemetry = (_, response) => void response.writeHead(200).write('{')
  const flags = await fast({ url: server.url, timing: { telemetryMs: 3_600_000, headersMs: 3_600_000 } })
  flags.boolean('a', false)
  await flags.close()
  await until('nothing is open', () => server.sockets.size === 0)
})

test('two hundred clients in one process all hear an edit, and leave nothing open', async () => {
  const server = await startWireServer(state, { heartbeatMs: 5_000 })
  onTestFinished(() => server.stop())
  const timing = { heartbeatMs: 5_000, firstEventMs: 10_000, headersMs: 10_000 }
  const clients = await Promise.all(Array.from({ length: 200 }, () => fast({ url: server.url, timing })))
  await until('all streams work', () => clients.every((flags) => flags.status().connected))
  server.edit([{ key: 'a', definition: booleanFlag(false) }])
  await until('all heard', () => clients.every((flags) => !flags.boolean('a', true)))
  await Promise.all(clients.map((flags) => flags.close()))
  await until('nothing is open', () => server.sockets.size === 0)
})

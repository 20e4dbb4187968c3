import { createHash } from 'node:crypto'
import type http from 'node:http'
import { gzipSync } from 'node:zlib'
import { rulesetOf } from '@halyard/sdk/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../../support/until.ts'
import { fast, recorder } from './clients.ts'
import { booleanFlag, edit, environment } from './rulesets.ts'
import { problem, startWireServer } from './wire-server.ts'

const on = environment({ a: booleanFlag(true) })
const off = edit(on, [{ key: 'a', definition: booleanFlag(false) }])
const whole = JSON.stringify(rulesetOf(off))

type Response = http.ServerResponse
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64')
const digest = (hash: string) => ({ 'unencoded-digest': `sha-256=:${hash}:` })
const json = (response: Response, body: string | Buffer, headers = {}) =>
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)

/** A client that polls and holds revision 1, and what the server then answers in the ruleset's place. */
async function polling(answer: (response: Response) => void) {
  const server = await startWireServer(on)
  onTestFinished(() => server.stop())
  const { logger, text } = recorder()
  const flags = await fast({ url: server.url, mode: 'poll', logger })
  const errors: Error[] = []
  flags.on('error', (error) => errors.push(error))
  server.instead.ruleset = (_, response) => answer(response)
  return { server, flags, errors, text }
}

describe('an answer that is no state is reported, and the held state serves on', () => {
  test.each<[string, RegExp, (response: Response) => void]>([
    [
      'a page of HTML with status 200',
      /content type is text\/html/,
      (r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    ],
    ['no content type', /content type is missing/, (r) => r.writeHead(200).end(whole)],
    ['HTML that calls itself JSON', /not JSON/, (r) => json(r, '<html>')],
    ['nothing', /not JSON/, (r) => json(r, '')],
    ['JSON that is cut short', /not JSON/, (r) => json(r, whole.slice(0, -20))],
    ['null', /a ruleset is a JSON object/, (r) => json(r, 'null')],
    ['an empty object', /schema is not 1/, (r) => json(r, '{}')],
    ['a later schema', /upgrade the SDK/, (r) => json(r, whole.replace('"schema":1', '"schema":2'))],
    [
      'a digest that does not hold',
      /digest does not hold/,
      (r) => json(r, whole.replace(/"digest":\d+/, '"digest":1')),
    ],
    [
      'a flag that is left out',
      /digest does not hold/,
      (r) => json(r, JSON.stringify({ ...rulesetOf(off), entries: {} })),
    ],
    [
      'a definition that was changed on the way',
      /digest does not hold/,
      (r) => json(r, whole.replace('"enabled":true', '"enabled":null'), digest(sha256(whole))),
    ],
    [
      'a digest that was cut short',
      /digest does not hold/,
      (r) => json(r, whole, { 'unencoded-digest': `sha-256=:${sha256(whole).slice(0, 20)}` }),
    ],
    [
      'a body that was changed before it was compressed',
      /digest does not hold/,
      (r) => json(r, gzipSync(`${whole} `), { 'content-encoding': 'gzip', ...digest(sha256(whole)) }),
    ],
    [
      '304 for another state',
      /a state that was not asked about/,
      (r) => r.writeHead(304, { etag: '"1000-12;br"' }).end(),
    ],
    ['bytes that are no UTF-8', /cannot be decoded/, (r) => json(r, Buffer.from([0x7b, 0xff]))],
    ['gzip that is none', /cannot be decoded/, (r) => json(r, 'plain', { 'content-encoding': 'gzip' })],
    [
      'gzip that is cut short',
      /cannot be decoded/,
      (r) => json(r, gzipSync(whole).subarray(0, 60), { 'content-encoding': 'gzip' }),
    ],
    [
      'an encoding that was not asked for',
      /content encoding/,
      (r) => json(r, 'x', { 'content-encoding': 'zstd' }),
    ],
    ['20,000 nested lists', /was ignored/, (r) => json(r, '['.repeat(20_000) + ']'.repeat(20_000))],
    [
      'another environment',
      /another one is held/,
      (r) => json(r, JSON.stringify(rulesetOf(environment({}, { name: 'other' })))),
    ],
    ['a status of failure', /answered 500 \(Out of luck\)/, (r) => problem(r, 500, 'Out of luck')],
    ['a connection that breaks in the head', /cannot be reached/, (r) => r.socket?.destroy()],
    [
      'a connection that breaks in the body',
      /broke off/,
      (r) => {
        r.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length })
        r.write(whole.slice(0, 50), () => r.socket?.destroy())
      },
    ],
    [
      '101, of which Node says no more than that the request is over',
      /ended the connection without an answer/,
      (r) => r.socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    ],
    ['a head that never comes', /did not answer within 100 ms/, () => {}],
    [
      'a body that never ends',
      /did not end within 100 ms/,
      (r) => void r.writeHead(200, { 'content-type': 'application/json' }).write('{'),
    ],
  ])('%s', async (_, message, answer) => {
    const server = await startWireServer(on)
    onTestFinished(() => server.stop())
    const flags = await fast({ url: server.url, mode: 'poll', timing: { headersMs: 100, bodyMs: 100 } })
    const errors: Error[] = []
    flags.on('error', (error) => errors.push(error))
    server.become(off)
    server.instead.ruleset = (_request, response) => answer(response)
    await until('it is reported', () => errors.length > 0)
    expect(errors[0]?.message).toMatch(message)
    expect(flags.boolean('a', false)).toBe(true)
    expect(flags.status()).toMatchObject({ revision: 1, connected: false, error: errors[0] })
    server.instead.ruleset = undefined
    await until('it recovers', () => !flags.boolean('a', true))
    expect(flags.status()).not.toHaveProperty('error')
  })

  test('a body above the bound, however small it was on the wire', async () => {
    const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024, 0x20))
    const { flags, errors } = await polling((r) => json(r, bomb, { 'content-encoding': 'gzip' }))
    await until('it is reported', () => errors.length > 0)
    expect(errors[0]).toMatchObject({ code: 'oversize' })
    expect(flags.boolean('a', false)).toBe(true)
  })

  test('the same failure is logged once, and reported each time', async () => {
    const { errors, text } = await polling((r) => json(r, '<html>'))
    await until('it failed a few times', () => errors.length >= 3)
    expect(text().match(/not JSON/g)).toHaveLength(1)
  })

  test('an older state is ignored; when it stays so, that is reported', async () => {
    const { server, flags, errors } = await polling((r) => json(r, JSON.stringify(rulesetOf(on))))
    server.instead.ruleset = undefined
    server.become(off)
    await until('it is at revision 2', () => flags.status().revision === 2)
    server.become(on)
    await until('it is reported', () => errors.length > 0)
    expect(errors[0]?.message).toMatch(/answers with state 1000-1, older than the held 1000-2/)
    expect(flags.status().revision).toBe(2)
    expect(server.rulesets()).toBeGreaterThan(3)
  })
})

describe('a digest', () => {
  test.each<[string, http.OutgoingHttpHeaders]>([
    ['that holds', digest(sha256(whole))],
    ['that holds, beside others', { 'unencoded-digest': `sha-512=:AA==:, sha-256=:${sha256(whole)}:;by=us` }],
    ['of an algorithm that is not known', { 'unencoded-digest': 'sha-256-of-tomorrow=:AA==:' }],
    ['that is missing, as a server before it answers', {}],
  ])('%s, is no reason to refuse a state', async (_, headers) => {
    const { flags, errors } = await polling((r) => json(r, whole, headers))
    await until('it is taken', () => flags.status().revision === 2)
    expect(errors).toEqual([])
  })

  test('is of what was sent before a proxy encoded it anew', async () => {
    const { flags, errors } = await polling((r) =>
      json(r, gzipSync(whole), { 'content-encoding': 'gzip', ...digest(sha256(whole)) }),
    )
    await until('it is taken', () => flags.status().revision === 2)
    expect(errors).toEqual([])
  })
})

test.each(['"1000-1"', 'W/"1000-1;br"', '"1000-1-gzip"', '"1000-1;br-gzip"'])(
  '304 with the ETag %s confirms',
  async (etag) => {
    const { server, errors } = await polling((r) => r.writeHead(304, { etag }).end())
    const asked = server.rulesets()
    await until('it has polled on', () => server.rulesets() > asked + 2)
    expect(errors).toEqual([])
  },
)

describe('Retry-After', () => {
  test('is honoured', async () => {
    const { server, errors } = await polling((r) => problem(r, 503, 'Busy', { 'retry-after': '120' }))
    await until('it was sent away', () => errors.length > 0)
    expect(errors[0]).toMatchObject({ code: 'status', status: 503, retryAfterMs: 120_000 })
    const asked = server.rulesets()
    server.instead.ruleset = undefined
    const other = await polling((r) => json(r, '<html>'))
    await until('a client that was not sent away polls on', () => other.errors.length >= 5)
    expect(server.rulesets()).toBe(asked)
  })

  test('is bounded: no server can send a client away for days', async () => {
    const { errors } = await polling((r) => problem(r, 429, 'Busy', { 'retry-after': '864000' }))
    await until('it was sent away', () => errors.length > 0)
    expect(errors[0]).toMatchObject({ retryAfterMs: 300_000 })
  })
})

import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { problemUri } from '../../../server/contract/index.ts'
import type { ProblemType } from '../../../server/domain/problem.ts'
import {
  ADMIN_KEY,
  type Asked,
  type AskOptions,
  startService,
  type TestService,
} from '../../support/start-service.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`
const FLAG = `${ENVIRONMENT}/flags/checkout`
const MATCH = { 'if-match': '*' }
const VARIANTS = { on: true, off: false }

let service: TestService
let before: string
let url: string

beforeAll(async () => {
  service = await startService()
  for (const key of ['checkout', 'other']) {
    await service.ask('POST', `${PROJECT}/flags`, { body: { key, type: 'boolean' } })
  }
  await service.ask('PUT', `${ENVIRONMENT}/segments/beta`, { body: {} })
  url = await service.listen()
})
afterAll(() => service.close())

const states = () =>
  JSON.stringify(
    service.live.status().environments.map(({ environment, revision }) => [environment, revision]),
  )
beforeEach(() => {
  before = states()
})

/** Refused with this problem and pointers, and nothing has changed. */
function expectRefused(answer: Asked, type: ProblemType, ...pointers: readonly string[]): void {
  expect(answer.body?.type, answer.text).toBe(problemUri(type))
  for (const pointer of pointers) {
    expect(answer.body.errors.map((fault: { pointer: string }) => fault.pointer)).toContain(pointer)
  }
  expect(states()).toBe(before)
}
const put = (body: unknown, more: AskOptions = {}) =>
  service.ask('PUT', FLAG, { body, headers: MATCH, ...more })

describe('bad input is refused with a pointer, and changes nothing', () => {
  it('20,000 nested arrays', async () => {
    const nested = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
    expectRefused(await put(nested), 'invalid-request')
    expectRefused(await put(`{"variants": ${nested}}`), 'invalid-request')
    const unfinished = await put('['.repeat(20_000))
    expectRefused(unfinished, 'malformed-json')
    const key = await service.sdkKey('server')
    before = states()
    for (const path of ['/ofrep/v1/evaluate/flags/checkout', '/ofrep/v1/evaluate/flags']) {
      const small = `${'['.repeat(2_000)}${']'.repeat(2_000)}`
      const evaluated = await service.ask('POST', path, { key, body: `{"context": {"deep": ${small}}}` })
      expect([evaluated.status, evaluated.body.errorCode]).toEqual([400, 'INVALID_CONTEXT'])
      const large = await service.ask('POST', path, { key, body: `{"context": {"deep": ${nested}}}` })
      expect(large.status).toBe(413)
    }
    expect(states()).toBe(before)
  })

  it.each([
    ['far beyond what is taken', 'application/json', 413],
    ['of another type', 'text/plain', 415],
  ])('a body %s: whoever sends all of it before reading gets the answer', async (_what, type, status) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    const answer = socket.setEncoding('utf8').toArray()
    const length = 48 * 1024 * 1024
    const head = `PUT ${FLAG} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${ADMIN_KEY}\r\nif-match: *`
    socket.write(`${head}\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`)
    const piece = Buffer.alloc(length / 48, ' ')
    for (let sent = 0; sent < length; sent += piece.length) {
      await new Promise((resolve, reject) => {
        socket.write(piece, (error) => (error ? reject(error) : resolve(undefined)))
      })
    }
    // The connection is good for another request.
    socket.write(`GET /health/live HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`)
    const statuses = (await answer).join('').match(/HTTP\/1\.1 \d+/g)
    expect(statuses).toEqual([`HTTP/1.1 ${status}`, 'HTTP/1.1 200'])
  })

  it('a body one level deeper than 64, while 64 levels are looked at', async () => {
    const levels = (depth: number) => `{"variants": {"on": ${'['.repeat(depth - 2)}${']'.repeat(depth - 2)}}}`
    const allowed = await put(levels(64))
    expect(allowed.body.type).toBe(problemUri('invalid-document'))
    expectRefused(await put(levels(65)), 'invalid-request', `/variants/on${'/0'.repeat(62)}`)
  })

  it('members named __proto__, constructor.prototype', async () => {
    expectRefused(await put('{"__proto__": {"enabled": true}}'), 'invalid-request', '/__proto__')
    const inside =
      '{"variants": {"on": true, "off": false}, "rules": [{"serve": {"__proto__": {"variant": "on"}}}]}'
    expectRefused(await put(inside), 'invalid-request', '/rules/0/serve/__proto__')
    const escaped = '{"variants": {"on": true, "\\u005f_proto__": false}}'
    expectRefused(await put(escaped), 'invalid-request', '/variants/__proto__')
    const poison = '{"variants": {"on": {"constructor": {"prototype": {"polluted": 1}}}}}'
    expectRefused(await put(poison), 'invalid-request', '/variants/on/constructor')
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  it('flags and variants named as a prototype’s members are no trouble', async () => {
    for (const key of ['constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
      const path = `${ENVIRONMENT}/flags/${key}`
      expect((await service.ask('GET', path)).status).toBe(404)
      const made = await service.ask('POST', `${PROJECT}/flags`, {
        body: {
          key,
          type: 'boolean',
          variants: { constructor: true, toString: false },
          offVariant: 'toString',
        },
      })
      expect(made.status, made.text).toBe(201)
      expect((await service.ask('GET', path)).body.variants).toEqual({ constructor: true, toString: false })
    }
    before = states()
    expectRefused(
      await service.ask('POST', `${PROJECT}/flags`, { body: { key: '__proto__', type: 'boolean' } }),
      'invalid-document',
      '/key',
    )
  })

  it('NaN and Infinity, which are not JSON', async () => {
    expectRefused(await put('{"variants": {"on": NaN}}'), 'malformed-json')
    expectRefused(await put('{"variants": {"on": -Infinity}}'), 'malformed-json')
  })

  it('1e309, a number that no double holds', async () => {
    expectRefused(await put('{"variants": {"on": 1e309, "off": 0}}'), 'invalid-request', '/variants/on')
    expectRefused(await put('{"rules": [{"x": [-1e999]}]}'), 'invalid-request', '/rules/0/x/0')
  })

  it('NUL and half of a surrogate pair, in values and in names', async () => {
    expectRefused(await put('{"variants": {"on": "a\\u0000b"}}'), 'invalid-document', '/variants/on')
    expectRefused(await put('{"variants": {"on": "\\ud83d"}}'), 'invalid-document', '/variants/on')
    const named = await put('{"variants": {"\\udc00": true}}')
    expect([named.status, named.body.errors.length]).toEqual([422, 1])
    const whole = await put('{"variants": {"on": "\\ud83d\\ude00"}}')
    expect(whole.body.errors[0].message).not.toMatch(/surrogate/)
  })

  it('bytes that are not UTF-8', async () => {
    expectRefused(await put(Buffer.from([0x22, 0xff, 0xfe, 0x22])), 'malformed-json')
  })

  it('duplicate rule ids', async () => {
    const rule = { id: 'twin', serve: { variant: 'on' } }
    expectRefused(await put({ variants: VARIANTS, rules: [rule, rule] }), 'invalid-document', '/rules/1/id')
  })

  it('a split over 100 %', async () => {
    const shares = [
      { variant: 'on', percent: 60 },
      { variant: 'off', percent: 40.001 },
    ]
    const answer = await put({ variants: VARIANTS, rules: [{ serve: { split: { shares } } }] })
    expectRefused(answer, 'invalid-document')
    expect(answer.body.errors[0].pointer).toMatch(/^\/rules\/0\/serve\/split\/shares/)
  })

  it('a cycle of prerequisites', async () => {
    const requires = (flag: string) => ({ variants: VARIANTS, prerequisites: [{ flag, variants: ['on'] }] })
    const first = await service.ask('PUT', `${ENVIRONMENT}/flags/other`, {
      body: { ...requires('checkout'), offVariant: 'off' },
      headers: MATCH,
    })
    expect(first.status, first.text).toBe(200)
    before = states()
    const answer = await put(requires('other'))
    expectRefused(answer, 'invalid-document')
    expect(answer.body.errors[0].pointer).toMatch(/^\/prerequisites/)
    expectRefused(await put(requires('checkout')), 'invalid-document')
  })

  it('an unknown variant', async () => {
    const answer = await put({ variants: VARIANTS, rules: [{ serve: { variant: 'onn' } }] })
    expectRefused(answer, 'invalid-document', '/rules/0/serve/variant')
    expect(JSON.stringify(answer.body)).toContain('Did you mean')
  })

  it('a stale If-Match, answered with the document as it is', async () => {
    const read = await service.ask('GET', FLAG)
    const changed = await service.ask('PATCH', FLAG, {
      body: { visibility: 'client' },
      headers: { 'if-match': read.etag },
    })
    expect(changed.status, changed.text).toBe(200)
    before = states()
    const late = await put({ variants: VARIANTS, offVariant: 'on' }, { headers: { 'if-match': read.etag } })
    expectRefused(late, 'stale')
    expect(late.status).toBe(412)
    expect(late.headers.etag).toBe(changed.etag)
    expect(late.body.current).toEqual((await service.ask('GET', FLAG)).body)
    expectRefused(await service.ask('PUT', FLAG, { body: { variants: VARIANTS } }), 'precondition-required')
  })

  it('unknown fields, with the place and nothing silently dropped', async () => {
    expectRefused(await put({ variants: VARIANTS, enabeld: true }), 'invalid-request', '/enabeld')
    const rule = {
      serve: { variant: 'on' },
      when: { attribute: 'a', op: 'in', values: ['x'], ignorecase: true },
    }
    expectRefused(
      await put({ variants: VARIANTS, rules: [rule] }),
      'invalid-request',
      '/rules/0/when/ignorecase',
    )
    expectRefused(await service.ask('GET', `${PROJECT}/flags?limt=3`), 'invalid-request')
    expectRefused(await service.ask('GET', `${PROJECT}/flags?limit=0`), 'invalid-request')
    expectRefused(await service.ask('GET', `${PROJECT}/flags?cursor=made-up`), 'invalid-request')
    expectRefused(await service.ask('GET', `${PROJECT}/flags?tag=a&tag=b`), 'invalid-request')
  })

  it('wrong types, with a pointer to each', async () => {
    const answer = await put({ variants: VARIANTS, enabled: 'yes', targets: [{ variant: 1, units: 'u' }] })
    expectRefused(answer, 'invalid-request', '/enabled', '/targets/0/variant', '/targets/0/units')
  })

  it('a body where one is needed, and none came', async () => {
    expectRefused(await service.ask('PUT', FLAG, { headers: MATCH }), 'invalid-request')
    expectRefused(await service.ask('POST', `${PROJECT}/flags`, { body: '' }), 'invalid-request')
    expectRefused(await service.ask('POST', `${PROJECT}/flags`, { body: 'null' }), 'invalid-request')
  })

  it('compressed bodies, whose size nobody knows', async () => {
    const headers = { 'content-encoding': 'gzip' }
    expectRefused(
      await service.ask('POST', `${PROJECT}/flags`, { body: Buffer.from([0x1f, 0x8b]), headers }),
      'unsupported-media-type',
    )
  })

  it('a kill or an un-kill of what is not there', async () => {
    expectRefused(await service.ask('PUT', `${ENVIRONMENT}/flags/chekout/kill`), 'flag-not-found')
    expectRefused(await service.ask('DELETE', `${FLAG}/kill`), 'not-killed')
  })

  it('a write without the comment that its environment asks for; a kill goes through', async () => {
    await service.ask('PATCH', ENVIRONMENT, { body: { settings: { requireComment: true } }, headers: MATCH })
    before = states()
    expectRefused(await service.ask('POST', `${FLAG}/enable`), 'invalid-request')
    const headers = { 'halyard-comment': Buffer.from('für alle', 'utf8').toString('latin1') }
    expect((await service.ask('POST', `${FLAG}/enable`, { headers })).status).toBe(200)
    expect((await service.ask('PUT', `${FLAG}/kill`)).status).toBe(200)
  })
})

/**
 * The official OpenFeature client for servers (`@openfeature/ofrep-provider`), and the bare protocol client under it,
 * evaluate against the service.
 */
import { OFREPApi, OFREPApiUnauthorizedError, OFREPForbiddenError } from '@openfeature/ofrep-core'
import { OFREPProvider } from '@openfeature/ofrep-provider'
import { type Client, ErrorCode, OpenFeature } from '@openfeature/server-sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFlags } from '../support/openfeature-flags.ts'
import { processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, type Rest, rest, sdkKey } from '../support/rest.ts'

const all = processes()
const ADA = { targetingKey: 'ada', plan: 'pro' }
let server: Server
let api: Rest
let key: string
let client: Client

beforeAll(async () => {
  server = await all.startServer()
  api = rest(server.url, server.adminKey)
  await makeFlags(api)
  key = await sdkKey(api, 'server')
  const provider = new OFREPProvider({ baseUrl: server.url, headers: [['Authorization', `Bearer ${key}`]] })
  await OpenFeature.setProviderAndWait('server', provider)
  client = OpenFeature.getClient('server')
})
afterAll(() => OpenFeature.close())

describe('the provider for servers', () => {
  it('gets values of all four types, with variant and reason', async () => {
    expect(await client.getBooleanDetails('checkout', false, ADA)).toMatchObject({
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
    })
    expect(await client.getStringDetails('theme', 'x', ADA)).toMatchObject({
      value: '#000',
      variant: 'dark',
      reason: 'TARGETING_MATCH',
    })
    expect(await client.getNumberDetails('limit', 1, ADA)).toMatchObject({
      value: 12.5,
      variant: 'many',
      reason: 'STATIC',
    })
    expect(await client.getObjectDetails('banner', {}, ADA)).toMatchObject({
      value: { title: 'Sale', parts: [1, { two: null }] },
      variant: 'sale',
      reason: 'STATIC',
    })
  })

  it('gets values that are falsy as values', async () => {
    expect(await client.getStringDetails('theme', 'x', { targetingKey: 'bob' })).toMatchObject({
      value: '',
      variant: 'light',
      reason: 'DEFAULT',
    })
    expect(await client.getBooleanDetails('checkout', true, { targetingKey: 'bob' })).toMatchObject({
      value: false,
      variant: 'off',
    })
  })

  it('evaluates without a targeting key where no flag needs one', async () => {
    expect(await client.getNumberValue('limit', 1)).toBe(12.5)
  })

  it('is told where the value comes from, as flat metadata', async () => {
    const { flagMetadata } = await client.getBooleanDetails('checkout', false, ADA)
    expect(flagMetadata).toEqual({
      flagSetId: 'default/development',
      epoch: expect.any(Number),
      revision: expect.any(Number),
      version: expect.any(Number),
      rule: 'canary-rule',
    })
  })

  it('gives the default for a flag that is unknown', async () => {
    expect(await client.getBooleanDetails('chekout', true, ADA)).toMatchObject({
      value: true,
      reason: 'ERROR',
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    })
  })

  it('gives the default where the flag has another type', async () => {
    expect(await client.getBooleanDetails('theme', true, ADA)).toMatchObject({
      value: true,
      reason: 'ERROR',
      errorCode: ErrorCode.TYPE_MISMATCH,
    })
  })

  it('says which attribute is missing where a split needs it', async () => {
    expect(await client.getBooleanDetails('by-account', false, ADA)).toMatchObject({
      value: false,
      errorCode: ErrorCode.TARGETING_KEY_MISSING,
      errorMessage: expect.stringContaining('account'),
    })
    expect(await client.getBooleanValue('by-account', false, { ...ADA, account: 7 })).toBe(true)
  })

  it('gives the code default for a flag that has no value', async () => {
    expect(await client.getBooleanValue('quiet', true, ADA)).toBe(true)
    expect(await client.getBooleanValue('quiet', false, ADA)).toBe(false)
  })

  it('is refused a context beyond the limits, and gives the default', async () => {
    let deep: Record<string, never> | object = {}
    for (let depth = 0; depth < 20; depth += 1) deep = { deep }
    expect(await client.getBooleanDetails('checkout', false, { ...ADA, ...deep })).toMatchObject({
      value: false,
      errorCode: ErrorCode.INVALID_CONTEXT,
    })
  })

  it('follows an edit, a kill and its end with the next evaluation', async () => {
    const bob = { targetingKey: 'bob' }
    await api.must('PUT', `${DEVELOPMENT}/flags/checkout/fallthrough`, { variant: 'on' }, ANY)
    expect(await client.getBooleanValue('checkout', false, bob)).toBe(true)

    await api.must('PUT', `${DEVELOPMENT}/flags/checkout/kill`)
    expect(await client.getBooleanDetails('checkout', true, ADA)).toMatchObject({
      value: false,
      variant: 'off',
      reason: 'DISABLED',
      flagMetadata: { killed: true },
    })
    await api.must('DELETE', `${DEVELOPMENT}/flags/checkout/kill`)
    expect(await client.getBooleanValue('checkout', false, bob)).toBe(true)
    await api.must('PUT', `${DEVELOPMENT}/flags/checkout/fallthrough`, { variant: 'off' }, ANY)
  })
})

describe('the bare protocol client', () => {
  const protocol = (secret: string) => ({
    client: new OFREPApi(server.url),
    options: (headers: Record<string, string> = {}) => ({
      headers: { authorization: `Bearer ${secret}`, ...headers },
    }),
  })

  it('gets all flags at once, and nothing the second time', async () => {
    const { client: ofrep, options } = protocol(key)
    const first = await ofrep.postBulkEvaluateFlags({ context: ADA }, options())
    expect(first.httpStatus).toBe(200)
    const flags = (first.value as { flags: { key: string; value?: unknown }[] }).flags
    expect(flags.map((flag) => flag.key).sort()).toEqual([
      'banner',
      'by-account',
      'canary-internal',
      'checkout',
      'limit',
      'quiet',
      'theme',
    ])
    const quiet = flags.find((flag) => flag.key === 'quiet')
    expect(quiet).not.toHaveProperty('value')
    expect(quiet).not.toHaveProperty('variant')
    expect(flags.find((flag) => flag.key === 'by-account')).toMatchObject({
      errorCode: 'TARGETING_KEY_MISSING',
    })

    const etag = first.httpResponse?.headers.get('etag') ?? ''
    const again = await ofrep.postBulkEvaluateFlags({ context: ADA }, options({ 'if-none-match': etag }))
    expect(again).toMatchObject({ httpStatus: 304, value: undefined })

    const other = { ...ADA, plan: 'free' }
    const changed = await ofrep.postBulkEvaluateFlags({ context: other }, options({ 'if-none-match': etag }))
    expect(changed.httpStatus).toBe(200)
  })

  it('agrees with itself: each flag alone is what it is among all', async () => {
    const { client: ofrep, options } = protocol(key)
    const bulk = await ofrep.postBulkEvaluateFlags({ context: ADA }, options())
    for (const flag of (bulk.value as { flags: { key: string; value?: unknown }[] }).flags) {
      if (flag.key === 'quiet') continue // This client takes a success without a value for no answer.
      const single = await ofrep.postEvaluateFlags(flag.key, { context: ADA }, options())
      expect(single.value).toEqual(flag)
    }
  })

  it('is told that a context which is none is invalid', async () => {
    const { client: ofrep, options } = protocol(key)
    const broken = { context: 'ada' } as unknown as { context: typeof ADA }
    expect(await ofrep.postEvaluateFlags('checkout', broken, options())).toMatchObject({
      httpStatus: 400,
      value: { key: 'checkout', errorCode: 'INVALID_CONTEXT' },
    })
    expect(await ofrep.postBulkEvaluateFlags(broken, options())).toMatchObject({
      httpStatus: 400,
      value: { errorCode: 'INVALID_CONTEXT' },
    })
  })

  it('is refused with a key that is unknown, and with a management key', async () => {
    const context = { context: ADA }
    const unknown = protocol(key.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')))
    await expect(
      unknown.client.postEvaluateFlags('checkout', context, unknown.options()),
    ).rejects.toBeInstanceOf(OFREPApiUnauthorizedError)
    const management = protocol(server.adminKey)
    await expect(
      management.client.postEvaluateFlags('checkout', context, management.options()),
    ).rejects.toBeInstanceOf(OFREPForbiddenError)
  })

  it('takes a body that is not JSON for an invalid context too', async () => {
    const answer = await fetch(`${server.url}/ofrep/v1/evaluate/flags/checkout`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: '{"context": {',
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ key: 'checkout', errorCode: 'INVALID_CONTEXT' })
  })
})

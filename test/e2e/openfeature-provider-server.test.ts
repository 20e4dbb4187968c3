/**
 * `@halyard/sdk/openfeature/server` in the official OpenFeature SDK for servers: every event and every error, against
 * real servers behind a network that fails.
 */
import type { Ruleset } from '@halyard/sdk/core'
import { type ConnectOptions, connect } from '@halyard/sdk/node'
import { HalyardProvider } from '@halyard/sdk/openfeature/server'
import { type Client, ErrorCode, OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { makeFlags } from '../support/openfeature-flags.ts'
import { processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

const all = processes()
const ADA = { targetingKey: 'ada', plan: 'pro' }
const CHECKOUT = `${DEVELOPMENT}/flags/checkout`
const silent = { warn() {}, error() {} }
const EVENTS = [
  ProviderEvents.Ready,
  ProviderEvents.Stale,
  ProviderEvents.Error,
  ProviderEvents.ConfigurationChanged,
] as const
let server: Server
let api: Rest
let key: string
let network: TcpProxy
let domains = 0

beforeAll(async () => {
  server = await all.startServer()
  api = rest(server.url, server.adminKey)
  await makeFlags(api)
  key = await sdkKey(api, 'server')
})
beforeEach(async () => {
  network = await tcpProxy(server.url)
})
afterEach(async () => {
  await OpenFeature.clearProviders()
  await network.close()
})
afterAll(() => OpenFeature.close())

type Event = { readonly event: string; readonly [name: string]: unknown }
type App = {
  readonly client: Client
  /** Rejects as `setProviderAndWait` does. */
  readonly started: Promise<void>
  readonly events: readonly Event[]
  /** The first event of the kind after those that were there when asked. */
  readonly next: (event: ProviderEvents) => Promise<Event>
}

/** An app on OpenFeature, whose events are written down from the first one on. */
function app(options: ConnectOptions = {}, provider?: HalyardProvider): App {
  domains += 1
  const domain = `app-${domains}`
  const events: Event[] = []
  const used =
    provider ??
    new HalyardProvider({
      url: network.via(server.url),
      key,
      logger: silent,
      startTimeoutMs: 5_000,
      ...options,
    })
  const started = OpenFeature.setProviderAndWait(domain, used)
  started.catch(() => {})
  const client = OpenFeature.getClient(domain)
  for (const event of EVENTS) {
    client.addHandler(event, (details) => {
      events.push({ event, ...details })
    })
  }
  return {
    client,
    started,
    events,
    next: (event) => {
      const before = events.length
      return until(`the app is told ${event}`, () => events.slice(before).find((one) => one.event === event))
    },
  }
}

async function running(options: ConnectOptions = {}): Promise<App> {
  const one = app(options)
  await one.started
  return one
}

describe('evaluating', () => {
  let client: Client
  beforeEach(async () => {
    client = (await running()).client
  })

  it('gives values of all four types, with variant, reason and flat metadata', async () => {
    expect(await client.getBooleanDetails('checkout', false, ADA)).toEqual({
      flagKey: 'checkout',
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      flagMetadata: {
        flagSetId: 'default/development',
        version: expect.any(Number),
        revision: expect.any(Number),
        epoch: expect.any(Number),
        ageMs: expect.any(Number),
        rule: 'canary-rule',
        source: expect.stringMatching(/^(stream|poll)$/),
      },
    })
    expect(await client.getStringDetails('theme', 'x', ADA)).toMatchObject({ value: '#000', variant: 'dark' })
    expect(await client.getNumberDetails('limit', 1)).toMatchObject({
      value: 12.5,
      variant: 'many',
      reason: 'STATIC',
    })
    expect(await client.getObjectValue('banner', {})).toEqual({ title: 'Sale', parts: [1, { two: null }] })
  })

  it('gives values that are falsy, and the default where there is no value, which is no error', async () => {
    expect(await client.getStringValue('theme', 'x', { targetingKey: 'bob' })).toBe('')
    expect(await client.getBooleanValue('checkout', true, { targetingKey: 'bob' })).toBe(false)
    const quiet = await client.getBooleanDetails('quiet', true, ADA)
    expect(quiet).toMatchObject({ value: true, reason: 'DEFAULT' })
    expect(quiet.errorCode).toBeUndefined()
  })

  it.each([
    ['FLAG_NOT_FOUND', 'chekout', ADA],
    ['TYPE_MISMATCH', 'theme', ADA],
    ['TARGETING_KEY_MISSING', 'by-account', ADA],
  ] as const)('gives the default, and %s', async (errorCode, flag, context) => {
    expect(await client.getBooleanDetails(flag, true, context)).toMatchObject({
      value: true,
      reason: 'ERROR',
      errorCode,
      errorMessage: expect.stringMatching(/./),
    })
  })

  it('says of a flag that cannot be read PARSE_ERROR, and of the others their values', async () => {
    const answer = await api.ask<Ruleset>('GET', '/sdk/v1/ruleset', undefined, {
      authorization: `Bearer ${key}`,
    })
    const bootstrap = structuredClone(answer.body)
    Object.assign(bootstrap.entries.flag!.checkout!, { definition: { type: 'boolean' } })
    const { client: other, started } = app({}, new HalyardProvider({ bootstrap, logger: silent }))
    await started
    expect(await other.getBooleanDetails('checkout', true, ADA)).toMatchObject({
      value: true,
      errorCode: ErrorCode.PARSE_ERROR,
    })
    expect(await other.getNumberValue('limit', 1)).toBe(12.5)
  })

  it('evaluates for the contexts of OpenFeature, the client and the call together', async () => {
    onTestFinished(() => void OpenFeature.setContext({}))
    OpenFeature.setContext({ plan: 'pro' })
    expect(await client.getBooleanValue('checkout', false)).toBe(true)
    client.setContext({ plan: 'free' })
    expect(await client.getBooleanValue('checkout', false)).toBe(false)
    expect(await client.getBooleanValue('checkout', false, { plan: 'pro' })).toBe(true)
  })

  it('compares dates in a context, wherever they stand in it', async () => {
    await api.must('POST', `${PROJECT}/flags`, { key: 'early', type: 'boolean' })
    const when = { attribute: 'account.since', op: 'before', values: ['2026-01-01T00:00:00Z'] }
    await api.must('POST', `${DEVELOPMENT}/flags/early/rules`, { when, serve: { variant: 'on' } })
    await api.must('POST', `${DEVELOPMENT}/flags/early/enable`)
    const since = (text: string) => ({ ...ADA, account: { since: new Date(text), members: [new Date(0)] } })
    await until('the rule is there', () => client.getBooleanValue('early', false, since('2025-12-31')))
    expect(await client.getBooleanValue('early', false, since('2026-02-01'))).toBe(false)
    expect((await client.getBooleanDetails('early', false, since('no date'))).errorCode).toBeUndefined()
  })
})

describe('events', () => {
  it('says READY once it has a state', async () => {
    const { client, events } = await running()
    expect(client.providerStatus).toBe(ProviderStatus.READY)
    await until('READY was told', () => events.length > 0)
    expect(events).toEqual([
      expect.objectContaining({ event: ProviderEvents.Ready, providerName: 'halyard' }),
    ])
  })

  it('says CONFIGURATION_CHANGED with the flags that changed, and those that require them', async () => {
    await api.must('POST', `${PROJECT}/flags`, { key: 'payment', type: 'boolean' })
    await api.must(
      'PATCH',
      `${DEVELOPMENT}/flags/payment`,
      { prerequisites: [{ flag: 'checkout', variants: ['on'] }] },
      ANY,
    )
    const { client, next } = await running()
    const edited = next(ProviderEvents.ConfigurationChanged)
    await api.must('PUT', `${CHECKOUT}/fallthrough`, { variant: 'on' }, ANY)
    expect((await edited).flagsChanged).toEqual(expect.arrayContaining(['checkout', 'payment']))
    expect(await client.getBooleanValue('checkout', false, { targetingKey: 'bob' })).toBe(true)

    const killed = next(ProviderEvents.ConfigurationChanged)
    await api.must('PUT', `${CHECKOUT}/kill`)
    expect((await killed).flagsChanged).toContain('checkout')
    expect(await client.getBooleanDetails('checkout', true, ADA)).toMatchObject({
      value: false,
      reason: 'DISABLED',
      flagMetadata: { killed: true },
    })
    const ended = next(ProviderEvents.ConfigurationChanged)
    await api.must('DELETE', `${CHECKOUT}/kill`)
    await ended
    await api.must('PUT', `${CHECKOUT}/fallthrough`, { variant: 'off' }, ANY)
    expect(client.providerStatus).toBe(ProviderStatus.READY)
  })

  it('says STALE where the server is silent for too long, serves on, and says READY when it is back', async () => {
    const { client, next } = await running({ maxStalenessMs: 400, mode: 'poll', pollIntervalMs: 1_000 })
    const ready = next(ProviderEvents.Ready)
    network.freeze()
    await next(ProviderEvents.Stale)
    expect(client.providerStatus).toBe(ProviderStatus.STALE)
    expect(await client.getBooleanValue('checkout', false, ADA)).toBe(true)
    network.heal()
    network.cut()
    await ready
    expect(client.providerStatus).toBe(ProviderStatus.READY)
  })

  it('says ERROR where a state that is too old may not be used, and gives defaults', async () => {
    const { client, next } = await running({
      maxStalenessMs: 400,
      onStale: 'default',
      mode: 'poll',
      pollIntervalMs: 1_000,
    })
    const ready = next(ProviderEvents.Ready)
    network.freeze()
    expect(await next(ProviderEvents.Error)).toMatchObject({ errorCode: ErrorCode.PROVIDER_NOT_READY })
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)
    expect(await client.getNumberDetails('limit', 3)).toMatchObject({
      value: 3,
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    })
    network.heal()
    network.cut()
    await ready
    expect(await client.getNumberValue('limit', 3)).toBe(12.5)
  })

  it('says ERROR once where the key is revoked, and serves on', async () => {
    const secret = await sdkKey(api, 'server')
    const { client, next, events } = await running({ key: secret })
    await until('the stream works', async () => {
      const { flagMetadata } = await client.getNumberDetails('limit', 1)
      return flagMetadata.source === 'stream'
    })
    const id = secret.split('_')[2]
    await api.must('DELETE', `${DEVELOPMENT}/keys/${id}`, undefined, ANY)
    expect(await next(ProviderEvents.Error)).toMatchObject({
      errorCode: ErrorCode.GENERAL,
      message: expect.stringContaining(`hly_srv_${id}`),
    })
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)
    expect(await client.getNumberValue('limit', 1)).toBe(12.5)
    expect(events.filter(({ event }) => event === ProviderEvents.Error)).toHaveLength(1)
  })
})

describe('a start that fails', () => {
  it('is over within startTimeoutMs where the server is away, says ERROR, and READY when it is there', async () => {
    await network.takeAway()
    const { client, started, events, next } = app({ startTimeoutMs: 300 })
    await expect(started).rejects.toMatchObject({ code: ErrorCode.PROVIDER_NOT_READY })
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)
    expect(events).toMatchObject([{ event: ProviderEvents.Error, message: expect.stringMatching(/./) }])
    expect(await client.getNumberDetails('limit', 3)).toMatchObject({
      value: 3,
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    })
    const ready = next(ProviderEvents.Ready)
    await network.giveBack()
    await ready
    expect(await client.getNumberValue('limit', 3)).toBe(12.5)
  })

  it('does not wait for a server that accepts connections and never answers', async () => {
    network.freeze()
    const { client, started } = app({ startTimeoutMs: 300 })
    await expect(started).rejects.toMatchObject({ code: ErrorCode.PROVIDER_NOT_READY })
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)
  })

  it('is PROVIDER_FATAL where the key is refused, and READY where another one is given', async () => {
    const wrong = key.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))
    let given = wrong
    const { client, started, events } = app({
      key: () => {
        const now = given
        given = key
        return now
      },
    })
    await expect(started).rejects.toMatchObject({ code: ErrorCode.PROVIDER_FATAL })
    await until('READY was told', () => events.find(({ event }) => event === ProviderEvents.Ready))
    expect(client.providerStatus).toBe(ProviderStatus.READY)
    expect(await client.getNumberValue('limit', 3)).toBe(12.5)
  })

  it('is PROVIDER_FATAL where the key turns out to be refused only later', async () => {
    await network.takeAway()
    const wrong = key.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))
    const { client, started, next } = app({ key: wrong, startTimeoutMs: 200 })
    await expect(started).rejects.toMatchObject({ code: ErrorCode.PROVIDER_NOT_READY })
    const fatal = next(ProviderEvents.Error)
    await network.giveBack()
    expect(await fatal).toMatchObject({ errorCode: ErrorCode.PROVIDER_FATAL })
    expect(client.providerStatus).toBe(ProviderStatus.FATAL)
    expect(await client.getNumberDetails('limit', 3)).toMatchObject({
      value: 3,
      errorCode: ErrorCode.PROVIDER_FATAL,
    })
  })

  it.each([
    ['a client key', { key: 'hly_pub_abc_secret' }, 'client key'],
    ['an option that does not exist', { urls: [] }, '"urls"'],
  ])('is PROVIDER_FATAL, in words, with %s', async (_, options, words) => {
    const { started } = app(options as ConnectOptions)
    await expect(started).rejects.toMatchObject({
      code: ErrorCode.PROVIDER_FATAL,
      message: expect.stringContaining(words),
    })
  })

  it('is none where a bootstrap serves: READY, then STALE', async () => {
    const answer = await api.ask<Ruleset>('GET', '/sdk/v1/ruleset', undefined, {
      authorization: `Bearer ${key}`,
    })
    await network.takeAway()
    const { client, started, events } = app({ bootstrap: answer.body, startTimeoutMs: 300 })
    await started
    await until('both were told', () => events.length > 1)
    expect(events.map(({ event }) => event)).toEqual([ProviderEvents.Ready, ProviderEvents.Stale])
    expect(await client.getNumberDetails('limit', 3)).toMatchObject({
      value: 12.5,
      flagMetadata: { source: 'bootstrap' },
    })
  })

  it('is no fatal one where the key is refused and a bootstrap serves on: READY, then ERROR', async () => {
    const answer = await api.ask<Ruleset>('GET', '/sdk/v1/ruleset', undefined, {
      authorization: `Bearer ${key}`,
    })
    const wrong = key.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))
    const { client, started, events } = app({ bootstrap: answer.body, key: wrong })
    await started
    await until('both were told', () => events.length > 1)
    expect(events.map(({ event }) => event)).toEqual([ProviderEvents.Ready, ProviderEvents.Error])
    expect(await client.getNumberValue('limit', 3)).toBe(12.5)
  })
})

describe('the end', () => {
  it('closes all connections when OpenFeature closes, or takes another provider', async () => {
    const { client } = await running()
    await until('the stream works', () => network.connections() > 0)
    await OpenFeature.clearProviders()
    await until('no connection is left', () => network.connections() === 0)
    expect(await client.getNumberValue('limit', 3)).toBe(3)
  })

  it('closes a client that was still starting', async () => {
    network.freeze()
    const provider = new HalyardProvider({
      url: network.via(server.url),
      key,
      logger: silent,
      startTimeoutMs: 300,
    })
    app({}, provider)
    await until('it connects', () => network.connections() > 0)
    await OpenFeature.clearProviders()
    await provider.onClose()
    network.heal()
    await until('no connection is left', () => network.connections() === 0)
  })

  it('leaves a client open that the app opened itself', async () => {
    const flags = await connect({ url: network.via(server.url), key, logger: silent })
    onTestFinished(() => flags.close())
    const { client, started } = app({}, new HalyardProvider(flags))
    await started
    expect(await client.getNumberValue('limit', 3)).toBe(12.5)
    await OpenFeature.clearProviders()
    expect(flags.status().state).toBe('ready')
    expect(flags.number('limit', 3)).toBe(12.5)
  })
})

/**
 * `@halyard/sdk/openfeature/web` in the official OpenFeature SDK for pages: every event and every error, against a
 * real server behind a network that fails.
 */
import { HalyardProvider, type ProviderOptions } from '@halyard/sdk/openfeature/web'
import {
  type Client,
  ErrorCode,
  type EvaluationContext,
  OpenFeature,
  ProviderEvents,
  ProviderStatus,
} from '@openfeature/web-sdk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { CANARY, makeFlags } from '../support/openfeature-flags.ts'
import { asPage, type Page } from '../support/page.ts'
import { processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

const all = processes()
const PAGE = 'http://localhost:5173'
const ADA = { targetingKey: 'ada', plan: 'pro' }
const EVENTS = [
  ProviderEvents.Ready,
  ProviderEvents.Stale,
  ProviderEvents.Error,
  ProviderEvents.ConfigurationChanged,
  ProviderEvents.Reconciling,
  ProviderEvents.ContextChanged,
] as const
let server: Server
let api: Rest
let key: string
let network: TcpProxy
let page: Page
let pages = 0
let domain = ''

beforeAll(async () => {
  server = await all.startServer()
  api = rest(server.url, server.adminKey)
  await makeFlags(api)
  key = await sdkKey(api, 'client')
})
beforeEach(async () => {
  network = await tcpProxy(server.url)
  page = asPage(PAGE, network.via(server.url))
})
afterEach(async () => {
  await OpenFeature.clearProviders()
  vi.unstubAllGlobals()
  await network.close()
})
afterAll(() => OpenFeature.close())

type Told = { readonly event: string; readonly [name: string]: unknown }
type App = {
  readonly client: Client
  /** Rejects as `setProviderAndWait` does. */
  readonly started: Promise<void>
  readonly events: readonly Told[]
  /** The first event of the kind after those that were there when asked. */
  readonly next: (event: ProviderEvents) => Promise<Told>
}

/** A page's app on OpenFeature, whose events are written down from the first one on. */
function app(options: Partial<ProviderOptions> = {}, context: EvaluationContext = ADA): App {
  pages += 1
  domain = `page-${pages}`
  const events: Told[] = []
  const provider = new HalyardProvider({
    url: network.via(server.url),
    key,
    startTimeoutMs: 5_000,
    ...options,
  })
  const started = OpenFeature.setProviderAndWait(domain, provider, context)
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
      return until(`the page is told ${event}`, () => events.slice(before).find((one) => one.event === event))
    },
  }
}

async function running(options: Partial<ProviderOptions> = {}, context = ADA): Promise<App> {
  const one = app(options, context)
  await one.started
  return one
}

const setLimit = (variant: string) =>
  api.must('PUT', `${DEVELOPMENT}/flags/limit/fallthrough`, { variant }, ANY)

/** Resolves when the page would hear of an edit. */
const streaming = () => until('the stream works', () => page.streams() === 1)

describe('evaluating', () => {
  let client: Client
  beforeEach(async () => {
    client = (await running()).client
  })

  it('gives values of all four types, with variant, reason and flat metadata', () => {
    expect(client.getBooleanDetails('checkout', false)).toMatchObject({
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      flagMetadata: {
        version: expect.any(Number),
        revision: expect.any(Number),
        ageMs: expect.any(Number),
        source: expect.stringMatching(/^(stream|poll)$/),
      },
    })
    expect(client.getStringDetails('theme', 'x')).toMatchObject({ value: '#000', variant: 'dark' })
    expect(client.getNumberDetails('limit', 1)).toMatchObject({ value: 12.5, reason: 'STATIC' })
    expect(client.getObjectValue('banner', {})).toEqual({ title: 'Sale', parts: [1, { two: null }] })
  })

  it('gives the default where there is no value, which is no error', () => {
    const details = client.getBooleanDetails('quiet', true)
    expect(details).toMatchObject({ value: true, reason: 'DEFAULT' })
    expect(details.errorCode).toBeUndefined()
  })

  it.each([
    ['FLAG_NOT_FOUND', 'chekout'],
    ['FLAG_NOT_FOUND', `${CANARY}-internal`],
    ['TYPE_MISMATCH', 'theme'],
    ['TARGETING_KEY_MISSING', 'by-account'],
  ] as const)('gives the default, and %s for %s', (errorCode, flag) => {
    expect(client.getBooleanDetails(flag, true)).toMatchObject({ value: true, reason: 'ERROR', errorCode })
  })
})

describe('events', () => {
  it('says READY once it has answers', async () => {
    const { client, events } = await running()
    expect(client.providerStatus).toBe(ProviderStatus.READY)
    expect(events).toEqual([
      expect.objectContaining({ event: ProviderEvents.Ready, providerName: 'halyard' }),
    ])
  })

  it('says CONFIGURATION_CHANGED with the flags whose answer is another, and no others', async () => {
    const { client, next } = await running()
    await streaming()
    const changed = next(ProviderEvents.ConfigurationChanged)
    await setLimit('few')
    expect((await changed).flagsChanged).toEqual(['limit'])
    expect(client.getNumberValue('limit', 1)).toBe(0)
    const back = next(ProviderEvents.ConfigurationChanged)
    await setLimit('many')
    await back
  })

  it('says RECONCILING, then CONTEXT_CHANGED with the values of the next context, and nothing of configurations', async () => {
    const { client, events } = await running()
    await OpenFeature.setContext(domain, { targetingKey: 'bob', since: new Date(0) })
    expect(client.getBooleanValue('checkout', true)).toBe(false)
    expect(events.map(({ event }) => event)).toEqual([
      ProviderEvents.Ready,
      ProviderEvents.Reconciling,
      ProviderEvents.ContextChanged,
    ])
    expect(client.providerStatus).toBe(ProviderStatus.READY)
  })

  it('drops the answer for a context that is no longer the one', async () => {
    const { client, events } = await running()
    await Promise.all(
      ['free', 'pro', 'free'].map((plan) => OpenFeature.setContext(domain, { targetingKey: plan, plan })),
    )
    expect(client.getBooleanValue('checkout', true)).toBe(false)
    expect(events.filter(({ event }) => event === ProviderEvents.ContextChanged)).toHaveLength(1)
    expect(client.providerStatus).toBe(ProviderStatus.READY)
  })

  it('answers for the context that is set while it starts, the last of them', async () => {
    const { client, started, next } = app({}, { targetingKey: 'nobody' })
    const changed = next(ProviderEvents.ContextChanged)
    void OpenFeature.setContext(domain, { targetingKey: 'bob' })
    void OpenFeature.setContext(domain, ADA)
    await started
    await changed
    expect(client.getBooleanValue('checkout', false)).toBe(true)
    expect(client.providerStatus).toBe(ProviderStatus.READY)
  })

  it('says ERROR where the server has nothing for the next context, then READY when it has', async () => {
    const { client, next } = await running()
    await network.takeAway()
    const failed = next(ProviderEvents.Error)
    await OpenFeature.setContext(domain, { targetingKey: 'bob' })
    await failed
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)
    const ready = next(ProviderEvents.Ready)
    await network.giveBack()
    page.online()
    await ready
    expect(client.providerStatus).toBe(ProviderStatus.READY)
    expect(client.getBooleanValue('checkout', true)).toBe(false)
  })

  it('says ERROR for a context that has no JSON, and goes on saying what changes', async () => {
    const { client, next } = await running()
    await streaming()
    const failed = next(ProviderEvents.Error)
    await OpenFeature.setContext(domain, { account: 1n as never })
    await failed
    expect(client.getBooleanValue('checkout', false)).toBe(true)
    const changed = next(ProviderEvents.ConfigurationChanged)
    await setLimit('few')
    await changed
    const back = next(ProviderEvents.ConfigurationChanged)
    await setLimit('many')
    await back
    await OpenFeature.setContext(domain, ADA)
    expect(client.providerStatus).toBe(ProviderStatus.READY)
  })

  it('says STALE where the server is away for a context that the browser has kept answers of', async () => {
    const { client, next } = await running()
    await OpenFeature.setContext(domain, { targetingKey: 'bob' })
    await network.takeAway()
    const stale = next(ProviderEvents.Stale)
    await OpenFeature.setContext(domain, ADA)
    await stale
    expect(client.providerStatus).toBe(ProviderStatus.STALE)
    expect(client.getBooleanDetails('checkout', false)).toMatchObject({
      value: true,
      flagMetadata: { source: 'cache' },
    })
  })

  it('says STALE where the server is away, serves on, and says READY when it is back', async () => {
    const { client, next } = await running()
    const stale = next(ProviderEvents.Stale)
    await network.takeAway()
    page.online()
    await stale
    expect(client.providerStatus).toBe(ProviderStatus.STALE)
    expect(client.getBooleanValue('checkout', false)).toBe(true)
    const ready = next(ProviderEvents.Ready)
    await network.giveBack()
    page.online()
    await ready
    expect(client.providerStatus).toBe(ProviderStatus.READY)
  })

  it('says ERROR where the key is revoked, and serves on', async () => {
    const secret = await sdkKey(api, 'client')
    const { client, next } = await running({ key: secret })
    const failed = next(ProviderEvents.Error)
    await api.must('DELETE', `${DEVELOPMENT}/keys/${secret.split('_')[2]}`, undefined, ANY)
    page.online()
    expect(await failed).toMatchObject({ errorCode: ErrorCode.GENERAL })
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)
    expect(client.getNumberValue('limit', 1)).toBe(12.5)
  })
})

describe('a start', () => {
  it('that fails is over within startTimeoutMs, says ERROR, and READY when the server is there', async () => {
    await network.takeAway()
    const { client, started, next } = app({ startTimeoutMs: 200 })
    await expect(started).rejects.toMatchObject({ code: ErrorCode.PROVIDER_NOT_READY })
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)
    expect(client.getNumberDetails('limit', 3)).toMatchObject({
      value: 3,
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    })
    const ready = next(ProviderEvents.Ready)
    await network.giveBack()
    page.online()
    await ready
    expect(client.getNumberValue('limit', 3)).toBe(12.5)
  })

  it('does not wait for a server that accepts connections and never answers', async () => {
    network.freeze()
    const { started } = app({ startTimeoutMs: 200 })
    await expect(started).rejects.toMatchObject({ code: ErrorCode.PROVIDER_NOT_READY })
  })

  it('is PROVIDER_FATAL with a key that is refused', async () => {
    const { client, started } = app({ key: key.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')) })
    await expect(started).rejects.toMatchObject({ code: ErrorCode.PROVIDER_FATAL })
    expect(client.providerStatus).toBe(ProviderStatus.FATAL)
    expect(client.getNumberDetails('limit', 3)).toMatchObject({
      value: 3,
      errorCode: ErrorCode.PROVIDER_FATAL,
    })
  })

  it('is PROVIDER_FATAL with a secret key, which is sent nowhere', async () => {
    const { started } = app({ key: await sdkKey(api, 'server') })
    await expect(started).rejects.toMatchObject({
      code: ErrorCode.PROVIDER_FATAL,
      message: expect.stringContaining('hly_pub_'),
    })
    expect(page.exchanges()).toEqual([])
  })

  it('is READY at once with answers that the browser has kept, then STALE where the server is away', async () => {
    await running()
    await OpenFeature.clearProviders()
    await network.takeAway()
    const { client, started, events } = app({ startTimeoutMs: 60_000 })
    await started
    expect(client.getBooleanValue('checkout', false)).toBe(true)
    await until('both were told', () => events.length > 1)
    expect(events.map(({ event }) => event)).toEqual([ProviderEvents.Ready, ProviderEvents.Stale])
  })

  it('is READY at once with a bootstrap, whose context stands where OpenFeature has none', async () => {
    await network.takeAway()
    const flags = [{ key: 'limit', value: 7, variant: 'seven', reason: 'STATIC' as const }]
    const bootstrap = { context: ADA, etag: '"1-1"', flags }
    const { client, started } = app({ bootstrap, startTimeoutMs: 60_000 }, {})
    await started
    expect(client.getNumberDetails('limit', 1)).toMatchObject({
      value: 7,
      flagMetadata: { source: 'bootstrap' },
    })
  })
})

describe('the end', () => {
  it('sends what was evaluated and tracked', async () => {
    const { client } = await running()
    client.getBooleanValue('checkout', false)
    client.track('purchase', { value: 19.9 })
    await OpenFeature.clearProviders()
    const told = await until('it was sent', () =>
      page.exchanges().find(({ method, url }) => method === 'POST' && url.pathname === '/sdk/v1/telemetry'),
    )
    expect(told.status).toBeLessThan(300)
  })

  it('closes the stream and asks no more when OpenFeature closes, or takes another provider', async () => {
    await running()
    await streaming()
    await OpenFeature.clearProviders()
    await until('the stream is closed', () => page.streams() === 0)
    const asked = page.evaluations().length
    page.online()
    await setLimit('many')
    expect(page.evaluations()).toHaveLength(asked)
  })
})

/**
 * The official OpenFeature client for pages (`@openfeature/ofrep-web-provider`), behind CORS and with an EventSource
 * as a browser has them, evaluates against the service and follows its changes.
 */
import { OFREPWebProvider, type OFREPWebProviderOptions } from '@openfeature/ofrep-web-provider'
import { type Client, ErrorCode, OpenFeature, type Provider, ProviderEvents } from '@openfeature/web-sdk'
import { EventSource as NodeEventSource } from 'eventsource'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Browser, browser } from '../support/browser-fetch.ts'
import { CANARY, makeFlags } from '../support/openfeature-flags.ts'
import { processes, type Server } from '../support/process.ts'
import { ANY, DEVELOPMENT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { until } from '../support/until.ts'

const all = processes()
const PAGE = 'http://localhost:5173'
const ADA = { targetingKey: 'ada', plan: 'pro' }
const CHECKOUT = `${DEVELOPMENT}/flags/checkout`
let server: Server
let api: Rest
let key: string
let page: Browser
let client: Client
let pages = 0

/** Opens a page whose OpenFeature client is ready, or whose start failed as this promise then does. */
async function open(
  {
    origin = PAGE,
    secret = key,
    ...options
  }: Partial<OFREPWebProviderOptions> & {
    origin?: string
    secret?: string
  } = {},
  context = ADA,
): Promise<void> {
  page = browser(origin)
  vi.stubGlobal(
    'EventSource',
    class extends NodeEventSource {
      constructor(url: string) {
        super(url, { fetch: page.fetch })
      }
    },
  )
  // Its declaration is not written for exactOptionalPropertyTypes.
  const provider = new OFREPWebProvider({
    baseUrl: server.url,
    headers: [['Authorization', `Bearer ${secret}`]],
    fetchImplementation: page.fetch,
    cacheMode: 'disabled',
    ...options,
  }) as Provider
  pages += 1
  await OpenFeature.setProviderAndWait(`page-${pages}`, provider, context)
  client = OpenFeature.getClient(`page-${pages}`)
}

/** Resolves at the next change that the client announces after `edit` began. */
async function changedBy(edit: () => Promise<unknown>): Promise<readonly string[]> {
  const changed = new Promise<readonly string[]>((resolve) => {
    client.addHandler(ProviderEvents.ConfigurationChanged, (event) => resolve(event?.flagsChanged ?? []))
  })
  await edit()
  return await changed
}

/** Edits a flag, and resolves when the page has the edit. */
async function setLimit(variant: string): Promise<{ epoch: number; revision: number }> {
  let edited: { epoch: number; revision: number } | undefined
  await changedBy(async () => {
    edited = await api.must('PUT', `${DEVELOPMENT}/flags/limit/fallthrough`, { variant }, ANY)
  })
  return edited!
}

/** What the page's stream has told it so far. */
const events = (): { type: string; etag: string; lastModified: number }[] =>
  [...(streams()[0]?.body() ?? '').matchAll(/^data: ?(\{.*)$/gm)].map(([, data]) => JSON.parse(data!))

const streams = () => page.exchanges().filter(({ url }) => url.pathname === '/ofrep/v1/stream')

beforeAll(async () => {
  server = await all.startServer()
  api = rest(server.url, server.adminKey)
  await makeFlags(api)
  key = await sdkKey(api, 'client')
})
afterEach(async () => {
  await OpenFeature.clearProviders()
  vi.unstubAllGlobals()
})
afterAll(() => OpenFeature.close())

describe('a page', () => {
  beforeEach(() => open())

  it('gets values of all four types, with variant, reason and metadata', () => {
    expect(client.getBooleanDetails('checkout', false)).toMatchObject({
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      flagMetadata: {
        flagSetId: 'default/development',
        epoch: expect.any(Number),
        revision: expect.any(Number),
      },
    })
    expect(client.getStringDetails('theme', 'x')).toMatchObject({ value: '#000', variant: 'dark' })
    expect(client.getNumberDetails('limit', 1)).toMatchObject({ value: 12.5, reason: 'STATIC' })
    expect(client.getObjectValue('banner', {})).toEqual({ title: 'Sale', parts: [1, { two: null }] })
  })

  it('gets its default, and why, for what is unknown, of another type, or short of an attribute', () => {
    expect(client.getBooleanDetails('chekout', true)).toMatchObject({
      value: true,
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    })
    expect(client.getBooleanDetails('theme', true)).toMatchObject({
      value: true,
      errorCode: ErrorCode.TYPE_MISMATCH,
    })
    expect(client.getBooleanDetails('by-account', true)).toMatchObject({
      value: true,
      errorCode: ErrorCode.TARGETING_KEY_MISSING,
      errorMessage: expect.stringContaining('account'),
    })
  })

  it('gets its code default where the flag has no value, which is no error', () => {
    const details = client.getBooleanDetails('quiet', true)
    expect(details).toMatchObject({ value: true, reason: 'DEFAULT' })
    expect(details.errorCode).toBeUndefined()
  })

  it('never learns of server-only flags, rules, other people or descriptions', async () => {
    expect(client.getBooleanDetails(`${CANARY}-internal`, false).errorCode).toBe(ErrorCode.FLAG_NOT_FOUND)
    const single = await page.fetch(`${server.url}/ofrep/v1/evaluate/flags/${CANARY}-internal`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ context: ADA }),
    })
    expect(single.status).toBe(404)
    await changedBy(() => api.must('POST', `${CHECKOUT}/disable`))
    await changedBy(() => api.must('POST', `${CHECKOUT}/enable`))
    const seen = page.exchanges().filter(({ url }) => !url.pathname.endsWith(`${CANARY}-internal`))
    expect(seen.map(({ body }) => body()).join()).not.toContain(CANARY)
    expect(streams()[0]?.body()).toContain('refetchEvaluation')
  })

  it('gets other values for another context, though it sends the old ETag', async () => {
    await OpenFeature.setContext(`page-${pages}`, { ...ADA, plan: 'free' })
    expect(client.getBooleanValue('checkout', true)).toBe(false)
    const [first, second] = page.evaluations()
    expect(second?.headers.get('if-none-match')).toBe(first?.etag)
    expect(second?.status).toBe(200)
  })

  it('is answered 304 for a context that differs only in what no flag reads', async () => {
    await OpenFeature.setContext(`page-${pages}`, { ...ADA, colour: 'green' })
    expect(page.evaluations().map(({ status }) => status)).toEqual([200, 304])
    expect(client.getBooleanValue('checkout', false)).toBe(true)
  })

  it('fetches again after an edit, and names the state that it was told of', async () => {
    const { epoch, revision } = await setLimit('few')
    expect(client.getNumberValue('limit', 1)).toBe(0)
    // The page may have come upon the edit before it was told: by an event of one shortly before.
    const etag = `"${epoch}-${revision}"`
    const told = await until('the page is told of it', () => events().find((event) => event.etag === etag))
    expect(told).toEqual({ type: 'refetchEvaluation', etag, lastModified: expect.any(Number) })
    await until('the page asks for that state', () =>
      page.evaluations().some(({ url }) => url.searchParams.get('flagConfigEtag') === etag),
    )
    await setLimit('many')
    expect(streams(), 'the address of the stream stays the same').toHaveLength(1)
  })

  it('hears nothing of an edit that it cannot see', async () => {
    const internal = `${DEVELOPMENT}/flags/${CANARY}-internal`
    await setLimit('few')
    const unseen = [
      await api.must('POST', `${internal}/disable`),
      await api.must('POST', `${internal}/enable`),
    ]
    const after = await setLimit('many')
    const told = await until('the page is told of what came after', () => {
      const etags = events().map(({ etag }) => etag)
      return etags.includes(`"${after.epoch}-${after.revision}"`) && etags
    })
    for (const { epoch, revision } of unseen) expect(told).not.toContain(`"${epoch}-${revision}"`)
  })

  it('gets the off variant as soon as a flag is killed', async () => {
    await changedBy(() => api.must('PUT', `${CHECKOUT}/kill`, { comment: 'INC-481' }))
    expect(client.getBooleanDetails('checkout', true)).toMatchObject({
      value: false,
      variant: 'off',
      reason: 'DISABLED',
      flagMetadata: { killed: true },
    })
    await changedBy(() => api.must('DELETE', `${CHECKOUT}/kill`))
    expect(client.getBooleanValue('checkout', false)).toBe(true)
  })
})

describe('a page that polls', () => {
  it('is answered 304 until something changes', async () => {
    await open({ changeDetection: 'polling', pollInterval: 50 })
    await until('three polls', () => page.evaluations().length > 3)
    expect(
      new Set(
        page
          .evaluations()
          .slice(1)
          .map(({ status }) => status),
      ),
    ).toEqual(new Set([304]))
    await changedBy(() => api.must('PUT', `${CHECKOUT}/kill`))
    expect(client.getBooleanValue('checkout', true)).toBe(false)
    await changedBy(() => api.must('DELETE', `${CHECKOUT}/kill`))
  })
})

describe('a page whose server is killed', () => {
  it('keeps its values, and follows again once the server runs, by the address that it has', async () => {
    await open()
    await server.kill()
    expect(client.getNumberValue('limit', 1)).toBe(12.5)
    server = await server.again()
    await setLimit('few')
    expect(client.getNumberValue('limit', 1)).toBe(0)
    expect(new Set(streams().map(({ url }) => url.href)).size).toBe(1)
    await setLimit('many')
    // While a server starts, the provider pauses for up to a minute between attempts.
  }, 120_000)
})

describe('a page that should not be here', () => {
  it('is not let in from an origin that the environment does not name', async () => {
    await expect(open({ origin: 'https://shop.example' })).rejects.toThrow()
    await api.must(
      'PATCH',
      DEVELOPMENT,
      { settings: { corsOrigins: ['https://shop.example', 'http://localhost:*'] } },
      { 'if-match': '*' },
    )
    await open({ origin: 'https://shop.example' })
    expect(client.getBooleanValue('checkout', false)).toBe(true)
  })

  it('is refused with a server key, even from an origin that is let in', async () => {
    const secret = await sdkKey(api, 'server')
    await expect(open({ secret })).rejects.toThrow()
    const refused = await fetch(`${server.url}/ofrep/v1/evaluate/flags`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', origin: PAGE },
      body: '{"context":{}}',
    })
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ type: expect.stringContaining('secret-key-in-browser') })
  })
})

/** What `testFlags` offers beyond a client; what it owes as one is in test/contract/flags.suite.ts. */
import type { Client as PageClient } from '@halyard/sdk/browser'
import { HalyardProvider } from '@halyard/sdk/openfeature/server'
import { HalyardProvider as PageProvider } from '@halyard/sdk/openfeature/web'
import { testFlags } from '@halyard/sdk/testing'
import { ErrorCode, OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk'
import { ProviderEvents as PageEvents, OpenFeature as PageOpenFeature } from '@openfeature/web-sdk'
import { afterEach, describe, expect, it } from 'vitest'

describe('flags for tests', () => {
  it('take rules, which see the whole context', () => {
    const flags = testFlags({
      checkout: ({ plan }) => plan === 'pro',
      theme: ({ targetingKey }) => (targetingKey === 'ada' ? 'dark' : undefined),
    })
    expect(flags.boolean('checkout', false, { plan: 'pro' })).toBe(true)
    expect(flags.for({ plan: 'pro' }).boolean('checkout', false, { plan: 'free' })).toBe(false)
    expect(flags.details('theme', 'x', { targetingKey: 'ada' })).toMatchObject({
      value: 'dark',
      reason: 'TARGETING_MATCH',
    })
    expect(flags.details('theme', 'x')).toMatchObject({ value: 'x', reason: 'DEFAULT' })
  })

  it('give the default, and say why, where a rule throws', () => {
    const flags = testFlags({
      broken: () => {
        throw new Error('no such user')
      },
    })
    expect(flags.details('broken', 1)).toMatchObject({
      value: 1,
      errorCode: 'GENERAL',
      errorDetails: expect.stringContaining('no such user'),
    })
  })

  it('are set one by one or together, in one change', () => {
    const flags = testFlags()
    const changes: (readonly string[])[] = []
    flags.on('change', ({ keys }) => changes.push(keys))
    flags.set({ checkout: true, limit: 3 })
    flags.set('limit', 4)
    flags.set({})
    expect(changes).toEqual([['checkout', 'limit'], ['limit']])
    expect(flags.number('limit', 0)).toBe(4)
  })

  it('keep no hold of what they were given', () => {
    const banner = { title: 'Sale' }
    const flags = testFlags({ banner })
    banner.title = 'None'
    expect(flags.object('banner', { title: '' })).toEqual({ title: 'Sale' })
  })

  it('record what is tracked', () => {
    const flags = testFlags()
    flags.track('purchase', { targetingKey: 'ada' }, { value: 19.9 })
    flags.track('visit', { targetingKey: 'bob' })
    expect(flags.tracked).toEqual([
      { event: 'purchase', context: { targetingKey: 'ada' }, value: 19.9 },
      { event: 'visit', context: { targetingKey: 'bob' } },
    ])
  })

  it('are as at first after a reset, and say so', async () => {
    const flags = testFlags({ checkout: true })
    flags.set({ checkout: false, limit: 1 })
    flags.track('visit', {})
    await flags.close()
    const changes: (readonly string[])[] = []
    flags.on('change', ({ keys }) => changes.push(keys))
    flags.reset()
    expect(flags.boolean('checkout', false)).toBe(true)
    expect(flags.number('limit', 7)).toBe(7)
    expect(flags.tracked).toEqual([])
    expect(flags.status()).toMatchObject({ state: 'ready', connected: true })
    expect(changes).toEqual([['checkout', 'limit']])
  })

  it('serve a page, too: for the context that it sets, the same objects as long as nothing changed', async () => {
    const flags = testFlags({ theme: ({ plan }) => ({ dark: plan === 'pro' }), limit: 3 })
    const page: PageClient = flags
    const changes: (readonly string[])[] = []
    page.on('change', ({ keys }) => changes.push(keys))
    expect(page.object('theme', { dark: true })).toEqual({ dark: false })
    await page.setContext({ targetingKey: 'ada', plan: 'pro' })
    expect(changes).toEqual([['theme']])
    expect(page.object('theme', { dark: false })).toEqual({ dark: true })
    expect(page.peek('theme', {}).value).toBe(page.peek('theme', {}).value)
    page.track('purchase', { value: 19.9 })
    page.track('visit')
    const context = { targetingKey: 'ada', plan: 'pro' }
    expect(flags.tracked).toEqual([
      { event: 'purchase', context, value: 19.9 },
      { event: 'visit', context },
    ])
  })

  it('stand as a test wants them to, and serve on', () => {
    const flags = testFlags({ checkout: true })
    const heard: string[] = []
    for (const event of ['ready', 'stale', 'error'] as const) flags.on(event, () => heard.push(event))
    for (const state of ['stale', 'refused', 'ready'] as const) {
      flags.become(state)
      expect(flags.status()).toMatchObject({ state, connected: state === 'ready' })
      expect(flags.boolean('checkout', false)).toBe(true)
    }
    expect(heard).toEqual(['stale', 'error', 'ready'])
    expect(flags.status().error).toBeUndefined()
  })
})

describe('under OpenFeature', () => {
  afterEach(() => OpenFeature.close())

  it('flags for tests are evaluated, followed and tracked', async () => {
    const flags = testFlags({ checkout: ({ plan }) => plan === 'pro' })
    await OpenFeature.setProviderAndWait(new HalyardProvider(flags))
    const client = OpenFeature.getClient()
    expect(await client.getBooleanValue('checkout', false, { plan: 'pro' })).toBe(true)
    expect((await client.getBooleanDetails('chekout', true)).errorCode).toBe(ErrorCode.FLAG_NOT_FOUND)

    const changed = new Promise((resolve) => {
      client.addHandler(ProviderEvents.ConfigurationChanged, (event) => resolve(event?.flagsChanged))
    })
    flags.set('checkout', true)
    expect(await changed).toEqual(['checkout'])
    expect(await client.getBooleanValue('checkout', false)).toBe(true)

    flags.become('stale')
    expect(client.providerStatus).toBe(ProviderStatus.STALE)
    flags.become('refused')
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)

    client.track('purchase', { targetingKey: 'ada', since: new Date(0) }, { value: 19.9, currency: 'EUR' })
    expect(flags.tracked).toEqual([
      {
        event: 'purchase',
        context: { targetingKey: 'ada', since: '1970-01-01T00:00:00.000Z' },
        value: 19.9,
      },
    ])
  })

  it('in a page they are, too, for the context that OpenFeature sets', async () => {
    const flags = testFlags({ checkout: ({ plan }) => plan === 'pro', limit: 3 })
    const pro = { targetingKey: 'ada', plan: 'pro' }
    await PageOpenFeature.setProviderAndWait(new PageProvider(flags), pro)
    const client = PageOpenFeature.getClient()
    expect(client.getBooleanValue('checkout', false)).toBe(true)
    const changes: unknown[] = []
    client.addHandler(PageEvents.ConfigurationChanged, (event) => void changes.push(event?.flagsChanged))
    await PageOpenFeature.setContext({ ...pro, plan: 'free' })
    expect(client.getBooleanValue('checkout', true)).toBe(false)
    flags.set('limit', 4)
    expect(client.getNumberValue('limit', 0)).toBe(4)
    expect(changes).toEqual([['limit']])
    client.track('purchase', { value: 19.9, currency: 'EUR' })
    expect(flags.tracked).toEqual([{ event: 'purchase', context: { ...pro, plan: 'free' }, value: 19.9 }])
    await PageOpenFeature.close()
  })
})

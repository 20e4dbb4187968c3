/**
 * OpenFeature's own SDK and React in a real browser: the provider for pages against a server, flags for tests without
 * one. Each failure of a network is in test/e2e/openfeature-provider-web.test.ts.
 */
import type { BrowserContext, Page } from 'playwright-core'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { DEVELOPMENT } from '../support/rest.ts'
import { until } from '../support/until.ts'
import { rig } from './rig.ts'
import { bundled, html } from './site.ts'

const at = rig()
const ADA = { targetingKey: 'ada', plan: 'pro' }
let context: BrowserContext

beforeAll(async () => {
  at.site.pages.set('/openfeature.js', { type: 'text/javascript', body: await bundled('openfeature.ts') })
})
beforeEach(async () => {
  context = await at.browser.newContext()
})
afterEach(() => context.close())

async function open(code: string): Promise<Page> {
  at.site.pages.set('/page', html('<div id="root"></div>', `import '/openfeature.js'\n${code}`))
  const page = await context.newPage()
  await page.goto(`${at.site.origin}/page`)
  return page
}

it('the provider evaluates, follows changes and contexts, and ends its stream', async () => {
  const options = JSON.stringify({ url: at.server.url, key: at.key })
  const page = await open(
    `await OpenFeature.setProviderAndWait(new HalyardProvider(${options}), ${JSON.stringify(ADA)})`,
  )
  const told = () => page.evaluate('told') as Promise<{ event: string; flagsChanged?: unknown }[]>
  const checkout = () =>
    page.evaluate("OpenFeature.getClient().getBooleanDetails('checkout', false)") as Promise<object>
  await until('it is ready', async () => (await told()).some(({ event }) => event === 'PROVIDER_READY'))
  expect(await checkout()).toMatchObject({ value: true, variant: 'on', reason: 'TARGETING_MATCH' })
  await until('the stream works', async () => (await at.streams()) === 1)

  await at.api.must('PUT', `${DEVELOPMENT}/flags/checkout/kill`)
  await until('the change was told', async () => (await told()).at(-1)?.event.endsWith('CHANGED'))
  expect((await told()).at(-1)).toEqual({
    event: 'PROVIDER_CONFIGURATION_CHANGED',
    flagsChanged: ['checkout'],
  })
  expect(await checkout()).toMatchObject({ value: false, reason: 'DISABLED', flagMetadata: { killed: true } })
  await at.api.must('DELETE', `${DEVELOPMENT}/flags/checkout/kill`)

  await page.evaluate("OpenFeature.setContext({ targetingKey: 'bob' })")
  expect((await told()).slice(-2).map(({ event }) => event)).toEqual([
    'PROVIDER_RECONCILING',
    'PROVIDER_CONTEXT_CHANGED',
  ])
  expect(await checkout()).toMatchObject({ value: false, reason: 'DEFAULT' })
  await page.evaluate('OpenFeature.close()')
  await until('the stream has ended', async () => (await at.streams()) === 0)
})

it('flags for tests are shown by React, for the context that is set', async () => {
  const page = await open("show(document.getElementById('root'))")
  const shows = (text: string) => page.locator('#variant', { hasText: text }).waitFor({ timeout: 10_000 })
  await shows('light')
  await page.evaluate("flags.setContext({ plan: 'pro' })")
  await shows('dark')
  await page.evaluate("flags.set('theme', { name: 'blue' })")
  await shows('blue')
})

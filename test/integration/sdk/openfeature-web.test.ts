/** The provider for pages in OpenFeature's SDK, over flags that a test sets. What needs a server is in test/e2e. */
import { HalyardProvider } from '@halyard/sdk/openfeature/web'
import { testFlags } from '@halyard/sdk/testing'
import { OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/web-sdk'
import { afterEach, expect, test } from 'vitest'
import { until } from '../../support/until.ts'

afterEach(() => OpenFeature.close())

test('a provider that is registered again has forgotten the context change that failed before', async () => {
  const flags = testFlags({ checkout: true })
  const provider = new HalyardProvider(flags)
  await OpenFeature.setProviderAndWait(provider)
  flags.become('stale')
  await OpenFeature.setContext({ targetingKey: 'ada' })
  expect(OpenFeature.getClient().providerStatus).toBe(ProviderStatus.ERROR)

  // A change that is under way as the provider goes is not the next one's, either.
  const { setContext } = flags
  let arrived = (): void => {}
  flags.setContext = () => new Promise((resolve) => (arrived = resolve))
  const change = OpenFeature.setContext({ targetingKey: 'bob' })
  await OpenFeature.clearProviders()
  flags.setContext = setContext
  flags.become('ready')
  await OpenFeature.setProviderAndWait(provider)
  arrived()
  await change
  const client = OpenFeature.getClient()
  const told: unknown[] = []
  client.addHandler(ProviderEvents.Stale, (details) => told.push(details))
  flags.become('stale')
  await until(
    'it is said to be stale',
    () => told.length === 1 && client.providerStatus === ProviderStatus.STALE,
  )
})

import { HalyardProvider } from '@halyard/sdk/openfeature/web'
import { OpenFeature, type Provider } from '@openfeature/web-sdk'

export async function trial(): Promise<unknown> {
  const context = { targetingKey: 'ada' }
  const provider: Provider = new HalyardProvider({
    url: location.origin,
    key: 'hly_pub_nobody_knows',
    bootstrap: {
      context,
      etag: '"1-1"',
      flags: [{ key: 'checkout', value: true, variant: 'on', reason: 'STATIC' }],
    },
  })
  await OpenFeature.setProviderAndWait(provider, context)
  const value: boolean = OpenFeature.getClient().getBooleanValue('checkout', false)
  await OpenFeature.close()
  return value
}

import { HalyardProvider } from '@halyard/sdk/openfeature/server'
import { OpenFeature, type Provider } from '@openfeature/server-sdk'
import { RULESET } from './ruleset.js'

export async function trial(): Promise<unknown> {
  const provider: Provider = new HalyardProvider({
    bootstrap: RULESET,
    logger: { warn() {}, error() {} },
  })
  await OpenFeature.setProviderAndWait(provider)
  const value: boolean = await OpenFeature.getClient().getBooleanValue('checkout', false, { plan: 'pro' })
  await OpenFeature.close()
  return value
}

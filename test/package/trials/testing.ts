import { testFlags } from '@halyard/sdk/testing'

export async function trial(): Promise<unknown> {
  const flags = testFlags({ checkout: ({ plan }) => plan === 'pro' })
  return flags.boolean('checkout', false, { plan: 'pro' })
}

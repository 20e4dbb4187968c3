import { type Client, connect, type Details } from '@halyard/sdk/node'
import { RULESET } from './ruleset.js'

export async function trial(): Promise<unknown> {
  const flags: Client = await connect({ bootstrap: RULESET, logger: { warn() {}, error() {} } })
  const details: Details<boolean> = flags.details('checkout', false, { plan: 'pro' })
  await flags.close()
  return details.value && details.variant === 'on'
}

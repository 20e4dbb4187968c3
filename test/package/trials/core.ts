import { compile, evaluate } from '@halyard/sdk/core'
import { RULESET } from './ruleset.js'

export async function trial(): Promise<unknown> {
  return evaluate(compile(RULESET), 'checkout', { plan: 'pro' }, 0).value
}

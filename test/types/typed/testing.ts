/** Flags that are known are known to tests, too. */
import { testFlags } from '@halyard/sdk/testing'

const flags = testFlags({ checkout: true, limit: ({ plan }) => (plan === 'pro' ? 10 : undefined) })
flags.set('checkout', false)
flags.set('checkout', undefined)
flags.set({ limit: 3, 'plan.name': 'free' })
export const limit: number = flags.number('limit', 5)

// @ts-expect-error an unknown key
testFlags({ chekout: true })
// @ts-expect-error a value of another type
testFlags({ checkout: 'on' })
// @ts-expect-error an unknown key
flags.set('chekout', true)
// @ts-expect-error a rule that gives another type
flags.set('limit', () => 'many')

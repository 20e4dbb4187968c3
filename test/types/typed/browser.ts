/** The browser's client, with flags that are known: as the Node client's. */
import { connect } from '@halyard/sdk/browser'

const flags = await connect({
  url: 'http://127.0.0.1:4000',
  key: 'hly_pub_x',
  context: { targetingKey: 'a' },
})

export const checkout: boolean = flags.boolean('checkout', false)
export const plan: string = flags.string('plan.name', 'free')
export const colour: string = flags.object('theme', { colour: 'red' }).colour

// @ts-expect-error an unknown key
flags.boolean('chekout', false)
// @ts-expect-error a flag of another type
flags.string('limit', 'x')
// @ts-expect-error a default of another type
flags.details('checkout', 'no')
// @ts-expect-error an object without the shape of the flag's
flags.object('theme', { color: 'red' })

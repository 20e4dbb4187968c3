/** With flags that are known, what is wrong does not compile: each `@ts-expect-error` is an error if it is none. */
import { connect } from '@halyard/sdk/node'

const flags = await connect()
const user = { targetingKey: 'user-1' }

export const checkout: boolean = flags.boolean('checkout', false, user)
export const plan: string = flags.for(user).string('plan.name', 'free')
export const limit: number = flags.number('limit', 5)
export const colour: string = flags.object('theme', { colour: 'red' }).colour
export const sizes: number[] | undefined = flags.object('theme', { colour: 'red' }).sizes
export const detailed: boolean = flags.details('checkout', false).value
flags.override('limit', 7)
flags.override('limit', undefined)

// @ts-expect-error an unknown key
flags.boolean('chekout', false)
// @ts-expect-error a flag of another type
flags.boolean('limit', false)
// @ts-expect-error a default of another type
flags.boolean('checkout', 'no')
// @ts-expect-error an object without the shape of the flag's
flags.object('theme', { color: 'red' })
// @ts-expect-error a flag that is no object
flags.object('checkout', {})
// @ts-expect-error an unknown key
flags.details('chekout', false)
// @ts-expect-error a default of another type
flags.details('checkout', 1)
// @ts-expect-error an unknown key
flags.explain('chekout')
// @ts-expect-error an unknown key
flags.for(user).string('plan', 'free')
// @ts-expect-error a value of another type
flags.override('limit', 'many')
// @ts-expect-error what a boolean flag gives is no text
export const text: string = flags.details('checkout', false).value

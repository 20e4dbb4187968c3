/** Where no flag is known, every text is a key, and the default's type is the expected one. */
import { connect } from '@halyard/sdk/node'

interface Theme {
  readonly colour: string
}
const flags = await connect()
const key: string = String(Math.random())

export const whatever: boolean = flags.boolean(key, false)
export const text: string = flags.for({}).string('any', 'x')
export const count: number = flags.details('any', 7).value
export const theme: Theme = flags.object<Theme>('any', { colour: 'red' })
export const inferred: string = flags.object('any', { colour: 'red' }).colour
export const nothing: null = flags.details('any', null).value
flags.override(key, { anything: [1, 'a', null] })

// @ts-expect-error a default of another type than the call's
flags.boolean('any', 'x')
// @ts-expect-error a default that is no object
flags.object('any', 5)

/** Documents to tell of: a flag like many, and what of it is another. */
import type { Json } from '@halyard/sdk/core'
import { plainFlag } from '../../../support/plain-flag.ts'

type Fields = { readonly [field: string]: Json }

export const split = (shares: { readonly [variant: string]: number }, fields: Fields = {}): Json => ({
  split: {
    by: 'targetingKey',
    salt: 'checkout',
    shares: Object.entries(shares).map(([variant, percent]) => ({ variant, percent })),
    ranges: [],
    ...fields,
  },
})
export const pro: Json = { attribute: 'plan', op: 'in', values: ['pro'] }
export const rule = (id: string, serve: Json = { variant: 'on' }, fields: Fields = { when: pro }): Json => ({
  id,
  serve,
  ...fields,
})
export const target = (variant: string, units: readonly string[], by = 'targetingKey'): Json => ({
  variant,
  by,
  units,
})

export const flag = (fields: Fields = {}): Fields => plainFlag(fields) as unknown as Fields

import type { FlagKeyOf, ValueOf } from '@halyard/sdk/flags'
import * as entry from '@halyard/sdk/flags'

const key: FlagKeyOf<'boolean'> = 'checkout'
const value: ValueOf<'checkout', false> = true

export async function trial(): Promise<unknown> {
  return Object.keys(entry).length === 0 && key === 'checkout' && value
}

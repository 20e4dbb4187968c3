/** From shares to ranges of buckets, moving as few users as can be. */
import type { Range, Share } from '@halyard/sdk/core'

/** The ranges of new shares, from the previous ranges. */
export const allocate = (_previous: readonly Range[] | undefined, _shares: readonly Share[]): Range[] => {
  throw new Error('Not built yet.')
}

import { expect, it } from 'vitest'
import { resolutionOf } from '../../../sdk/openfeature/resolution.ts'
import { haveOneShape } from '../../support/shapes.ts'

it('says of the state what the client does, whatever a server says with each flag', () => {
  const { flagMetadata } = resolutionOf({
    ...{ value: true, reason: 'STATIC', metadata: { version: 7, epoch: 1, revision: 3, flagSetId: 'a/b' } },
    ...{ flagSetId: 'shop/production', epoch: 2, revision: 9, source: 'stream' },
  })
  const own = { flagSetId: 'shop/production', epoch: 2, revision: 9, source: 'stream' }
  expect(flagMetadata).toEqual({ version: 7, ...own })
})

it('makes metadata of one shape, each evaluation anew', () => {
  const made = Array.from({ length: 300 }, (_, at) =>
    resolutionOf({
      ...{ value: true, variant: 'on', reason: 'STATIC', errorCode: undefined, errorDetails: undefined },
      ...{ metadata: { version: at }, flagSetId: 'shop/production', epoch: 1, revision: at },
      ...{ source: 'stream', ageMs: 12 },
    }),
  )
  expect(made[7]?.flagMetadata).toEqual({
    ...{ version: 7, flagSetId: 'shop/production', epoch: 1, revision: 7, source: 'stream', ageMs: 12 },
  })
  // The first ones show V8 which fields there are, and of what kind.
  expect(haveOneShape(made.slice(100).map(({ flagMetadata }) => flagMetadata))).toBe(true)
})

import type { Context } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { projectionOn } from '../../../server/live/projection.ts'

describe('the projection of a context', () => {
  it('is the same only for contexts that read the same', () => {
    const project = projectionOn(['a', 'b', 'c.d'])
    const value: fc.Arbitrary<unknown> = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(Number.POSITIVE_INFINITY, 's1:x', 'tf-'),
    )
    fc.assert(
      fc.property(fc.tuple(value, value, value), fc.tuple(value, value, value), (one, other) => {
        const [first, second] = [one, other].map(([a, b, d]) => project({ a, b, c: { d } } as Context))
        expect(first === second).toBe(sameJson(one, other))
      }),
      { numRuns: 2_000 },
    )
  })
})

/** Missing and null are one to a condition; negative zero is zero. */
const sameJson = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one, spelled) === JSON.stringify(other, spelled)
const spelled = (_name: string, value: unknown) =>
  typeof value === 'number' ? `number ${value}` : typeof value === 'string' ? `string ${value}` : value

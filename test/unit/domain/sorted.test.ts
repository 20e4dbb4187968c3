import fc from 'fast-check'
import { expect, it } from 'vitest'
import { countLeading } from '../../../server/domain/sorted.ts'

it('the items at the beginning of a sorted list are counted as if each was looked at, repeated ones too', () => {
  const numbers = fc.array(fc.integer({ min: 0, max: 20 })).map((all) => all.sort((a, b) => a - b))
  fc.assert(
    fc.property(numbers, fc.integer({ min: -1, max: 21 }), (sorted, limit) => {
      for (const holds of [(item: number) => item < limit, (item: number) => item <= limit]) {
        expect(countLeading(sorted, holds)).toBe(sorted.filter(holds).length)
      }
    }),
  )
})

it('a long list is not walked', () => {
  let looked = 0
  const numbers = Array.from({ length: 1_000_000 }, (_, number) => number)
  const count = countLeading(numbers, (number) => {
    looked += 1
    return number < 777_777
  })
  expect([count, looked <= 20]).toEqual([777_777, true])
})

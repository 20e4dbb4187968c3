import { bucketOf, memberChunk, murmur3 } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

/** Pearson's chi-squared of counts against their mean. */
function chiSquared(counts: readonly number[]): number {
  const mean = counts.reduce((a, b) => a + b, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
}

/** The value that chi-squared exceeds once in a million, for many degrees of freedom (Wilson and Hilferty, 1931). */
function critical(freedom: number): number {
  const z = 4.753
  return freedom * (1 - 2 / (9 * freedom) + z * Math.sqrt(2 / (9 * freedom))) ** 3
}

const units = (count: number, unit: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => unit(i))

describe('buckets', () => {
  it.each([
    ['counters', units(100_000, (i) => `user-${i}`)],
    ['numbers', units(100_000, (i) => String(i))],
    ['e-mail addresses', units(100_000, (i) => `person.${i * 7919}@example.com`)],
    ['non-ASCII names', units(100_000, (i) => `größe-${i}-👩‍🚀`)],
  ])('of %s are spread evenly', (_, all) => {
    for (const salt of ['checkout', 'new-nav', '']) {
      const counts = new Array<number>(100).fill(0)
      for (const unit of all) {
        const tile = Math.floor(bucketOf(salt, unit) / 1_000)
        counts[tile] = (counts[tile] as number) + 1
      }
      expect(chiSquared(counts)).toBeLessThan(critical(99))
    }
  })

  it('under one salt say nothing about those under another', () => {
    const counts = new Array<number>(100).fill(0)
    for (const unit of units(100_000, (i) => `user-${i}`)) {
      const cell =
        Math.floor(bucketOf('one', unit) / 10_000) * 10 + Math.floor(bucketOf('two', unit) / 10_000)
      counts[cell] = (counts[cell] as number) + 1
    }
    expect(chiSquared(counts)).toBeLessThan(critical(99))
  })

  it('of members fill the chunks of a segment evenly', () => {
    const counts = new Array<number>(256).fill(0)
    for (const unit of units(100_000, (i) => `user-${i}`)) {
      const chunk = Number.parseInt(memberChunk(unit), 16)
      counts[chunk] = (counts[chunk] as number) + 1
    }
    expect(chiSquared(counts)).toBeLessThan(critical(255))
  })

  it('are 0 to 99,999 for any text, and hashed from what UTF-8 decodes to', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (salt, unit) => {
        const bucket = bucketOf(salt, unit)
        expect(Number.isInteger(bucket) && bucket >= 0 && bucket < 100_000).toBe(true)
        const encoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(unit))
        expect(murmur3(unit, 1)).toBe(murmur3(encoded, 1))
      }),
    )
  })
})

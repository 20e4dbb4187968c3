import { readFileSync } from 'node:fs'
import { bucketOf, memberChunk, murmur3, unitOf } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'

type Vector = { salt: string; unit: string; seed: number; hash: number; bucket: number }
const golden = JSON.parse(readFileSync(new URL('../../golden/bucketing.json', import.meta.url), 'utf8')) as {
  vectors: Vector[]
}

describe('bucketing', () => {
  it('gives every user of the golden file the bucket that they hold', () => {
    expect(golden.vectors.length).toBeGreaterThan(100)
    for (const { salt, unit, seed, hash, bucket } of golden.vectors) {
      expect(murmur3(salt, 0)).toBe(seed)
      expect(murmur3(unit, seed)).toBe(hash)
      expect(bucketOf(salt, unit)).toBe(bucket)
    }
  })

  it('reads a seed as 32 bits, signed or not', () => {
    expect(murmur3('user-1', -1)).toBe(murmur3('user-1', 0xffffffff))
  })

  it('hashes the UTF-8 encoding, wherever in the text it stops being ASCII', () => {
    for (const text of ['é', 'aé', 'abé', 'abcé', 'abcdé', 'abcdeé', 'ab€', 'a😀b', '😀', 'ﬀ', '\u0000']) {
      expect(murmur3(text, 7)).toBe(murmur3OfBytes(new TextEncoder().encode(text), 7))
    }
  })

  it('takes a lone surrogate as U+FFFD', () => {
    for (const [lone, replaced] of [
      ['\ud800', '\ufffd'],
      ['\udc00', '\ufffd'],
      ['a\ud83dz', 'a\ufffdz'],
      ['\ud83d\ud83d\ude00', '\ufffd😀'],
      ['\ude00\ud83d', '\ufffd\ufffd'],
    ] as const) {
      expect(murmur3(lone, 1)).toBe(murmur3(replaced, 1))
    }
  })
})

describe('a unit', () => {
  it.each([
    ['user-1', 'user-1'],
    [' ', ' '],
    [42, '42'],
    [-0, '0'],
    [1e21, '1e+21'],
    [1e-7, '1e-7'],
    [3.5, '3.5'],
    ['', undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [true, undefined],
    [null, undefined],
    [undefined, undefined],
    [['user-1'], undefined],
    [{}, undefined],
    [1n, undefined],
  ])('of %o is %o', (value, unit) => {
    expect(unitOf(value)).toBe(unit)
  })
})

describe('the chunk of a member', () => {
  it('is the top byte of its hash, in two hexadecimal digits', () => {
    for (const unit of ['user-1', 'user-2', 'größe', 'a', 'b', 'a']) {
      expect(memberChunk(unit)).toBe(murmur3(unit, 0).toString(16).padStart(8, '0').slice(0, 2))
    }
  })
})

/** The algorithm as published, over bytes, to compare with. */
function murmur3OfBytes(bytes: Uint8Array, seed: number): number {
  let h = seed
  const scramble = (k: number): number => {
    const product = Math.imul(k, 0xcc9e2d51)
    return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
  }
  const whole = bytes.length - (bytes.length % 4)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let i = 0; i < whole; i += 4) {
    h ^= scramble(view.getInt32(i, true))
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64
  }
  let tail = 0
  for (let i = bytes.length - 1; i >= whole; i--) tail = (tail << 8) | (bytes[i] as number)
  h ^= scramble(tail) ^ bytes.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { digestOfKey, mintKey, parseKey, sameDigest } from '../../../server/domain/keys.ts'

const bytes = (fill: number) => new Uint8Array(32).fill(fill)

describe('a key', () => {
  it.each(['server', 'client', 'management'] as const)('of kind %s tells what it is', (kind) => {
    const text = mintKey(kind, bytes(200), 'abc123')
    expect(text).toMatch(/^hly_(srv|pub|api)_abc123_[0-9A-Za-z]{49}$/)
    expect(parseKey(text)).toEqual({ kind, id: 'abc123', secret: text.split('_')[3]?.slice(0, 43) })
  })

  it('has the same length whatever the bytes', () => {
    expect(mintKey('server', bytes(0), 'a')).toHaveLength(mintKey('server', bytes(255), 'a').length)
  })

  it('keeps all of its 256 bits apart', () => {
    const flipped = (bit: number) =>
      bytes(0).map((byte, index) => (index === bit >> 3 ? 1 << (bit & 7) : byte))
    const texts = Array.from({ length: 256 }, (_, bit) => mintKey('server', flipped(bit), 'a'))
    expect(new Set([mintKey('server', bytes(0), 'a'), ...texts]).size).toBe(257)
    // The secret is the bytes' number itself, so that nothing of their chance is lost.
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    const number = [...(parseKey(mintKey('server', bytes(201), 'a'))?.secret ?? '')]
      .map((digit) => BigInt(digits.indexOf(digit)))
      .reduce((sum, digit) => sum * 62n + digit, 0n)
    expect(number.toString(16)).toBe('c9'.repeat(32))
  })

  it('is not minted from fewer bytes, or with another id', () => {
    expect(() => mintKey('server', new Uint8Array(16), 'a')).toThrow(RangeError)
    expect(() => mintKey('server', bytes(1), 'A_b')).toThrow(RangeError)
  })

  it('with one letter changed is none', () => {
    const text = mintKey('server', bytes(9), 'abc')
    for (let index = 0; index < text.length; index += 1) {
      const other = text[index] === 'x' ? 'y' : 'x'
      expect(parseKey(text.slice(0, index) + other + text.slice(index + 1))).toBeUndefined()
    }
    for (const wrong of ['', 'hly_srv_', `${text} `, `${text}\n`, text.toUpperCase()])
      expect(parseKey(wrong)).toBeUndefined()
  })

  it('ends with the CRC-32 of what is before it, in base 62', () => {
    const text = mintKey('server', bytes(9), 'abc')
    let number = crc32(text.slice(0, -6))
    let checksum = ''
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    for (; checksum.length < 6; number = Math.floor(number / 62)) checksum = digits[number % 62] + checksum
    expect(text.slice(-6)).toBe(checksum)
  })

  it('is stored as its SHA-256, and compared with it', () => {
    const digest = digestOfKey('abc')
    expect(digest).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(sameDigest(digest, digestOfKey('abc'))).toBe(true)
    expect(sameDigest(digest, digestOfKey('abd'))).toBe(false)
    expect(sameDigest(digest, 'ba')).toBe(false)
  })
})

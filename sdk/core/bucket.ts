/**
 * The only hash in the system, and what is built on it: a unit's bucket, and the chunk that holds a member.
 * Frozen: users hold their buckets (`halyard-1`, pinned by test/golden/bucketing.json).
 */

const BUCKETS = 100_000
const C1 = 0xcc9e2d51
const C2 = 0x1b873593

/**
 * MurmurHash3 x86_32 over the UTF-8 encoding of a text; a lone surrogate counts as U+FFFD.
 * The algorithm is Austin Appleby's, public domain (SMHasher, MurmurHash3.cpp).
 *
 * @param text any string
 * @param seed a 32-bit integer, signed or not
 * @returns an unsigned 32-bit integer
 */
export function murmur3(text: string, seed: number): number {
  const length = text.length
  const whole = length & ~3
  let hash = seed | 0
  let i = 0
  for (; i < whole; i += 4) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    if ((a | b | c | d) > 0x7f) return murmur3Utf8(text, seed)
    hash = mix(hash, a | (b << 8) | (c << 16) | (d << 24))
  }
  let tail = 0
  for (let shift = 0; i < length; i++, shift += 8) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return murmur3Utf8(text, seed)
    tail |= code << shift
  }
  return finish(hash, tail, length)
}

/** The same for any text, encoding as it goes rather than through a buffer. */
function murmur3Utf8(text: string, seed: number): number {
  let hash = seed | 0
  let block = 0
  let bytes = 0
  const take = (byte: number): void => {
    block |= byte << ((bytes & 3) << 3)
    bytes++
    if ((bytes & 3) === 0) {
      hash = mix(hash, block)
      block = 0
    }
  }
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i)
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 ? text.charCodeAt(i + 1) : 0
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
        i++
      } else {
        code = 0xfffd
      }
    }
    if (code < 0x80) {
      take(code)
    } else if (code < 0x800) {
      take(0xc0 | (code >> 6))
      take(0x80 | (code & 0x3f))
    } else if (code < 0x10000) {
      take(0xe0 | (code >> 12))
      take(0x80 | ((code >> 6) & 0x3f))
      take(0x80 | (code & 0x3f))
    } else {
      take(0xf0 | (code >> 18))
      take(0x80 | ((code >> 12) & 0x3f))
      take(0x80 | ((code >> 6) & 0x3f))
      take(0x80 | (code & 0x3f))
    }
  }
  return finish(hash, block, bytes)
}

function scramble(block: number): number {
  const scaled = Math.imul(block, C1)
  return Math.imul((scaled << 15) | (scaled >>> 17), C2)
}

function mix(hash: number, block: number): number {
  const mixed = hash ^ scramble(block)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

/** An empty tail scrambles to zero, so that it needs no case of its own. */
function finish(hash: number, tail: number, bytes: number): number {
  let h = hash ^ scramble(tail) ^ bytes
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/**
 * What a unit is hashed and compared as.
 *
 * @param value an attribute as found in a context
 * @returns a non-empty string as it is, a finite number as ECMAScript's Number::toString writes it (`0` for -0),
 *   else undefined: the unit is missing
 */
export function unitOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  return undefined
}

/** The seed of a salt, computed once for each split: signed, which the engine stores without a box of its own. */
export function seedOf(salt: string): number {
  return murmur3(salt, 0) | 0
}

/** The bucket of a unit under a seed of `seedOf`: 0 to 99,999. */
export function bucketUnder(seed: number, unit: string): number {
  return Math.floor((murmur3(unit, seed) * BUCKETS) / 0x1_0000_0000)
}

/**
 * The bucket of a unit.
 *
 * @param salt of the split
 * @param unit as `unitOf` gives it
 * @returns an integer, 0 to 99,999
 */
export function bucketOf(salt: string, unit: string): number {
  return bucketUnder(seedOf(salt), unit)
}

let lastUnit = ''
let lastChunk = 0

/**
 * The index of the chunk of a segment's members that holds a unit: 0 to 255. The last one is remembered: one unit
 * is asked about for many segments.
 */
export function chunkIndex(unit: string): number {
  if (unit !== lastUnit) {
    lastChunk = murmur3(unit, 0) >>> 24
    lastUnit = unit
  }
  return lastChunk
}

/**
 * The name of the chunk of a segment's members that holds a unit.
 *
 * @param unit as stored; folded in a segment with `ignoreCase`
 * @returns `00` to `ff`
 */
export function memberChunk(unit: string): string {
  return chunkName(chunkIndex(unit))
}

/** `00` to `ff`. */
export function chunkName(index: number): string {
  return index.toString(16).padStart(2, '0')
}

/**
 * The baseline of `core`: the same logic as a good engineer writes it into an app, with no service at all. It is
 * meant to be fast: sets and minimum versions are prepared once, versions are parsed without a regular expression, and
 * the hash is written for the ASCII that units are.
 */
import type { BenchContext, FlagShape } from './workload.ts'

export type Flag = (context: BenchContext) => boolean

/** One function a flag, by key. `members` takes the place of the countries, by targeting key. */
export function handwritten(
  shapes: readonly FlagShape[],
  members?: ReadonlySet<string>,
): ReadonlyMap<string, Flag> {
  return new Map(shapes.map((shape) => [shape.key, members ? bySegment(shape, members) : byCountry(shape)]))
}

function byCountry(shape: FlagShape): Flag {
  const countries = new Set(shape.countries)
  const minimum = versionOf(shape.minimum)
  const seed = hash(shape.key, 0)
  return (context) => {
    if (countries.has(context.country)) return true
    if (context.plan === 'pro' && atLeast(versionOf(context.version), minimum)) return true
    return (hash(context.targetingKey, seed) * 100_000) / 2 ** 32 < 50_000
  }
}

function bySegment(shape: FlagShape, members: ReadonlySet<string>): Flag {
  const minimum = versionOf(shape.minimum)
  const seed = hash(shape.key, 0)
  return (context) => {
    if (members.has(context.targetingKey)) return true
    if (context.plan === 'pro' && atLeast(versionOf(context.version), minimum)) return true
    return (hash(context.targetingKey, seed) * 100_000) / 2 ** 32 < 50_000
  }
}

type Version = {
  readonly major: number
  readonly minor: number
  readonly patch: number
  readonly prerelease: string
}

/** `1.2.3` or `1.2.3-rc.1`; anything else is no version, and lower than every other. */
function versionOf(text: string): Version | undefined {
  let major = 0
  let minor = 0
  let number = 0
  let part = 0
  let digits = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code >= 48 && code <= 57) {
      number = number * 10 + code - 48
      digits += 1
    } else if (code === 46 && part < 2 && digits > 0) {
      if (part === 0) major = number
      else minor = number
      number = 0
      digits = 0
      part += 1
    } else if (code === 45 && part === 2 && digits > 0) {
      return { major, minor, patch: number, prerelease: text.slice(at + 1) }
    } else return undefined
  }
  return part === 2 && digits > 0 ? { major, minor, patch: number, prerelease: '' } : undefined
}

function atLeast(version: Version | undefined, minimum: Version | undefined): boolean {
  if (!version || !minimum) return false
  if (version.major !== minimum.major) return version.major > minimum.major
  if (version.minor !== minimum.minor) return version.minor > minimum.minor
  if (version.patch !== minimum.patch) return version.patch > minimum.patch
  if (version.prerelease === minimum.prerelease) return true
  if (version.prerelease === '') return true
  return minimum.prerelease !== '' && version.prerelease > minimum.prerelease
}

/** MurmurHash3 x86_32 (Austin Appleby, public domain) of ASCII text. */
function hash(text: string, seed: number): number {
  const blocks = text.length & ~3
  let h = seed
  for (let at = 0; at < blocks; at += 4) {
    let k =
      text.charCodeAt(at) |
      (text.charCodeAt(at + 1) << 8) |
      (text.charCodeAt(at + 2) << 16) |
      (text.charCodeAt(at + 3) << 24)
    k = Math.imul(k, 0xcc9e2d51)
    k = (k << 15) | (k >>> 17)
    h ^= Math.imul(k, 0x1b873593)
    h = (h << 13) | (h >>> 19)
    h = (Math.imul(h, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let at = text.length - 1; at >= blocks; at -= 1) tail = (tail << 8) | text.charCodeAt(at)
  if (text.length > blocks) {
    tail = Math.imul(tail, 0xcc9e2d51)
    tail = (tail << 15) | (tail >>> 17)
    h ^= Math.imul(tail, 0x1b873593)
  }
  h ^= text.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

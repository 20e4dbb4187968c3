/**
 * The form of keys: `hly_<kind>_<id>_<secret><checksum>`. What is stored is the id and the SHA-256 of the whole
 * text; the checksum lets secret scanners be sure of what they found.
 */
import { createHash, timingSafeEqual } from 'node:crypto'

export type KeyKind = 'server' | 'client' | 'management'
export type ParsedKey = { readonly kind: KeyKind; readonly id: string; readonly secret: string }

const MARKS: Readonly<Record<KeyKind, string>> = { server: 'srv', client: 'pub', management: 'api' }
const KINDS: ReadonlyMap<string, KeyKind> = new Map([
  ['srv', 'server'],
  ['pub', 'client'],
  ['api', 'management'],
])
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 256 bits in base 62. */
const SECRET_LENGTH = 43
const CHECKSUM_LENGTH = 6
const FORM = /^(hly_(srv|pub|api)_([a-z0-9]{1,64})_([0-9A-Za-z]{43}))([0-9A-Za-z]{6})$/

function base62(number: bigint, length: number): string {
  let text = ''
  for (let rest = number; text.length < length; rest /= 62n) text = DIGITS.charAt(Number(rest % 62n)) + text
  return text
}

/** For each byte, what it does to a CRC-32 (ISO 3309, reflected polynomial 0xEDB88320). */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** CRC-32 of a text of ASCII characters. */
function crc32(text: string): number {
  let crc = 0xffffffff
  for (let index = 0; index < text.length; index += 1) {
    crc = (crc >>> 8) ^ Number(CRC_TABLE[(crc ^ text.charCodeAt(index)) & 0xff])
  }
  return (crc ^ 0xffffffff) >>> 0
}

const checksumOf = (text: string): string => base62(BigInt(crc32(text)), CHECKSUM_LENGTH)

/**
 * The text of a new key, to be shown once.
 * @param randomBytes 32 bytes from a cryptographic source.
 * @param id the key's id, of the alphabet `[a-z0-9]`.
 * @throws RangeError on another number of bytes, or an id of another alphabet: a weak key must not come to be.
 */
export function mintKey(kind: KeyKind, randomBytes: Uint8Array, id: string): string {
  if (randomBytes.length !== 32) throw new RangeError('A key needs 32 random bytes.')
  if (!/^[a-z0-9]{1,64}$/.test(id)) throw new RangeError('A key id is made of a-z and 0-9.')
  const secret = base62(BigInt(`0x${Buffer.from(randomBytes).toString('hex')}`), SECRET_LENGTH)
  const text = `hly_${MARKS[kind]}_${id}_${secret}`
  return text + checksumOf(text)
}

/** The parts of a key's text; undefined for what is no key, or whose checksum does not hold. */
export function parseKey(text: string): ParsedKey | undefined {
  const [, body = '', mark = '', id = '', secret = '', checksum] = FORM.exec(text) ?? []
  const kind = KINDS.get(mark)
  return kind !== undefined && checksum === checksumOf(body) ? { kind, id, secret } : undefined
}

/** SHA-256 of a key's whole text, in hex: what is stored of it. */
export function digestOfKey(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Whether two digests are the same, in a time that does not tell where they differ. */
export function sameDigest(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

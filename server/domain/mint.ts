/** Identifiers: 20 random characters of `[a-z0-9]`, about 103 bits, never the same twice. */
import { createHash } from 'node:crypto'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
const LENGTH = 20
/** Bytes from here on are thrown away, so that every character is equally likely. */
const FAIR = 256 - (256 % ALPHABET.length)

/** @param randomBytes from a cryptographic source */
export function minter(randomBytes: (size: number) => Uint8Array): () => string {
  return () => {
    let id = ''
    while (id.length < LENGTH) {
      for (const byte of randomBytes(LENGTH + 8)) {
        if (byte < FAIR && id.length < LENGTH) id += ALPHABET.charAt(byte % ALPHABET.length)
      }
    }
    return id
  }
}

/**
 * Identifiers that follow from another one: the same ones again from the same seed, so that an edit that is run again
 * mints what it minted then. They are names, not secrets.
 */
export function minterFrom(seed: string): () => string {
  let count = 0
  return minter(() => createHash('sha256').update(`${seed}/${count++}`).digest())
}

/** Texts that only this installation can have written: their HMAC-SHA-256 stands before them. */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** @param key 32 bytes, for this one purpose */
export function signText(text: string, key: Buffer): string {
  return `${signatureOf(text, key).toString('base64url')}.${text}`
}

/** The text that was signed; undefined where the signature does not hold. */
export function signedText(signed: string, key: Buffer): string | undefined {
  const dot = signed.indexOf('.')
  const text = signed.slice(dot + 1)
  const signature = Buffer.from(signed.slice(0, Math.max(0, dot)), 'base64url')
  const expected = signatureOf(text, key)
  return signature.length === expected.length && timingSafeEqual(signature, expected) ? text : undefined
}

const signatureOf = (text: string, key: Buffer): Buffer => createHmac('sha256', key).update(text).digest()

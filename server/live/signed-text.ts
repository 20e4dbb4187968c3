/** Texts that only this installation can have written: their HMAC-SHA-256 (RFC 2104) stands before them, in base64url. */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** @param key 32 bytes, for this one purpose */
export function signText(text: string, key: Buffer): string {
  return `${signatureOf(text, key)}.${text}`
}

/** The text that was signed; undefined where the signature does not hold. */
export function signedText(signed: string, key: Buffer): string | undefined {
  const dot = signed.indexOf('.')
  const text = signed.slice(dot + 1)
  // As texts: base64url has several of one signature.
  const [given, right] = [Buffer.from(signed.slice(0, Math.max(0, dot))), Buffer.from(signatureOf(text, key))]
  return given.length === right.length && timingSafeEqual(given, right) ? text : undefined
}

const signatureOf = (text: string, key: Buffer): string =>
  createHmac('sha256', key).update(text).digest('base64url')

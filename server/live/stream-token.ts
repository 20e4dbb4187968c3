/**
 * Tokens that open OFREP's event stream and nothing else. Browsers' EventSource sends no headers, so a token stands
 * in a URL: it is the same throughout its window (a changed URL makes clients reconnect) and good through the next.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { LogId } from '../domain/change.ts'
import type { Scope } from './view.ts'

export type Bearer = { readonly environment: LogId; readonly keyId: string; readonly scope: Scope }

export const WINDOW_MS = 12 * 60 * 60 * 1000

/** The number of the 12-hour window, counted from the Unix epoch. */
export const windowAt = (now: number): number => Math.floor(now / WINDOW_MS)

/**
 * @param secret key of the HMAC-SHA256 (RFC 2104)
 * @param now epoch milliseconds
 */
export function mintStreamToken(secret: Buffer, { environment, keyId, scope }: Bearer, now: number): string {
  const claims = [keyId, environment, scope === 'client' ? 'c' : 's', windowAt(now).toString(36)].join('.')
  return `${claims}.${macOf(secret, claims)}`
}

/** Whom the token was made for; undefined for what was not made here, or is past its time. */
export function readStreamToken(secret: Buffer, token: string, now: number): Bearer | undefined {
  const parts = token.length > 512 ? [] : token.split('.')
  const [keyId, environment, scope, window, mac] = parts
  if (parts.length !== 5 || !keyId || !environment || !scope || !window || !mac) return undefined
  const [given, right] = [Buffer.from(mac), Buffer.from(macOf(secret, parts.slice(0, 4).join('.')))]
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined
  const age = windowAt(now) - Number.parseInt(window, 36)
  if (age !== 0 && age !== 1) return undefined
  return { environment, keyId, scope: scope === 'c' ? 'client' : 'server' }
}

function macOf(secret: Buffer, claims: string): string {
  return createHmac('sha256', secret).update(`halyard stream token 1\n${claims}`).digest('base64url')
}

export type StreamTokens = {
  mint(environment: LogId, keyId: string, scope: Scope): string
  read(token: string): Bearer | undefined
}

/** Tokens remembered within a window: each stands in every bulk answer of its key. */
const REMEMBERED = 10_000

export function createStreamTokens(secret: Buffer, clock: { now(): number }): StreamTokens {
  let window = Number.NaN
  const minted = new Map<string, string>()
  return {
    mint(environment, keyId, scope) {
      const now = clock.now()
      if (windowAt(now) !== window || minted.size >= REMEMBERED) minted.clear()
      window = windowAt(now)
      const name = `${keyId}.${environment}.${scope}`
      let token = minted.get(name)
      if (token === undefined) {
        token = mintStreamToken(secret, { environment, keyId, scope }, now)
        minted.set(name, token)
      }
      return token
    },
    read: (token) => readStreamToken(secret, token, clock.now()),
  }
}

import { describe, expect, it } from 'vitest'
import {
  createStreamTokens,
  mintStreamToken,
  readStreamToken,
  WINDOW_MS,
} from '../../../server/live/stream-token.ts'

const secret = Buffer.alloc(32, 7)
const bearer = { environment: 'env_1', keyId: 'k1', scope: 'client' } as const
const start = 40_000 * WINDOW_MS

describe('a stream token', () => {
  it('is the same throughout its window and good through the next', () => {
    const token = mintStreamToken(secret, bearer, start)
    expect(mintStreamToken(secret, bearer, start + WINDOW_MS - 1)).toBe(token)
    expect(mintStreamToken(secret, bearer, start + WINDOW_MS)).not.toBe(token)
    expect(readStreamToken(secret, token, start)).toEqual(bearer)
    expect(readStreamToken(secret, token, start + 2 * WINDOW_MS - 1)).toEqual(bearer)
    expect(readStreamToken(secret, token, start + 2 * WINDOW_MS)).toBeUndefined()
    expect(readStreamToken(secret, token, start - 1)).toBeUndefined()
  })

  it('names the key, the environment and the scope that it was made for, and no other', () => {
    for (const other of [{ keyId: 'k2' }, { environment: 'env_2' }, { scope: 'server' as const }]) {
      const token = mintStreamToken(secret, { ...bearer, ...other }, start)
      expect(token).not.toBe(mintStreamToken(secret, bearer, start))
      expect(readStreamToken(secret, token, start)).toEqual({ ...bearer, ...other })
    }
  })

  it('is refused when any character is another, when cut, or when made with another secret', () => {
    const token = mintStreamToken(secret, bearer, start)
    for (let at = 0; at < token.length; at++) {
      const forged = `${token.slice(0, at)}${token[at] === 'x' ? 'y' : 'x'}${token.slice(at + 1)}`
      expect(readStreamToken(secret, forged, start)).toBeUndefined()
      expect(readStreamToken(secret, token.slice(0, at), start)).toBeUndefined()
    }
    expect(
      readStreamToken(secret, mintStreamToken(Buffer.alloc(32, 8), bearer, start), start),
    ).toBeUndefined()
    for (const junk of ['', '....', 'a.b.c.d.e', 'x'.repeat(10_000), `${token}.x`]) {
      expect(readStreamToken(secret, junk, start)).toBeUndefined()
    }
  })

  it('is remembered for its window, and made anew in the next', () => {
    const clock = { time: start, now: () => clock.time }
    const tokens = createStreamTokens(secret, clock)
    const first = tokens.mint('env_1', 'k1', 'client')
    expect(first).toBe(mintStreamToken(secret, bearer, start))
    expect(tokens.mint('env_1', 'k1', 'server')).not.toBe(first)
    clock.time += WINDOW_MS
    expect(tokens.mint('env_1', 'k1', 'client')).toBe(mintStreamToken(secret, bearer, clock.time))
    expect(tokens.read(first)).toEqual(bearer)
  })

  it('stands in a URL as it is', () => {
    expect(mintStreamToken(secret, bearer, start)).toMatch(/^[A-Za-z0-9._-]+$/)
  })
})

import { describe, expect, it } from 'vitest'
import { type KillLink, LONGEST_TOKEN, mintKillLink, readKillLink } from '../../../server/live/kill-link.ts'

const secret = Buffer.alloc(32, 7)
const link: KillLink = {
  id: 'a1b2c3',
  environment: 'env_1',
  target: { flag: 'checkout' },
  comment: 'INC-481: „it burns“',
  expiresAt: 1_800_000_000_000,
  keyId: 'k1',
  keyMark: 'mark',
}

describe('a kill link’s token', () => {
  it('gives back what it was made for, and nothing of it can stand for another', () => {
    const token = mintKillLink(secret, link)
    expect(readKillLink(secret, token)).toEqual(link)
    const others: Partial<KillLink>[] = [
      { id: 'x' },
      { environment: 'env_2' },
      { target: { flag: 'search' } },
      { target: { tag: 'checkout', expect: 2 } },
      { target: { tag: 'checkout', expect: 3 } },
      { target: { all: true, expect: 2 } },
      { comment: undefined },
      { expiresAt: link.expiresAt + 1_000 },
      { keyId: 'k2' },
      { keyMark: 'other' },
    ]
    const [mac = ''] = token.split('.')
    for (const other of others) {
      const changed = mintKillLink(secret, { ...link, ...other })
      expect(readKillLink(secret, changed)).toEqual({ ...link, ...other })
      expect(readKillLink(secret, `${mac}.${changed.split('.')[1]}`)).toBeUndefined()
    }
  })

  it('is refused when any character is another, when cut, or when made with another secret', () => {
    const token = mintKillLink(secret, link)
    for (let at = 0; at < token.length; at++) {
      const forged = `${token.slice(0, at)}${token[at] === 'x' ? 'y' : 'x'}${token.slice(at + 1)}`
      expect(readKillLink(secret, forged)).toBeUndefined()
      expect(readKillLink(secret, token.slice(0, at))).toBeUndefined()
    }
    expect(readKillLink(secret, mintKillLink(Buffer.alloc(32, 8), link))).toBeUndefined()
    const junk = [
      '',
      '.',
      '..',
      'a.b',
      'x'.repeat(10_000),
      `${token}.x`,
      `${token}=`,
      `.${token}`,
      `${token}.`,
    ]
    for (const one of junk) expect(readKillLink(secret, one)).toBeUndefined()
  })

  it('stands in a URL as it is, ends in a letter or digit whatever is in it, and is short enough for one', () => {
    for (let length = 0; length < 12; length++) {
      const token = mintKillLink(secret, { ...link, id: 'i'.repeat(length) })
      expect(token).toMatch(/^[A-Za-z0-9._-]+[A-Za-z0-9]$/)
    }
    const largest = {
      ...link,
      target: { tag: 'f'.repeat(128), expect: 100_000 },
      comment: '"'.repeat(200),
      keyId: 'k'.repeat(20),
    }
    expect(mintKillLink(secret, largest).length).toBeLessThan(LONGEST_TOKEN)
    expect(mintKillLink(secret, { ...largest, comment: '\u{2603}'.repeat(200) }).length).toBeLessThan(
      LONGEST_TOKEN,
    )
    expect(mintKillLink(secret, link).length).toBeLessThan(220)
  })
})

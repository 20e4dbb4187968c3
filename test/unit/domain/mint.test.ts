import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { minter, minterFrom } from '../../../server/domain/mint.ts'

const ID = /^[a-z0-9]{20}$/

describe('minted identifiers', () => {
  it('are of one alphabet and length, and never the same', () => {
    const mint = minter(randomBytes)
    const ids = Array.from({ length: 1_000 }, mint)
    for (const id of ids) expect(id).toMatch(ID)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('leave out bytes that would favour a character', () => {
    let asked = 0
    const mint = minter((size) => new Uint8Array(size).fill(asked++ === 0 ? 255 : 1))
    expect([mint(), asked]).toEqual(['b'.repeat(20), 2])
  })

  it('follow from a seed, one after another', () => {
    const [one, same, other] = [minterFrom('a'), minterFrom('a'), minterFrom('b')]
    const first = one()
    expect(first).toMatch(ID)
    expect(same()).toBe(first)
    expect(one()).not.toBe(first)
    expect(other()).not.toBe(first)
  })
})

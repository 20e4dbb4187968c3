import { describe, expect, it } from 'vitest'
import { inPieces, listText, objectText, textOf } from '../../../server/http/pieces.ts'

const whole = (text: Iterable<string>): unknown => JSON.parse([...text].join(''))

describe('JSON text in pieces', () => {
  it('is that of objects and lists, the empty ones too', () => {
    expect(whole(objectText([]))).toEqual({})
    expect(whole(listText([]))).toEqual([])
    expect(whole(listText([[], []]))).toEqual([])
    expect(whole(listText([[], ['a'], [], ['"', 1], [null]]))).toEqual(['a', '"', 1, null])
    const nested = objectText([
      ['a"b', textOf({ n: 1 })],
      ['list', listText([[1], [2, 3]])],
      ['inner', objectText([['x', textOf(null)]])],
    ])
    expect(whole(nested)).toEqual({ 'a"b': { n: 1 }, list: [1, 2, 3], inner: { x: null } })
  })

  it('comes in pieces of some size, between which others have their turn', async () => {
    const long = 'x'.repeat(100_000)
    let turns = 0
    let ended = false
    const count = () => {
      turns += 1
      if (!ended) setImmediate(count)
    }
    setImmediate(count)
    const pieces: string[] = []
    for await (const piece of inPieces(listText(Array.from({ length: 20 }, () => [long])))) pieces.push(piece)
    ended = true
    expect(JSON.parse(pieces.join(''))).toEqual(Array.from({ length: 20 }, () => long))
    expect(pieces.length).toBeGreaterThan(4)
    expect(turns).toBeGreaterThan(3)
    for (const piece of pieces) expect(piece.length).toBeLessThan(500_000)
  })
})

import { readFileSync } from 'node:fs'
import { foldCase } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'

const golden = JSON.parse(readFileSync(new URL('../../golden/folding.json', import.meta.url), 'utf8')) as {
  unicode: string
  folds: { [point: string]: string }
  unfolded: string[]
  texts: [string, string][]
}
const point = (hex: string): string => String.fromCodePoint(Number.parseInt(hex, 16))

describe('case folding', () => {
  it('folds every code point of the golden file as members are stored', () => {
    const folds = Object.entries(golden.folds)
    expect(folds.length).toBeGreaterThan(1_400)
    for (const [from, to] of folds) expect(foldCase(point(from)), from).toBe(point(to))
  })

  it('leaves alone what has no counterpart of one code point, dotless i, and lone surrogates', () => {
    for (const hex of golden.unfolded) expect(foldCase(point(hex)), hex).toBe(point(hex))
  })

  it('folds texts code point by code point, without a look at their neighbours', () => {
    for (const [text, folded] of golden.texts) expect(foldCase(text)).toBe(folded)
  })

  it('folds nothing else, whatever Unicode the runtime knows', () => {
    for (let code = 0; code <= 0x10ffff; code++) {
      const text = String.fromCodePoint(code)
      const hex = code.toString(16).toUpperCase().padStart(4, '0')
      if (golden.folds[hex] === undefined && foldCase(text) !== text) expect.fail(`U+${hex} folds`)
    }
  })

  it('is what upper and then lower case give, for letters of the frozen version', () => {
    const single = (text: string, converted: string): string =>
      [...converted].length === 1 ? converted : text
    for (const [from, to] of Object.entries(golden.folds)) {
      const upper = single(point(from), point(from).toUpperCase())
      expect(single(upper, upper.toLowerCase()), from).toBe(point(to))
    }
  })

  it('is done once: what is folded stays as it is', () => {
    for (const to of Object.values(golden.folds)) expect(foldCase(point(to))).toBe(point(to))
    expect(foldCase('ABC xyz 123')).toBe('abc xyz 123')
    expect(foldCase('')).toBe('')
  })
})

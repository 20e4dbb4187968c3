/**
 * Simple case folding, the comparison behind `ignoreCase`. Frozen: stored members of segments are folded by it,
 * and test/golden/folding.json pins it, so that any language's SDK can agree.
 */
import { FOLDS } from './folding-table.ts'

/**
 * Folds each code point by itself: to its upper case, then to its lower case, each only where the result is one
 * code point, as Unicode 15.0 has them (UnicodeData.txt). Dotless i stays as it is, since its upper case is the
 * plain I of another letter.
 *
 * @param text any string; a lone surrogate stays as it is
 */
export function foldCase(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return foldCodePoints(text)
  }
  return text.toLowerCase()
}

function foldCodePoints(text: string): string {
  let folded = ''
  for (const character of text) {
    const fold = FOLDS.get(character.codePointAt(0) as number)
    folded += fold === undefined ? character : String.fromCodePoint(fold)
  }
  return folded
}

/**
 * Simple case folding, the comparison behind `ignoreCase`. Frozen: stored members of segments are folded by it,
 * and test/golden/folding.json pins it, so that any language's SDK can agree.
 */

const DOTLESS_I = 'ı'

/**
 * Folds each code point by itself: to its upper case, then to its lower case, each only where the result is one
 * code point. Dotless i stays as it is, since its upper case is the plain I of another letter.
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
  for (const point of text) folded += point === DOTLESS_I ? point : single(single(point, upper), lower)
  return folded
}

const upper = (point: string): string => point.toUpperCase()
const lower = (point: string): string => point.toLowerCase()

function single(point: string, convert: (point: string) => string): string {
  const converted = convert(point)
  const first = converted.codePointAt(0)
  return first !== undefined && String.fromCodePoint(first).length === converted.length ? converted : point
}

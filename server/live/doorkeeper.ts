/**
 * Lets in what comes a second time. Most contexts that are evaluated in bulk never come again, and a cache that keeps
 * their answers works for nothing. The place that remembers first visits is small, of fixed size, and may forget.
 */

/** One place for each of this many; a newer first visit takes the place of an older. 512 KiB. */
const PLACES = 2 ** 17

/** @returns a function of a hexadecimal digest, of 16 digits or more: whether it came before, as far as remembered */
export function createDoorkeeper(): (digest: string) => boolean {
  const places = new Uint32Array(PLACES)
  return (digest) => {
    const place = Number.parseInt(digest.slice(0, 8), 16) % PLACES
    const mark = Number.parseInt(digest.slice(8, 16), 16)
    if (places[place] === mark) return true
    places[place] = mark
    return false
  }
}

/**
 * The last answers of a key, in `localStorage`, for the next page load's first frame. Absent, full, forbidden or
 * damaged storage is as good as empty. Contexts are kept as hashes alone.
 */

/** An answer's text as the server sent it, its ETag, and when the server confirmed it (epoch milliseconds). */
export type Kept = readonly [body: string, etag: string | null, at: number]

export type Storage = {
  /** @param contextText the same for the same context */
  read(contextText: string): Kept | undefined
  write(contextText: string, kept: Kept): void
}

/** People come as nobody, log in, and log out. */
const MOST_CONTEXTS = 4

/** @param name of the item */
export function createStorage(name: string): Storage {
  /** By context, the newest first. */
  function items(): Map<number, Kept> {
    try {
      return new Map(JSON.parse(localStorage.getItem(name) ?? ''))
    } catch {
      return new Map()
    }
  }

  return {
    read: (contextText) => items().get(hash(contextText)),
    write(contextText, kept) {
      const mine = hash(contextText)
      const others = items()
      others.delete(mine)
      try {
        localStorage.setItem(name, JSON.stringify([[mine, kept], ...others].slice(0, MOST_CONTEXTS)))
      } catch {
        // Full or forbidden: the next page load asks the server before its first answer.
      }
    },
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193)
  return value
}

/** Where instances leave notes for each other. */
import type { Store } from '../store/store.ts'
import { patience } from '../waiting.ts'

/** Every method may reject, and soon. */
export type Noticeboard = {
  /**
   * Puts a text up under the name, in place of what was there, for this many milliseconds.
   * @param last nothing will follow it: where there are several places, it is put up in all of them
   */
  put(name: string, text: string, forMs: number, last?: 'last'): Promise<void>
  /** What is up now. */
  all(): Promise<readonly string[]>
  remove(name: string): Promise<void>
}

/** A board in the database, for instances that share nothing else. */
export function storeBoard(
  store: Pick<Store, 'putNotice' | 'notices' | 'removeNotice'>,
  board: string,
): Noticeboard {
  return {
    put: (name, text, forMs) => store.putNotice(board, name, text, forMs),
    all: () => store.notices(board),
    remove: (name) => store.removeNotice(board, name),
  }
}

/** How long a board is waited for before, or while, the other one serves, and after it was late, milliseconds. */
const WAIT = { most: 250, late: 50 }

/**
 * Two boards as one: notes go to the first, and to the second where the first fails or is late; they are read from both, since
 * another instance may reach only one of them. What the first has comes last: it is the newer, unless it fails now.
 */
export function eitherBoard(first: Noticeboard, second: Noticeboard): Noticeboard {
  const patient = () => patience(WAIT.most, WAIT.late)
  const [putFirst, ofFirst, ofSecond] = [patient(), patient(), patient()]
  return {
    async put(name, text, forMs, last) {
      if (last !== undefined) {
        const puts = [first, second].map((board) => board.put(name, text, forMs))
        await Promise.allSettled(puts)
        return Promise.any(puts)
      }
      const putting = first.put(name, text, forMs).then(() => true)
      if (await putFirst(putting)) return
      await second.put(name, text, forMs).catch(() => putting)
    },
    async all() {
      const reads = [first.all(), second.all()] as const
      const found = await Promise.all([ofFirst(reads[0]), ofSecond(reads[1])])
      if (found.every((texts) => texts === undefined)) return Promise.any(reads)
      return found.reverse().flatMap((texts) => texts ?? [])
    },
    async remove(name) {
      await Promise.allSettled([first.remove(name), second.remove(name)])
    },
  }
}

/** A shelf in memory, which a test can poison, fail or let hang. The contract of shelves holds for it, too. */
import { markIn, type Shelf } from '../../server/live/snapshots/shelf.ts'

export type MemoryShelf = Shelf & {
  readonly kept: Map<string, Buffer>
  /** Answers of the shelf's methods wait for it, where it is set; a rejection is theirs. */
  trouble: Promise<void> | undefined
  /** How often bytes were taken. */
  readonly puts: number
}

export function memoryShelf(name: Shelf['name'] = 'redis'): MemoryShelf {
  const kept = new Map<string, Buffer>()
  let puts = 0
  const shelf: MemoryShelf = {
    name,
    kept,
    trouble: undefined,
    get puts() {
      return puts
    },
    async names() {
      await shelf.trouble
      return [...kept.keys()]
    },
    async get(one) {
      await shelf.trouble
      return kept.get(one)
    },
    async put(one, bytes) {
      await shelf.trouble
      if (markIn(kept.get(one) ?? Buffer.alloc(0)) > markIn(bytes)) return 'newer-there'
      puts++
      kept.set(one, Buffer.from(bytes))
      return 'kept'
    },
    async remove(one) {
      await shelf.trouble
      kept.delete(one)
    },
  }
  return shelf
}

/** Snapshots as files of this machine. */
import { wholeFiles } from '../whole-files.ts'
import { MARK_BYTES, markIn, type Shelf } from './shelf.ts'

/** @param dir absolute path; made where it is missing */
export function diskShelf(dir: string): Shelf {
  const files = wholeFiles(dir, '.snapshot')
  return {
    name: 'disk',
    names: files.names,
    get: files.get,
    /** Two processes of one folder may both find theirs the newer; the loser's is at its next change in place again. */
    async put(name, bytes) {
      const there = await files.start(name, MARK_BYTES)
      if (there !== undefined && markIn(there) > markIn(bytes)) return 'newer-there'
      await files.put(name, bytes)
      return 'kept'
    },
    remove: files.remove,
  }
}

/** The journal of this machine: kills that were accepted without the database, a file each. */
import { wholeFiles } from '../whole-files.ts'

export type Journal = {
  /** Resolves when it is on the disk. Rejects with the file system's error. */
  put(id: string, text: string): Promise<void>
  /** What is there, from before too. A folder that cannot be read rejects. */
  all(): Promise<readonly string[]>
  remove(id: string): Promise<void>
}

/** @param dir absolute path; made where it is missing */
export function diskJournal(dir: string): Journal {
  const files = wholeFiles(dir, '.kill')
  return {
    put: files.put,
    async all() {
      const names = await files.names()
      // Another process may have settled it meanwhile, and one that cannot be read keeps no other from its effect.
      const found = await Promise.all(names.map((name) => files.get(name).catch(() => undefined)))
      return found.flatMap((bytes) => bytes?.toString() ?? [])
    },
    remove: files.remove,
  }
}

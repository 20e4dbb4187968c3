/**
 * The journal of this machine: kills that were accepted without the database, a file each, on the disk before anybody
 * is told. A file is whole or not there, so that several processes may share the folder, and one may die at any time.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

export type Journal = {
  /** Resolves when it is on the disk. Rejects with the file system's error. */
  put(id: string, text: string): Promise<void>
  /** What is there, from before too. A folder that cannot be read rejects. */
  all(): Promise<readonly string[]>
  remove(id: string): Promise<void>
}

const FILE = '.kill'
const PRIVATE = { folder: 0o700, file: 0o600 }
const ID = /^[a-z0-9]{1,64}$/

/** @param dir absolute path; made where it is missing */
export function diskJournal(dir: string): Journal {
  const pathOf = (id: string): string => {
    if (!ID.test(id)) throw new RangeError(`${JSON.stringify(id)} is no name for a file`)
    return join(dir, id + FILE)
  }

  return {
    async put(id, text) {
      const path = pathOf(id)
      await mkdir(dir, { recursive: true, mode: PRIVATE.folder })
      const draft = `${path}.${process.pid}`
      try {
        const file = await open(draft, 'w', PRIVATE.file)
        try {
          await file.writeFile(text)
          await file.datasync()
        } finally {
          await file.close()
        }
        await rename(draft, path)
      } catch (cause) {
        await rm(draft, { force: true }).catch(() => undefined)
        throw cause
      }
      // The name is on the disk when its folder is.
      const folder = await open(dir, 'r')
      await folder.sync().finally(() => folder.close())
    },
    async all() {
      await mkdir(dir, { recursive: true, mode: PRIVATE.folder })
      const files = (await readdir(dir)).filter((name) => name.endsWith(FILE))
      const texts = await Promise.all(
        // Another process may have settled it meanwhile.
        files.map((name) => readFile(join(dir, name), 'utf8').catch(() => undefined)),
      )
      return texts.filter((text) => text !== undefined)
    },
    remove: (id) => rm(pathOf(id), { force: true }),
  }
}

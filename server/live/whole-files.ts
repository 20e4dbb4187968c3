/**
 * A folder of files for this user's eyes alone. A file is whole or not there, and on the disk before anybody is told: it
 * is written aside, brought to the disk, and renamed, so that several processes may share the folder, and one may die at
 * any time. Hides what one that was killed meanwhile left behind.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Every method rejects with the file system's error, and with `RangeError` where a name is none for a file. */
export type WholeFiles = {
  /** In place of what is there. Resolves when it is on the disk. */
  put(name: string, content: string | Uint8Array): Promise<void>
  get(name: string): Promise<Buffer | undefined>
  /** Its first bytes, fewer where it has fewer. */
  start(name: string, bytes: number): Promise<Buffer | undefined>
  names(): Promise<readonly string[]>
  /** Does nothing where nothing is there. */
  remove(name: string): Promise<void>
}

const PRIVATE = { folder: 0o700, file: 0o600 }
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/
const DRAFT = '.partial'
/** A draft that is still written is younger than that, milliseconds. */
const ABANDONED_MS = 60_000

/**
 * @param dir absolute path; made where it is missing
 * @param ending of the files' names, with its dot
 */
export function wholeFiles(dir: string, ending: string): WholeFiles {
  const makeFolder = () => mkdir(dir, { recursive: true, mode: PRIVATE.folder })
  function pathOf(name: string): string {
    if (!NAME.test(name)) throw new RangeError(`${JSON.stringify(name)} is no name for a file`)
    return join(dir, name + ending)
  }

  return {
    async put(name, content) {
      const path = pathOf(name)
      await makeFolder()
      // By chance, not by process: one process may write a name twice at once, and in containers each is number 1.
      const draft = join(dir, `${name}.${randomBytes(6).toString('hex')}${DRAFT}`)
      try {
        const file = await open(draft, 'wx', PRIVATE.file)
        try {
          await file.writeFile(content)
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
    get: async (name) => unlessMissing(readFile(pathOf(name))),
    async start(name, bytes) {
      const file = await unlessMissing(open(pathOf(name), 'r'))
      if (file === undefined) return undefined
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0)
        return buffer.subarray(0, bytesRead)
      } finally {
        await file.close()
      }
    },
    async names() {
      await makeFolder()
      const files = await readdir(dir)
      await Promise.all(files.filter((file) => file.endsWith(DRAFT)).map((file) => tidy(join(dir, file))))
      return files
        .filter((file) => file.endsWith(ending))
        .map((file) => file.slice(0, -ending.length))
        .filter((name) => NAME.test(name))
    },
    remove: async (name) => rm(pathOf(name), { force: true }),
  }
}

async function tidy(draft: string): Promise<void> {
  const found = await unlessMissing(stat(draft))
  if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(draft, { force: true })
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}

/**
 * Snapshots as files of this machine, for this user's eyes alone. A file is whole or not there: it is written aside,
 * brought to the disk, and renamed. Hides what a process that was killed meanwhile left behind.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MARK_BYTES, markIn, type Shelf } from './shelf.ts'

const FILE = '.snapshot'
const PARTIAL = '.partial'
/** A file that is still written is younger than that, milliseconds. */
const ABANDONED_MS = 60_000
const PRIVATE = { folder: 0o700, file: 0o600 }
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/

/** @param dir made at the first snapshot where it is missing */
export function diskShelf(dir: string): Shelf {
  const pathOf = (name: string): string => {
    if (!NAME.test(name)) throw new RangeError(`${JSON.stringify(name)} is no name for a file`)
    return join(dir, name + FILE)
  }

  /** Two processes of one folder may both find theirs the newer; the loser's is at its next change in place again. */
  async function put(name: string, bytes: Buffer): Promise<'kept' | 'newer-there'> {
    const path = pathOf(name)
    if ((await markAt(path)) > markIn(bytes)) return 'newer-there'
    await mkdir(dir, { recursive: true, mode: PRIVATE.folder })
    const draft = join(dir, `${name}.${process.pid}-${randomBytes(4).toString('hex')}${PARTIAL}`)
    try {
      const file = await open(draft, 'wx', PRIVATE.file)
      try {
        await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, path)
    } catch (cause) {
      await rm(draft, { force: true })
      throw cause
    }
    return 'kept'
  }

  return {
    name: 'disk',
    async names() {
      const files = (await unlessMissing(readdir(dir))) ?? []
      await Promise.all(files.filter((file) => file.endsWith(PARTIAL)).map((file) => tidy(join(dir, file))))
      return files
        .filter((file) => file.endsWith(FILE))
        .map((file) => file.slice(0, -FILE.length))
        .filter((name) => NAME.test(name))
    },
    get: async (name) => unlessMissing(readFile(pathOf(name))),
    put,
    remove: async (name) => rm(pathOf(name), { force: true }),
  }
}

async function markAt(path: string): Promise<string> {
  const file = await unlessMissing(open(path, 'r'))
  if (file === undefined) return ''
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MARK_BYTES), 0, MARK_BYTES, 0)
    return markIn(buffer.subarray(0, bytesRead))
  } finally {
    await file.close()
  }
}

async function tidy(path: string): Promise<void> {
  const found = await unlessMissing(stat(path))
  if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true })
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}

/**
 * Where the files of a test run are: in memory where the machine has room for them, since every test of the whole
 * service copies a database of a thousand files. Otherwise, and where `TMPDIR` is set, where the system keeps such files.
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'

const MEMORY = '/dev/shm'
const NAME = 'halyard-tests-'
/** They are some hundred megabytes at a time; the machine needs memory for the tests as well. Bytes. */
const ROOM = 6 * 2 ** 30

let folder: string | undefined

/** vitest's global setup, the first of all: workers take the variable over. */
export function setup(): void {
  if (process.env.TMPDIR !== undefined || !existsSync(MEMORY)) return
  removeLeftBehind()
  const { bavail, bsize } = statfsSync(MEMORY)
  if (Math.min(bavail * bsize, process.availableMemory()) < ROOM) return
  folder = mkdtempSync(join(MEMORY, `${NAME}${process.pid}-`))
  // Postgres is another user where the tests are root's.
  chmodSync(folder, 0o755)
  process.env.TMPDIR = folder
}

export function teardown(): void {
  if (folder === undefined) return
  rmSync(folder, { recursive: true, force: true })
  delete process.env.TMPDIR
  folder = undefined
}

/** By runs of this user that were killed. */
function removeLeftBehind(): void {
  for (const name of readdirSync(MEMORY).filter((one) => one.startsWith(NAME))) {
    const left = join(MEMORY, name)
    const owner = statSync(left, { throwIfNoEntry: false })?.uid
    const pid = Number.parseInt(name.slice(NAME.length), 10)
    if (owner === process.getuid?.() && !isRunning(pid)) rmSync(left, { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Otherwise there is one, and it is not ours to signal.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

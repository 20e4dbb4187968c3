/**
 * One process a folder: the holder listens on a Unix socket, which the kernel closes with the process, so that a
 * lock never outlives its holder. It hides how a socket left by a killed process is taken over by exactly one.
 */
import { createHash, randomUUID } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Thrown where another process holds the folder. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError'
}

/** Bytes of a socket's path: 107 on Linux, 103 on macOS. */
const LONGEST_PATH = 103
const GENERATION = /^lock\.(\d+)$/
const MOST_ATTEMPTS = 20

/**
 * Locks a folder for this process.
 *
 * Sockets stand under numbered names. The highest number counts: where nobody listens behind it, the next number
 * is taken with a hard link, which only one process can make. The highest is never removed, so the numbers only
 * rise; whoever finds a higher one after taking its own gives way.
 *
 * Holders on other machines (a network file system) are not seen.
 *
 * @param dir an existing folder
 * @returns the function that gives the folder free
 * @throws FolderInUseError where another process holds it
 */
export async function lockFolder(dir: string): Promise<() => Promise<void>> {
  const real = realpathSync(dir)
  const inside = join(real, '.lock')
  try {
    return await lockIn(inside, real)
  } catch (error) {
    // Some file systems (shared folders of virtual machines) hold no sockets; some paths are too long for one.
    if (error instanceof FolderInUseError) throw error
    const name = createHash('sha256').update(real).digest('hex').slice(0, 16)
    return lockIn(join(tmpdir(), `halyard-${process.getuid?.() ?? 0}-${name}`), real)
  }
}

async function lockIn(place: string, real: string): Promise<() => Promise<void>> {
  const draft = join(place, `draft.${randomUUID().slice(0, 8)}`)
  if (Buffer.byteLength(draft) > LONGEST_PATH) throw new RangeError(`${draft} is too long for a socket`)
  mkdirSync(place, { recursive: true, mode: 0o700 })
  const server = await listenOn(draft)
  try {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const highest = highestIn(place)
      if (highest > 0 && (await answers(join(place, `lock.${highest}`)))) break
      const mine = highest + 1
      if (!linked(draft, join(place, `lock.${mine}`))) continue
      if (highestIn(place) > mine) {
        rmSync(join(place, `lock.${mine}`), { force: true })
        continue
      }
      for (const name of readdirSync(place)) {
        const generation = Number(GENERATION.exec(name)?.[1] ?? mine)
        if (generation < mine) rmSync(join(place, name), { force: true })
      }
      rmSync(draft, { force: true })
      return () => closed(server)
    }
  } catch (error) {
    await closed(server)
    throw error
  }
  await closed(server)
  throw new FolderInUseError(
    `Another Halyard process uses the data folder ${real}. Stop it, or give this one a folder of its own (HALYARD_DATA_DIR).`,
  )
}

function highestIn(place: string): number {
  return readdirSync(place).reduce((most, name) => Math.max(most, Number(GENERATION.exec(name)?.[1] ?? 0)), 0)
}

/** false where somebody else has that name already. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function listenOn(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    // Whoever connects only wants to know that somebody listens.
    const server = createServer((socket) => socket.destroy())
    server.once('error', reject)
    server.listen(path, () => {
      chmodSync(path, 0o600)
      // A lock is no reason for a process to stay.
      server.unref()
      resolve(server)
    })
  })
}

/** Whether a process listens there. A frozen one does: the kernel answers for it. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // EAGAIN: a listener whose queue is full.
      if (error.code === 'EAGAIN') resolve(true)
      else if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      else reject(error)
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}

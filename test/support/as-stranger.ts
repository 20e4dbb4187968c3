import { chmodSync } from 'node:fs'

/** Does it while the folder is closed to the user of this process; root is let in everywhere, and steps down for it. */
export async function asStranger<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const isRoot = process.getuid?.() === 0
  chmodSync(dir, 0o000)
  if (isRoot) process.seteuid?.(65_534)
  try {
    return await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
    chmodSync(dir, 0o700)
  }
}

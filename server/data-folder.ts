/**
 * The folder that this instance keeps: the secret that subkeys are derived from, and the first admin key where no
 * terminal could show it. Everything in it is for this user's eyes alone.
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a subkey is for: each purpose has its own, so that none can stand in for another. */
export type Purpose =
  | 'stream-tokens'
  | 'kill-links'
  | 'snapshots'
  | 'quotas'
  | 'cache-keys'
  | 'journal'
  | 'peers'
  | 'name'

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'it is a file',
  ENOTDIR: 'a part of its path is a file',
  EACCES: 'this user may not read and write it',
  EPERM: 'this user may not read and write it',
  EROFS: 'its file system takes no writes',
  ENOSPC: 'its disk is full',
}

/**
 * An error of the file system about the folder, or what is in it, as a sentence that says what to do.
 * @returns undefined for every other error
 */
export function folderFault(error: unknown, dir: string): string | undefined {
  if (!(error instanceof Error && 'code' in error && 'path' in error)) return undefined
  const { code, path, message } = error
  const why = typeof code === 'string' ? REASONS[code] : undefined
  // What stands in the way may be above it.
  const isMeant = typeof path === 'string' && (isIn(path, dir) || isIn(dir, path))
  if (why === undefined || !isMeant) return undefined
  return `The data folder ${dir} cannot be used: ${why} (${message}). Set HALYARD_DATA_DIR to a folder that this user may read and write, or mend that one.`
}

const isIn = (path: string, dir: string): boolean =>
  path === dir || path.startsWith(dir.endsWith('/') ? dir : `${dir}/`)

/**
 * Makes the folder (mode 0700) where it is missing.
 * @param dir absolute path
 * @throws the file system's error, where the folder cannot be made
 */
export function makeDataFolder(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
}

/** Where a data folder has its secret. */
export const secretIn = (dir: string): string => join(dir, 'secret')

/**
 * The secret kept in the folder, made at the first call. Two processes that start at once agree on one: it is
 * linked into place whole, and the first link wins.
 * @param dir absolute path of the data folder
 */
export function keptSecret(dir: string): string {
  const path = secretIn(dir)
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
    writeFileSync(draft, randomBytes(32).toString('base64url'), { mode: 0o600 })
    try {
      linkSync(draft, path)
    } catch (error) {
      if (!existsSync(path)) throw error
    } finally {
      rmSync(draft, { force: true })
    }
  }
  return readFileSync(path, 'utf8').trim()
}

/**
 * A key of 32 bytes for one purpose, by HKDF-SHA-256 (RFC 5869).
 * @param secret the configured or kept secret
 */
export function subkey(secret: string, purpose: Purpose): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'halyard', purpose, 32))
}

/** Where a data folder has the first admin key, if no terminal showed it. */
export const adminKeyIn = (dir: string): string => join(dir, 'admin-key')

/**
 * Keeps the first admin key in a file that only this user can read.
 * @returns the file's path, for the log: the key itself is never logged
 */
export function keepAdminKey(dir: string, key: string): string {
  const path = adminKeyIn(dir)
  writeFileSync(path, `${key}\n`, { mode: 0o600 })
  chmodSync(path, 0o600)
  return path
}

/**
 * What an installation is called where others may read it: the same for all that have the secret, and nothing of it.
 * Those that share a Redis under one prefix are told apart by it.
 */
export function installationOf(secret: string): string {
  return subkey(secret, 'name').toString('base64url').slice(0, 8)
}

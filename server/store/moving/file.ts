/**
 * A backup as a file: gzip, for this user's eyes alone, and under its name only when it is whole. What comes out of a
 * file is checked by whoever reads it; here it is only said in people's words what gzip has against it.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, createReadStream, existsSync, linkSync, openSync, renameSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { BackupError } from './format.ts'

const NEVER = new AbortController().signal

/**
 * Writes the file; a file of that name is never overwritten.
 * @param stopped ends it with the signal's reason, and leaves nothing
 * @returns its size in bytes
 */
export async function writeBackupFile(
  path: string,
  chunks: AsyncIterable<string>,
  stopped?: AbortSignal,
): Promise<number> {
  if (existsSync(path)) throw new BackupError(thereAlready(path))
  const draft = `${path}.partial-${randomUUID().slice(0, 8)}`
  const file = await open(draft, 'wx', 0o600).catch((error: unknown) => {
    throw notWritten(path, error)
  })
  try {
    const stream = file.createWriteStream({ flush: true })
    await pack(chunks, stream, stopped)
    putUnderItsName(draft, path)
    return stream.bytesWritten
  } catch (error) {
    throw notWritten(path, error)
  } finally {
    await file.close().catch(() => {})
    rmSync(draft, { force: true })
  }
}

/** What file systems say that have no hard links: FAT, CIFS, and some that are mounted by FUSE. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/** A link is refused where the name is taken. Where there are no links, the name is taken first, by an empty file. */
function putUnderItsName(draft: string, path: string): void {
  try {
    linkSync(draft, path)
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    closeSync(openSync(path, 'wx', 0o600))
    renameSync(draft, path)
  }
}

const thereAlready = (path: string): string => `${path} is there already: choose another name.`

/** What the system has against the file, or the pipe, in people's words. What a database says comes wrapped, and stays. */
function notWritten(path: string | undefined, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error)) return error
  const { code, message } = error
  if (code === 'EEXIST' && path !== undefined) return new BackupError(thereAlready(path))
  if (code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE') {
    return new BackupError(
      'The backup is cut short: who should read it from the pipe has gone. Take another one.',
    )
  }
  if (!('syscall' in error)) return error
  const hint = code === 'ENOSPC' ? 'make room' : 'see whether this user may write there'
  const where = path === undefined ? 'to the output' : `as ${path}`
  return new BackupError(
    `The backup cannot be written ${where} (${message}): ${hint}, name another place with --out, or give it to a pipe with --out -.`,
  )
}

/** Packs the lines into a pipe, and ends it. */
export async function packed(
  chunks: AsyncIterable<string>,
  into: NodeJS.WritableStream,
  stopped?: AbortSignal,
): Promise<void> {
  await pack(chunks, into, stopped).catch((error: unknown) => {
    throw notWritten(undefined, error)
  })
}

async function pack(
  chunks: AsyncIterable<string>,
  into: NodeJS.WritableStream,
  stopped = NEVER,
): Promise<void> {
  try {
    await pipeline(Readable.from(chunks), createGzip(), into, { signal: stopped })
  } catch (error) {
    stopped.throwIfAborted()
    throw error
  }
}

/** The lines in a packed stream, or in the file of that name. */
export async function* unpacked(
  from: string | NodeJS.ReadableStream,
  stopped = NEVER,
): AsyncGenerator<Uint8Array> {
  const source = typeof from === 'string' ? createReadStream(from) : from
  const gunzip = createGunzip()
  const piped = pipeline(source, gunzip, { signal: stopped })
  piped.catch(() => {})
  try {
    for await (const chunk of gunzip) yield chunk
    await piped
  } catch (error) {
    stopped.throwIfAborted()
    throw meaningOf(error)
  }
}

function meaningOf(error: unknown): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'Z_BUF_ERROR':
      return new BackupError(
        'The backup is cut short: its end is missing. Nothing was restored; take another one.',
      )
    case 'Z_DATA_ERROR':
      return new BackupError('This is no backup of Halyard, or it is damaged. Nothing was restored.')
    default:
      return error instanceof Error && 'syscall' in error
        ? new BackupError(`The backup cannot be read: ${error.message}.`)
        : error
  }
}

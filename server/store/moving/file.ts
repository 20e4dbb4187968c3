/**
 * A backup as a file: gzip, for this user's eyes alone, and under its name only when it is whole. What comes out of a
 * file is checked by whoever reads it; here it is only said in people's words what gzip has against it.
 */
import { randomUUID } from 'node:crypto'
import { createReadStream, linkSync, rmSync } from 'node:fs'
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
  const draft = `${path}.partial-${randomUUID().slice(0, 8)}`
  const file = await open(draft, 'wx', 0o600)
  try {
    const stream = file.createWriteStream({ flush: true })
    await packed(chunks, stream, stopped)
    linkSync(draft, path)
    return stream.bytesWritten
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new BackupError(`${path} is there already: choose another name.`)
  } finally {
    await file.close().catch(() => {})
    rmSync(draft, { force: true })
  }
}

/** Packs the lines into a stream, and ends it. */
export async function packed(
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
      return error
  }
}

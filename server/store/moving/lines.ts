/** Bytes to lines, and the SHA-256 of all lines but the last. */
import { createHash } from 'node:crypto'
import { BackupError } from './format.ts'

/** A row has a few texts, each of them far below this. What has no line breaks is not read to its end. */
const LONGEST_LINE = 256 * 1024 * 1024

export type Lines = AsyncIterable<string> & {
  /** Of the lines before the one that came last, in hex. */
  sha256(): string
}

export function linesOf(chunks: AsyncIterable<string | Uint8Array>): Lines {
  const hash = createHash('sha256')
  return {
    async *[Symbol.asyncIterator]() {
      let previous: Buffer | undefined
      for await (const line of split(chunks)) {
        if (previous !== undefined) hash.update(previous)
        previous = line
        yield line.toString('utf8', 0, line.length - 1)
      }
    },
    sha256: () => hash.copy().digest('hex'),
  }
}

/** Lines with their breaks. The last needs one too, or it may have been cut. */
async function* split(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  let length = 0
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk as Uint8Array)
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      yield parts.length === 0
        ? bytes.subarray(from, end + 1)
        : Buffer.concat([...parts, bytes.subarray(from, end + 1)])
      parts = []
      length = 0
      from = end + 1
    }
    if (from === bytes.length) continue
    parts.push(bytes.subarray(from))
    length += bytes.length - from
    if (length > LONGEST_LINE) throw new BackupError('This is no backup: a line has no end.')
  }
  if (length > 0) throw new BackupError('The backup is cut short: its last line has no end.')
}

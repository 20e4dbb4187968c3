/**
 * The last known good state on disk, so that an app can start while no server answers. Written beside evaluations
 * and never in their way: debounced, in small steps, to a temporary file that then takes the old one's place.
 */
import { createHash, type Hash, randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BUCKETING, type Json, jsonText, SCHEMA, type State, stateOf } from '../core/index.ts'
import { createAlarm } from './alarm.ts'
import { BOUNDS, type Surroundings } from './timing.ts'

export type CacheFileOptions = {
  readonly path: string
  /** The id of the key in use: a file that another key wrote may be another environment's, and is not read. */
  readonly keyId: () => string | undefined
  readonly surroundings: Surroundings
  readonly warn: (message: string, cause?: unknown) => void
}

export type Cached = {
  readonly state: State
  /** How long ago the server last confirmed it, in milliseconds. */
  readonly ageMs: number
}

export type CacheFile = {
  /** The state in the file; undefined where there is none, or none to trust. Never rejects. */
  read(): Promise<Cached | undefined>
  /** Write this state, soon. */
  keep(state: State): void
  /** The state that was kept last was confirmed: its age starts anew. Where it is not in the file, it is written again. */
  confirmed(): void
  /** Writes what is not yet written. Never rejects. */
  close(): Promise<void>
}

type Header = { readonly halyardCache: 1; readonly key: string | undefined }

/** Pieces of about this many characters are written at once; between them, the app has its turn. */
const PIECE = 256 * 1024

export function createCacheFile({ path, keyId, surroundings, warn }: CacheFileOptions): CacheFile {
  const { clock, monotonic, timing } = surroundings
  const alarm = createAlarm(monotonic)
  let next: State | undefined
  /** What should be in the file, and whether it is not. */
  let last: State | undefined
  let missing = false
  let writing: Promise<void> | undefined
  let closed = false
  let present = false
  let touchedAt = Number.NEGATIVE_INFINITY
  let failing = false

  async function drain(): Promise<void> {
    while (next !== undefined) {
      // A first file is written at once: a short script should leave one behind.
      if (present && !closed) await alarm.wait(timing.cacheDelayMs)
      const state = next
      next = undefined
      touchedAt = monotonic()
      try {
        await write(path, { halyardCache: 1, key: keyId() }, state)
        present = true
        missing = false
        failing = false
      } catch (cause) {
        if (!failing) warn(`The cache file ${path} cannot be written`, cause)
        failing = true
        missing = true
        present = true // from now on there is no hurry
      }
    }
    writing = undefined
  }

  function keep(state: State): void {
    if (closed) return
    last = state
    next = state
    writing ??= drain()
  }

  return {
    async read() {
      try {
        const { size, mtimeMs } = await regular(path)
        if (size > BOUNDS.ruleset) throw new Error(`it is larger than ${BOUNDS.ruleset} bytes`)
        const state = parse(await readFile(path, 'utf8'), keyId())
        present = true
        last = state
        return { state, ageMs: Math.max(0, clock() - mtimeMs) }
      } catch (cause) {
        if (!isMissing(cause)) warn(`The cache file ${path} is ignored`, cause)
        return undefined
      }
    },
    keep,
    confirmed() {
      if (closed || last === undefined || writing !== undefined) return
      if (monotonic() - touchedAt < timing.cacheTouchMs) return
      touchedAt = monotonic()
      if (missing) keep(last)
      else touch()
    },
    async close() {
      closed = true
      alarm.ring()
      await writing
    },
  }

  function touch(): void {
    const now = clock() / 1_000
    utimes(path, now, now).catch((cause) => {
      // Somebody has tidied up, or it is not ours to touch: it is written again.
      missing = true
      if (isMissing(cause)) return
      if (!failing) warn(`The cache file ${path} cannot be marked as current`, cause)
      failing = true
    })
  }
}

function parse(text: string, keyId: string | undefined): State {
  const [head, body, sum, ...rest] = text.split('\n')
  if (head === undefined || body === undefined || sum === undefined || rest.join('') !== '') {
    throw new Error('it is not whole')
  }
  if (createHash('sha256').update(head).update(body).digest('hex') !== sum)
    throw new Error('its checksum does not hold')
  const header: Partial<Header> = JSON.parse(head)
  if (header.halyardCache !== 1) throw new Error('it is of another version')
  if (header.key !== undefined && keyId !== undefined && header.key !== keyId) {
    throw new Error(`it was written with the key ${header.key}, and ${keyId} is in use`)
  }
  return stateOf(JSON.parse(body))
}

/** Three lines: header, ruleset, and the SHA-256 of both. The digest of a ruleset does not cover definitions. */
async function write(path: string, header: Header, state: State): Promise<void> {
  await regular(path).catch((cause) => {
    if (!isMissing(cause)) throw cause
  })
  // By chance, not by process: in containers each is number 1, and one that was killed here leaves its own behind.
  const temporary = `${path}.${randomUUID()}.tmp`
  // `wx` follows no link that somebody may have put there.
  const file = await open(temporary, 'wx', 0o600)
  try {
    try {
      const hash = createHash('sha256')
      const head = JSON.stringify(header)
      hash.update(head)
      await file.appendFile(`${head}\n`)
      await writeRuleset(file, hash, state)
      await file.appendFile(`\n${hash.digest('hex')}\n`)
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw cause
  }
}

/** What `JSON.stringify(rulesetOf(state))` gives, without holding the app up for the time that a large one takes. */
async function writeRuleset(file: FileHandle, hash: Hash, state: State): Promise<void> {
  let piece = ''
  const flush = async (): Promise<void> => {
    hash.update(piece)
    await file.appendFile(piece)
    piece = ''
    await nextTurn()
  }
  const { project, environment, epoch, revision, digest, endedKills } = state
  const top = { schema: SCHEMA, bucketing: BUCKETING, project, environment, epoch, revision, digest }
  const pending = [...state.pending].map(member).join(',')
  piece += `${JSON.stringify(top).slice(0, -1)},"pending":{${pending}},"endedKills":${JSON.stringify([...endedKills])},"entries":{`
  let firstKind = true
  for (const [kind, entries] of state.entries) {
    piece += `${firstKind ? '' : ','}${JSON.stringify(kind)}:{`
    firstKind = false
    let firstEntry = true
    for (const entry of entries) {
      piece += firstEntry ? member(entry) : `,${member(entry)}`
      firstEntry = false
      if (piece.length > PIECE) await flush()
    }
    piece += '}'
  }
  piece += '}}'
  await flush()
}

function member([key, value]: readonly [string, object]): string {
  return `${JSON.stringify(key)}:${jsonText(value as Json)}`
}

/** A pipe would be waited for, a device read without end, and either replaced by a file. */
async function regular(path: string): Promise<Stats> {
  const found = await stat(path)
  if (!found.isFile()) throw new Error('it is no regular file')
  return found
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && (cause as NodeJS.ErrnoException).code === 'ENOENT'
}

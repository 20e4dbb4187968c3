/**
 * A log's state as bytes that are believed anywhere: compressed, and signed with a key that only this installation
 * has, over all that they say. Whatever was changed in them, or stands under another log's name, is refused.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { brotliDecompress, constants, createBrotliCompress } from 'node:zlib'
import { stateOf } from '@halyard/sdk/core'
import type { LogId } from '../../domain/change.ts'
import type { Head, Loaded, Provenance } from '../../store/store.ts'
import type { Held } from '../live.ts'
import { rulesetText } from '../ruleset-text.ts'
import { logOf, MARK_BYTES, markIn, markOf } from './shelf.ts'

/**
 * - `garbage`: no snapshot at all, or nothing is left of it but its beginning.
 * - `forged`: the signature does not hold: somebody changed it, or it was signed with another secret.
 * - `misplaced`: it is another log's.
 * - `unreadable`: it was signed as it is, and yet cannot be read: a bug, or another release's.
 */
export type Refusal = 'garbage' | 'forged' | 'misplaced' | 'unreadable'

export class SnapshotRefused extends Error {
  override readonly name = 'SnapshotRefused'
  readonly reason: Refusal
  constructor(reason: Refusal, message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}

export const garbage = () => new SnapshotRefused('garbage', 'this is no snapshot')
export const forged = () => new SnapshotRefused('forged', 'the signature does not hold')

const SIGNATURE_BYTES = 32
/** Lower than for downloads: a snapshot is written far more often than it is read. Faster and smaller than gzip 1. */
const QUALITY = 1

/**
 * Mark, signature, compressed text. The text is made piece by piece, so that nobody waits for a large one.
 * @param key 32 bytes, for snapshots alone
 */
export async function seal(log: Pick<Held, 'head' | 'state' | 'provenance'>, key: Buffer): Promise<Buffer> {
  const parts: Buffer[] = []
  await pipeline(
    Readable.from(textOf(log)),
    createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY } }),
    async (compressed: AsyncIterable<Buffer>) => {
      for await (const part of compressed) parts.push(part)
    },
  )
  const mark = markOf(log.state)
  return Buffer.concat([Buffer.from(mark), signatureOf(mark, parts, key), ...parts])
}

/** The record of who wrote what grows while it is read: what is newer than the state is left out. */
function* textOf({ head, state, provenance }: Parameters<typeof seal>[0]): Generator<string> {
  const { log, kind, parent } = head
  yield `${JSON.stringify({ log, kind, parent }).slice(0, -1)},"provenance":[`
  let separator = ''
  for (const [revision, { at, by }] of provenance) {
    if (revision > state.revision) continue
    yield `${separator}${JSON.stringify([revision, at, by.kind, by.id, by.name])}`
    separator = ','
  }
  yield '],"ruleset":'
  yield* rulesetText(state)
  yield '}'
}

const decompress = promisify(brotliDecompress)

/**
 * Reads what `seal` wrote, wherever it has been since.
 * @param name that it was found under
 * @throws SnapshotRefused
 */
export async function unseal(name: string, bytes: Buffer, key: Buffer): Promise<Loaded> {
  const mark = markIn(bytes)
  const body = bodyOf(bytes)
  if (mark === '' || body.length === 0) throw garbage()
  if (!isSigned(bytes, key)) throw forged()
  let loaded: Loaded
  try {
    loaded = loadedFrom(JSON.parse((await decompress(body)).toString()))
  } catch (cause) {
    throw new SnapshotRefused('unreadable', 'what was signed cannot be read', cause)
  }
  if (loaded.log !== logOf(name) || markOf(loaded) !== mark) {
    throw new SnapshotRefused('misplaced', `this is a snapshot of ${loaded.log}`)
  }
  return loaded
}

/** Whether the signature holds: over the mark and the whole body. */
export function isSigned(bytes: Buffer, key: Buffer): boolean {
  const signature = bytes.subarray(MARK_BYTES, MARK_BYTES + SIGNATURE_BYTES)
  const expected = signatureOf(markIn(bytes), [bodyOf(bytes)], key)
  return signature.length === expected.length && timingSafeEqual(signature, expected)
}

const bodyOf = (bytes: Buffer): Buffer => bytes.subarray(MARK_BYTES + SIGNATURE_BYTES)

function signatureOf(mark: string, body: readonly Buffer[], key: Buffer): Buffer {
  const hmac = createHmac('sha256', key).update(mark)
  for (const part of body) hmac.update(part)
  return hmac.digest()
}

/** Its writer was this installation: what is checked here is what the state's own reader checks. */
function loadedFrom(text: unknown): Loaded {
  const { log, kind, parent, provenance, ruleset } = text as {
    readonly log: LogId
    readonly kind: Head['kind']
    readonly parent: LogId | null
    readonly provenance: readonly (readonly [number, number, Provenance['by']['kind'], string, string])[]
    readonly ruleset: unknown
  }
  const state = stateOf(ruleset)
  return {
    log,
    kind,
    parent,
    epoch: state.epoch,
    revision: state.revision,
    state,
    provenance: new Map(
      provenance.map(([revision, at, by, id, name]) => [revision, { at, by: { kind: by, id, name } }]),
    ),
  }
}

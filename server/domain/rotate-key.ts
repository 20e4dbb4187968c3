/**
 * Rotating a key: a new one that may do the same, and an end for the old one, late enough that everything that uses
 * it can be given the new one first. Both documents stay, and name each other.
 */
import type { Change, LogId, Moment } from './change.ts'
import { asJson, type KeyDocument } from './documents.ts'
import { collectFaults } from './faults.ts'
import type { RotateInput } from './inputs.ts'
import { digestOfKey, type KeyKind, mintKey } from './keys.ts'
import type { Minted } from './minted-keys.ts'
import { Problem } from './problem.ts'
import { inside, type Reading } from './reading.ts'

/** `previous`: the old key, with its end. */
export type Rotated<D> = Minted<D> & { readonly previous: D }

/** The last instant that a document can name. */
const END_OF_TIME = Date.parse('9999-12-31T23:59:59.999Z')
/** Seconds. */
const GRACE = { usual: 86_400, most: 30 * 86_400 }

/**
 * The new key and the old one's end. A new key of one with an expiry lives as long as that was meant to, from now.
 * @param randomBytes 32, from a cryptographic source
 * @throws Problem `key-rotated` or `key-expired`: such a key's rights have gone on, or have ended
 */
export function rotateKey<D extends KeyDocument>(
  kind: KeyKind,
  current: D,
  { graceSeconds }: RotateInput,
  { now, mint }: Moment,
  randomBytes: Uint8Array,
): Rotated<D> {
  const { replaces: _replaces, replacedBy, expiresAt, ...rights } = current
  if (replacedBy !== undefined) {
    throw new Problem('key-rotated', `The key ${replacedBy} was made for it: rotate that, or make a new key.`)
  }
  const ends = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt)
  if (!(ends > now)) throw new Problem('key-expired', 'Its rights have ended: make a new key.')
  const faults = collectFaults()
  const grace = readGrace(graceSeconds, inside({ faults, pointer: '' }, 'graceSeconds'))
  faults.refuse()
  const id = mint()
  const secret = mintKey(kind, randomBytes, id)
  const newEnd = Math.min(now + ends - Date.parse(current.createdAt), END_OF_TIME)
  const made = {
    ...rights,
    id,
    digest: digestOfKey(secret),
    createdAt: instant(now),
    ...(expiresAt === undefined ? {} : { expiresAt: instant(newEnd) }),
    replaces: current.id,
  }
  const end = instant(Math.min(now + grace * 1_000, ends))
  return {
    // The same fields under the same types: those that are left out above are optional.
    document: made as unknown as D,
    secret,
    previous: { ...current, expiresAt: end, replacedBy: id },
  }
}

const instant = (at: number): string => new Date(at).toISOString()

function readGrace(value: unknown, { faults, pointer }: Reading): number {
  if (value === undefined) return GRACE.usual
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= GRACE.most) return value
  faults.add(pointer, `graceSeconds is a whole number from 0, at once, to ${GRACE.most}, which is 30 days.`)
  return 0
}

export function keyRotated<D extends KeyDocument>(
  kind: 'api-key' | 'sdk-key',
  log: LogId,
  rotated: Rotated<D>,
): Change<Rotated<D>> {
  const documents = [rotated.document, rotated.previous]
  return {
    action: `${kind}.rotate`,
    edits: new Map([
      [log, documents.map((document) => ({ kind, key: document.id, definition: asJson(document) }))],
    ]),
    warnings: [],
    result: rotated,
  }
}

/** What keys of every kind have in common: how one is made, kept and ended. */
import type { Change, LogId, Moment, Warning } from './change.ts'
import { asJson } from './documents.ts'
import { readName } from './environments.ts'
import { at, quote } from './faults.ts'
import { digestOfKey, type KeyKind, mintKey } from './keys.ts'
import { Problem } from './problem.ts'
import { inside, type Reading, readInstant } from './reading.ts'

/** A key's document, and its whole text, which is shown this once. */
export type Minted<D> = { readonly document: D; readonly secret: string }

export const unknownKey = (id: string): Problem =>
  new Problem('key-not-found', `There is no key with the id ${quote(id)}.`)

export function keyMade<D extends { readonly id: string }>(
  kind: 'api-key' | 'sdk-key',
  log: LogId,
  minted: Minted<D>,
  warnings: readonly Warning[] = [],
): Change<Minted<D>> {
  const { document } = minted
  return {
    action: `${kind}.create`,
    edits: new Map([[log, [{ kind, key: document.id, definition: asJson(document) }]]]),
    warnings,
    result: minted,
  }
}

export function keyRevoked<D extends { readonly id: string }>(
  kind: 'api-key' | 'sdk-key',
  log: LogId,
  document: D,
): Change<D> {
  return {
    action: `${kind}.revoke`,
    edits: new Map([[log, [{ kind, key: document.id, definition: null }]]]),
    warnings: [],
    result: document,
  }
}

/** What keys of every kind have: who they are, until when, and the digest of their text. */
export function readKeyDocument(
  kind: KeyKind,
  fields: { readonly [name: string]: unknown },
  reading: Reading,
  { now, mint }: Moment,
  randomBytes: Uint8Array,
) {
  const name = readName(fields.name, inside(reading, 'name'))
  const expiry =
    fields.expiresAt === undefined || fields.expiresAt === null
      ? {}
      : { expiresAt: readInstant(fields.expiresAt, inside(reading, 'expiresAt'), 'expiresAt') }
  if (expiry.expiresAt && Date.parse(expiry.expiresAt) <= now) {
    reading.faults.add(at(reading.pointer, 'expiresAt'), 'This is in the past: the key would never work.')
  }
  const id = mint()
  const secret = mintKey(kind, randomBytes, id)
  const createdAt = new Date(now).toISOString()
  return { document: { id, name, digest: digestOfKey(secret), createdAt, ...expiry }, secret }
}

/**
 * One reducer for server and SDKs: `diff` says what changed between two states of a log, `apply` brings a state
 * forward by it. The digest is kept in time proportional to the change, and checked before anything is accepted.
 */
import { murmur3 } from './bucket.ts'
import { isCount, isObject } from './json.ts'
import { settled } from './pending.ts'
import type { Delta, DeltaEntry, Entry, State } from './ruleset.ts'

export type Refusal = { readonly refused: 'base' | 'epoch' | 'digest' | 'malformed' }

/**
 * What one entry adds to the digest: the murmur3 of `<kind>/<key>@<revision>`. A digest is the sum of these over
 * all entries, modulo 2^32.
 */
export function entryDigest(kind: string, key: string, revision: number): number {
  return murmur3(`${kind}/${key}@${revision}`, 0)
}

/** The digest of all entries of a state, from nothing. */
export function digestOf(entries: State['entries']): number {
  let sum = 0
  for (const [kind, ofKind] of entries) {
    for (const [key, { revision }] of ofKind) sum += entryDigest(kind, key, revision)
  }
  return modulo32(sum)
}

/**
 * The change from one state to a later one of the same log. Entries with the same revision are the same.
 *
 * @throws RangeError where the states are of two epochs: no delta leads from one to the other
 */
export function diff(previous: State, next: State): Delta {
  if (previous.epoch !== next.epoch)
    throw new RangeError('a delta stays within one epoch: send the whole state')
  const entries: DeltaEntry[] = []
  for (const [kind, after] of next.entries) {
    const before = previous.entries.get(kind)
    if (before === after) continue
    for (const [key, entry] of after) {
      if (before?.get(key)?.revision !== entry.revision) entries.push({ kind, key, ...entry })
    }
  }
  for (const [kind, before] of previous.entries) {
    const after = next.entries.get(kind)
    if (before === after) continue
    for (const key of before.keys()) {
      if (!after?.has(key)) entries.push({ kind, key, revision: next.revision, definition: null })
    }
  }
  return { epoch: next.epoch, base: previous.revision, revision: next.revision, entries, digest: next.digest }
}

/**
 * Brings a state forward. The given state stays as it is; only the maps of kinds that change are copied. Pending
 * kills that the delta applies are dropped, and kills that it ends are remembered as ended.
 *
 * @param delta as received; its shape is checked
 * @returns the next state, or why it was refused: the caller fetches the whole state instead
 */
export function apply(state: State, delta: Delta): State | Refusal {
  if (!isDelta(delta)) return { refused: 'malformed' }
  if (delta.epoch !== state.epoch) return { refused: 'epoch' }
  if (delta.base !== state.revision) return { refused: 'base' }
  const entries = new Map(state.entries)
  const copied = new Map<string, Map<string, Entry>>()
  let digest = state.digest
  for (const { kind, key, revision, definition } of delta.entries) {
    let ofKind = copied.get(kind)
    if (ofKind === undefined) {
      ofKind = new Map(entries.get(kind))
      copied.set(kind, ofKind)
      entries.set(kind, ofKind)
    }
    const before = ofKind.get(key)
    if (before !== undefined) digest -= entryDigest(kind, key, before.revision)
    if (definition === null) {
      ofKind.delete(key)
    } else {
      ofKind.set(key, { revision, definition })
      digest += entryDigest(kind, key, revision)
    }
  }
  for (const [kind, ofKind] of copied) if (ofKind.size === 0) entries.delete(kind)
  digest = modulo32(digest)
  if (digest !== delta.digest) return { refused: 'digest' }
  const next = { ...state, revision: delta.revision, digest, entries }
  return copied.has('kill') ? settled(next, state) : next
}

/** Sums of many digests stay exact: 10 million entries are below 2^53. */
function modulo32(sum: number): number {
  return ((sum % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000
}

function isDelta(delta: unknown): delta is Delta {
  return (
    isObject(delta) &&
    isCount(delta.epoch) &&
    isCount(delta.base) &&
    isCount(delta.revision) &&
    delta.revision > delta.base &&
    isCount(delta.digest) &&
    Array.isArray(delta.entries) &&
    delta.entries.every(isDeltaEntry, delta)
  )
}

function isDeltaEntry(this: { readonly [key: string]: unknown }, entry: unknown): boolean {
  return (
    isObject(entry) &&
    typeof entry.kind === 'string' &&
    typeof entry.key === 'string' &&
    isCount(entry.revision) &&
    entry.revision > (this.base as number) &&
    entry.revision <= (this.revision as number) &&
    entry.definition !== undefined
  )
}

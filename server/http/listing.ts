/** Lists: sorted keys, filtered, cut into pages by an opaque cursor. Sorting is kept for as long as a state stands. */
import type { Entry } from '@halyard/sdk/core'
import { Problem } from '../domain/problem.ts'
import { countLeading } from '../domain/sorted.ts'

export type Page<Item> = { readonly items: readonly Item[]; readonly cursor: string | null }

const PAGE = 100

export type PageQuery = { readonly limit?: number | undefined; readonly cursor?: string | undefined }

const sorted = new WeakMap<ReadonlyMap<string, Entry>, readonly string[]>()

/** The keys of a kind's entries in code unit order. */
export function sortedKeys(entries: ReadonlyMap<string, Entry> | undefined): readonly string[] {
  if (entries === undefined) return []
  const known = sorted.get(entries)
  if (known !== undefined) return known
  const keys = [...entries.keys()].sort()
  sorted.set(entries, keys)
  return keys
}

/**
 * One page of sorted keys.
 * @param keys in code unit order
 * @param show the item of a key, or undefined where it is filtered out
 */
export function pageOf<Item>(
  keys: readonly string[],
  { limit = PAGE, cursor }: PageQuery,
  show: (key: string) => Item | undefined,
): Page<Item> {
  const items: Item[] = []
  let last: string | undefined
  const after = cursor === undefined ? undefined : readCursor(cursor)
  const first = after === undefined ? 0 : countLeading(keys, (key) => key <= after)
  for (let at = first; at < keys.length; at++) {
    const key = keys[at] as string
    const item = show(key)
    if (item === undefined) continue
    if (items.length === limit) return { items, cursor: makeCursor(last ?? '') }
    items.push(item)
    last = key
  }
  return { items, cursor: null }
}

export function makeCursor(after: string): string {
  return Buffer.from(`1:${after}`).toString('base64url')
}

/** @throws Problem `invalid-request` for what no page has answered */
export function readCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8')
  if (text.startsWith('1:') && makeCursor(text.slice(2)) === cursor) return text.slice(2)
  throw new Problem(
    'invalid-request',
    'The query parameter cursor: give back the cursor of the page before, as it was answered.',
    { errors: [{ pointer: '', message: 'The cursor is none that a page has answered.' }] },
  )
}

/** Chooses fields of an item: its key, and those named. */
export function chooseFields(
  fields: string | undefined,
  identifier: 'key' | 'id' | 'revision' = 'key',
): (item: object) => object {
  if (fields === undefined) return (item) => item
  const chosen = new Set(fields.split(',').map((field) => field.trim()))
  chosen.add(identifier)
  return (item) => Object.fromEntries(Object.entries(item).filter(([field]) => chosen.has(field)))
}

/** Does any of the texts hold what is searched for? Case is ignored. */
export function searchFor(query: string | undefined): (...texts: readonly string[]) => boolean {
  if (query === undefined) return () => true
  const wanted = query.toLowerCase()
  return (...texts) => texts.some((text) => text.toLowerCase().includes(wanted))
}

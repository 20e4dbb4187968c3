/**
 * JSON text in pieces, for answers of tens of megabytes: they go out as they are made, and between two pieces it is
 * others' turn.
 */
import { setImmediate } from 'node:timers/promises'

/** A body that is sent as it comes. */
export type Pieces = AsyncIterable<string>

/** Characters that are made at a stretch, some milliseconds. */
const PIECE = 256 * 1024

export async function* inPieces(texts: Iterable<string>): Pieces {
  let piece = ''
  for (const text of texts) {
    piece += text
    if (piece.length < PIECE) continue
    yield piece
    piece = ''
    await setImmediate()
  }
  yield piece
}

export const isPieces = (body: object): body is Pieces => Symbol.asyncIterator in body

/** The text of a value, made when it is its turn. */
export function* textOf(value: unknown): Iterable<string> {
  yield JSON.stringify(value)
}

/** The text of an object, from its fields and their texts. */
export function* objectText(
  fields: Iterable<readonly [name: string, text: Iterable<string>]>,
): Iterable<string> {
  let before = '{'
  for (const [name, text] of fields) {
    yield `${before}${JSON.stringify(name)}:`
    yield* text
    before = ','
  }
  yield before === '{' ? '{}' : '}'
}

/** The text of a list, from lists that follow one another. */
export function* listText(lists: Iterable<readonly unknown[]>): Iterable<string> {
  let before = '['
  for (const list of lists) {
    if (list.length === 0) continue
    yield before + JSON.stringify(list).slice(1, -1)
    before = ','
  }
  yield before === '[' ? '[]' : ']'
}

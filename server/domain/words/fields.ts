/**
 * A document's change told field by field, from a table: what the table does not know, or finds broken, is named and
 * no more, so that no change goes unsaid and no value is shown that nobody chose to show.
 */
import { sameJson } from '../diff.ts'
import { type Fields, fieldOf, isObject } from '../reading.ts'
import { listed, named } from './phrases.ts'

/** What to say of one field that changed, given both documents; nothing where there are no words for it. */
export type Say = (
  before: unknown,
  after: unknown,
  documents: { readonly before: Fields; readonly after: Fields },
) => readonly string[] | string | undefined

/** How the documents of a kind are told. */
export type Telling = {
  /** What each sentence begins with, where the document's key says nothing to people. */
  readonly subject?: (document: unknown) => string
  readonly created: (document: unknown) => string
  readonly deleted: (document: unknown) => string
  /** In the order in which they are told. */
  readonly fields: { readonly [field: string]: Say }
}

/** Nothing where there are no words for what changed. */
export function told(before: unknown, after: unknown, telling: Telling): readonly string[] {
  const { subject } = telling
  const said = changeInSentences(before, after, telling)
  return subject === undefined ? said : said.map((words) => `${subject(after ?? before)} ${words}`)
}

function changeInSentences(
  before: unknown,
  after: unknown,
  { created, deleted, fields }: Telling,
): readonly string[] {
  if (before === null) return [created(after)]
  if (after === null) return [deleted(before)]
  return isObject(before) && isObject(after) ? fieldsInWords(before, after, fields) : []
}

/** @param where what else than the document has these fields, for sentences that name a field alone */
export function fieldsInWords(
  before: Fields,
  after: Fields,
  fields: Telling['fields'],
  where = '',
): readonly string[] {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => !sameJson(fieldOf(before, name), fieldOf(after, name)),
  )
  const said = Object.entries(fields).flatMap(([name, say]) => {
    if (!changed.includes(name)) return []
    const words = say(fieldOf(before, name), fieldOf(after, name), { before, after }) ?? []
    return words.length === 0 ? `${name} changed${where}` : words
  })
  const others = changed.filter((name) => !Object.hasOwn(fields, name)).sort()
  return others.length === 0 ? said : [...said, `${listed(others.map(named))} changed${where}`]
}

/**
 * What a change says in words: of one document, and of all that a commit wrote. Plain sentences for whoever is on
 * call. Any JSON is taken, and what there are no words for is called changed.
 */
import type { Json } from '@halyard/sdk/core'
import { sameJson } from '../diff.ts'
import { segmentOfChunk } from '../member-chunks.ts'
import { EPOCH } from './epochs.ts'
import { type Telling, told } from './fields.ts'
import { FLAG, KILL } from './flags.ts'
import { IDENTITY } from './identities.ts'
import { API_KEY, SDK_KEY } from './keys.ts'
import { firstOf, named, shortened } from './phrases.ts'
import { ENVIRONMENT, PROJECT } from './places.ts'
import { membersInWords, SEGMENT } from './segments.ts'

const MOST_SENTENCES = 30
const MOST_LINES = 50
const LONGEST_SENTENCE = 1_000

/** A document before and after a commit; null: there is none. */
export type DocumentChange = {
  readonly kind: string
  readonly key: string
  readonly before: Json | null
  readonly after: Json | null
}

const TELLINGS: ReadonlyMap<string, Telling> = new Map([
  ['flag', FLAG],
  ['kill', KILL],
  ['segment', SEGMENT],
  ['identity', IDENTITY],
  ['environment', ENVIRONMENT],
  ['project', PROJECT],
  ['sdk-key', SDK_KEY],
  ['api-key', API_KEY],
  ['epoch', EPOCH],
])
const OTHERS: Telling = { created: () => 'created', deleted: () => 'deleted', fields: {} }

/** What people call a document of that kind, before its key; '' where each sentence names it. */
const NOUNS: ReadonlyMap<string, string> = new Map([
  ['kill', 'flag'],
  ['identity', 'flag'],
  ['members', 'segment'],
  ['sdk-key', ''],
  ['api-key', ''],
  ['epoch', ''],
])

/**
 * What became of one document, a sentence each without its stop: `enabled`, `raised on from 10 % to 25 % in rule r2`.
 * Nothing where both are equal; 30 sentences at most. Nothing that is secret is ever told.
 */
export function wordsOf(kind: string, before: Json | null, after: Json | null): readonly string[] {
  if (sameJson(before, after)) return []
  const words =
    kind === 'members'
      ? membersInWords([{ before, after }])
      : told(before, after, TELLINGS.get(kind) ?? OTHERS)
  const sentences = words.length === 0 ? ['changed'] : words.map((one) => shortened(one, LONGEST_SENTENCE))
  return firstOf(sentences, MOST_SENTENCES)
}

/** What is told together: one document, or all chunks of one segment's members, whose key is the segment's. */
export type Subject<Document = DocumentChange> = {
  readonly kind: string
  readonly key: string
  readonly documents: readonly Document[]
}

/** The chunks of a segment's members become one subject, where the first of them stands. */
export function subjectsOf<Document extends Pick<DocumentChange, 'kind' | 'key'>>(
  documents: readonly Document[],
): readonly Subject<Document>[] {
  const members = new Map<string, Document[]>()
  return documents.flatMap((document): readonly Subject<Document>[] => {
    const { kind, key } = document
    if (kind !== 'members') return [{ kind, key, documents: [document] }]
    const segment = segmentOfChunk(key)
    const chunks = members.get(segment)
    chunks?.push(document)
    if (chunks !== undefined) return []
    const all = [document]
    members.set(segment, all)
    return [{ kind, key: segment, documents: all }]
  })
}

/**
 * What a commit did, a line each. Lines name their document where there are several; the chunks of one segment's
 * members are one. More than `most` lines are counted in the last.
 */
export function summaryOf(documents: readonly DocumentChange[], most = MOST_LINES): readonly string[] {
  const told = new Map<string, string[]>()
  for (const subject of subjectsOf(documents)) {
    const words = wordsOfSubject(subject)
    if (words.length === 0) continue
    const name = nameOf(subject)
    const known = told.get(name)
    if (known === undefined) told.set(name, [...words])
    else known.push(...words)
  }
  const lines = [...told].flatMap(([name, words]) =>
    told.size === 1 ? words : words.map((one) => name + one),
  )
  return firstOf(lines, most)
}

const wordsOfSubject = ({ kind, documents }: Subject): readonly string[] =>
  kind === 'members'
    ? membersInWords(documents)
    : documents.flatMap(({ before, after }) => wordsOf(kind, before, after))

function nameOf({ kind, key }: Subject): string {
  const noun = NOUNS.get(kind) ?? kind
  return noun === '' ? '' : `${named(noun)} ${named(key)}: `
}

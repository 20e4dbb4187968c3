/**
 * What a change says in words: of one document, and of all that a commit wrote. Plain sentences for whoever is on
 * call. Any JSON is taken, and what there are no words for is called changed.
 */
import type { Json } from '@halyard/sdk/core'
import { sameJson } from '../diff.ts'
import { type Telling, told } from './fields.ts'
import { FLAG, KILL } from './flags.ts'
import { IDENTITY } from './identities.ts'
import { API_KEY, SDK_KEY } from './keys.ts'
import { firstOf, named, shortened } from './phrases.ts'
import { ENVIRONMENT, PROJECT } from './places.ts'
import { membersInWords, SEGMENT, segmentOfChunk } from './segments.ts'

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
])
const OTHERS: Telling = { created: () => 'created', deleted: () => 'deleted', fields: {} }

/** What people call a document of that kind, before its key; '' where each sentence names it. */
const NOUNS: ReadonlyMap<string, string> = new Map([
  ['kill', 'flag'],
  ['identity', 'flag'],
  ['members', 'segment'],
  ['sdk-key', ''],
  ['api-key', ''],
])

/**
 * What became of one document, a sentence each without its stop: `enabled`, `raised on from 10 % to 25 % in rule r2`.
 * Nothing where both are equal; 30 sentences at most. Nothing that is secret is ever told.
 */
export function wordsOf(
  kind: string,
  _key: string,
  before: Json | null,
  after: Json | null,
): readonly string[] {
  if (sameJson(before, after)) return []
  const words =
    kind === 'members'
      ? membersInWords([{ before, after }])
      : told(before, after, TELLINGS.get(kind) ?? OTHERS)
  const sentences = words.length === 0 ? ['changed'] : words.map((one) => shortened(one, LONGEST_SENTENCE))
  return firstOf(sentences, MOST_SENTENCES)
}

/**
 * What a commit did, a line each. Lines name their document where there are several; the chunks of one segment's
 * members are one. More than `most` lines are counted in the last.
 */
export function summaryOf(documents: readonly DocumentChange[], most = MOST_LINES): readonly string[] {
  const subjects = new Map<string, string[]>()
  for (const { kind, key, words } of withMembersFolded(documents)) {
    const noun = NOUNS.get(kind) ?? kind
    const subject = noun === '' ? '' : `${named(noun)} ${named(key)}: `
    const known = subjects.get(subject)
    if (known === undefined) subjects.set(subject, [...words])
    else known.push(...words)
  }
  const lines = [...subjects].flatMap(([subject, words]) =>
    subjects.size === 1 ? words : words.map((one) => subject + one),
  )
  return firstOf(lines, most)
}

type Told = { readonly kind: string; readonly key: string; readonly words: readonly string[] }

/** All chunks of one segment are told where the first of them stands. */
function withMembersFolded(documents: readonly DocumentChange[]): readonly Told[] {
  const chunks = new Map<string, DocumentChange[]>()
  for (const document of documents) {
    if (document.kind !== 'members') continue
    const known = chunks.get(segmentOfChunk(document.key))
    if (known === undefined) chunks.set(segmentOfChunk(document.key), [document])
    else known.push(document)
  }
  return documents.flatMap((document): readonly Told[] => {
    const { kind, key, before, after } = document
    if (kind !== 'members') return toldOf(kind, key, wordsOf(kind, key, before, after))
    const segment = segmentOfChunk(key)
    const all = chunks.get(segment) as readonly DocumentChange[]
    return all[0] === document ? toldOf(kind, segment, membersInWords(all)) : []
  })
}

const toldOf = (kind: string, key: string, words: readonly string[]): readonly Told[] =>
  words.length === 0 ? [] : [{ kind, key, words }]

/**
 * Change records as the management API shows them: what they did in words, line by line, and at most before and after.
 * Nothing is shown that its own GET would not: no digests of keys, no ids of logs, no configurations put away.
 */
import type { Json } from '@halyard/sdk/core'
import { boundedDiffOf } from '../domain/diff.ts'
import { asJson } from '../domain/documents.ts'
import { fieldOf } from '../domain/reading.ts'
import { type DocumentChange, type Subject, subjectsOf, summaryOf } from '../domain/words/changes.ts'
import type { Held } from '../live/live.ts'
import type { ChangedDocument, DocumentVersion, RecordedChange } from '../store/store.ts'
import { SHOWN } from './shown.ts'
import { memberChangeOf } from './shown-members.ts'

/** How much of each document is shown. */
export type Extent = {
  readonly lines: number
  /** Of members who came or went. */
  readonly names: number
  /** The document itself, before and after. */
  readonly whole: boolean
}

export type Showing = {
  /** The log, for what stands beside a document. */
  readonly held: Held
  /** The key of an environment by the id of its log; undefined where it is gone. */
  readonly environmentKey: (id: string) => string | undefined
  readonly extent: Extent
}

/** A record without its documents. */
export function showRecord(record: RecordedChange) {
  const { revision, epoch, change, action, actor, comment, at, hash, previousHash } = record
  return {
    revision,
    epoch,
    change,
    action,
    actor,
    comment,
    at: new Date(at).toISOString(),
    hash,
    previousHash,
  }
}

/** A record with these of its documents. */
export function showChange(record: RecordedChange, documents: readonly ChangedDocument[], showing: Showing) {
  const subjects = subjectsOf(documents)
  const { documentsLeftOff: leftOff } = record
  const more = leftOff === 0 ? [] : [`${leftOff} ${leftOff === 1 ? 'document' : 'documents'} more changed`]
  return {
    ...showRecord(record),
    summary: [...summaryOf(subjects.flatMap(toldOf)), ...subjects.flatMap(untoldOf), ...more],
    ...(leftOff > 0 && { documentsLeftOff: leftOff }),
    documents: subjects.map((subject) => showSubject(subject, showing)),
  }
}

type Changed = Subject<ChangedDocument>

/** What is known of a part only is not told. */
function knownOf({ documents }: Changed): 'kept' | 'dropped' | 'left-off' {
  const all = documents.flatMap(({ before, after }) => [before.is, after.is])
  return all.includes('left-off') ? 'left-off' : all.includes('dropped') ? 'dropped' : 'kept'
}

const definitionIn = (version: DocumentVersion): Json | null =>
  version.is === 'kept' ? version.definition : null

function toldOf(subject: Changed): readonly DocumentChange[] {
  return knownOf(subject) === 'kept' ? subject.documents.map(changeOf) : []
}

const changeOf = ({ kind, key, before, after }: ChangedDocument): DocumentChange => ({
  kind,
  key,
  before: definitionIn(before),
  after: definitionIn(after),
})

const NOUNS: Readonly<Record<string, string>> = {
  members: 'members of segment',
  kill: 'kill of flag',
  identity: 'flag',
}

function untoldOf(subject: Changed): readonly string[] {
  const known = knownOf(subject)
  if (known === 'kept') return []
  const why = known === 'dropped' ? 'its texts were not kept' : 'too large to be told here'
  return [`${NOUNS[subject.kind] ?? subject.kind} ${subject.key}: changed, ${why}`]
}

function showSubject(subject: Changed, showing: Showing): object {
  const { kind, key, documents } = subject
  const known = knownOf(subject)
  const redacted = documents.some(({ before, after }) => isRedacted(before) || isRedacted(after))
  return {
    kind,
    key,
    summary: summaryOf(toldOf(subject)),
    ...(known === 'kept' && contentOf(subject, showing)),
    ...(redacted && { redacted }),
    ...(known === 'dropped' && { dropped: true }),
    ...(known === 'left-off' && { tooLarge: true }),
  }
}

const isRedacted = (version: DocumentVersion): boolean => version.is === 'kept' && version.redacted

function contentOf({ kind, documents }: Changed, showing: Showing): object {
  const { lines, names, whole } = showing.extent
  const changes = documents.map(changeOf)
  if (kind === 'members') return { members: memberChangeOf(changes, names) }
  const [change] = changes
  if (change === undefined) return {}
  const before = shownDefinition(change, change.before, showing)
  const after = shownDefinition(change, change.after, showing)
  const { lines: diff, leftOff } = boundedDiffOf(before, after, lines)
  return { diff, ...(leftOff > 0 && { leftOff }), ...(whole && { before, after }) }
}

/** A document as its GET shows it; null for none, and for a kind that nothing shows. */
function shownDefinition(
  { kind, key }: DocumentChange,
  definition: Json | null,
  { held, environmentKey }: Showing,
): Json | null {
  const show = SHOWN[kind]
  if (definition === null || show === undefined) return null
  // A deleted flag leaves its key behind, which no GET shows.
  if (kind === 'identity' && fieldOf(definition, 'deleted') === true) return null
  if (kind !== 'sdk-key') return asJson(show(key, definition, held))
  const environment = environmentKey(String(fieldOf(definition, 'environment')))
  return asJson({ ...show(key, definition, held), ...(environment !== undefined && { environment }) })
}

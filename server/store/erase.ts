/**
 * Erasing a person: out of current documents by an edit, and out of every old version by a redaction that the log
 * records, so that the chain stays whole. The identifier is searched for here and never sent to the database, whose own
 * log might keep it. Cut short, it is finished by running it again.
 */
import type { Json } from '@halyard/sdk/core'
import { sql } from 'drizzle-orm'
import { canonical } from '../domain/canonical.ts'
import type { Actor, EntryEdit } from '../domain/change.ts'
import {
  mentions,
  type Person,
  redacted,
  type StandIn,
  standInsFrom,
  withoutPerson,
} from '../domain/erasure.ts'
import { noticeText } from '../domain/notice.ts'
import { Problem } from '../domain/problem.ts'
import { type Redaction, sha256 } from './chain.ts'
import { type Database, type Db, statement, value } from './database.ts'
import { lockAnyLog, readStates } from './locking.ts'
import { planRecord } from './plan.ts'
import { definitionOf } from './read.ts'
import { type LogRow, readLogRows, readRecords } from './verify-reads.ts'
import { write } from './write.ts'

export type EraseRequest = {
  readonly person: Person
  readonly comment: string
  readonly only: (log: LogRow) => boolean
  /** Counts, and changes nothing. */
  readonly dryRun: boolean
  readonly actor: Actor
  /** Epoch milliseconds. */
  readonly now: number
  readonly mint: () => string
  readonly onLog: (log: LogRow, erased: Erased) => void
  /** Where the identifier stands in a text that is no list of units, and so stays. */
  readonly onMention: (log: LogRow, revision: number, where: string) => void
}

/** Documents that were changed by an edit, and old versions that were redacted. */
export type Erased = { readonly current: number; readonly versions: number }

/** Kinds that hold people: as units, or in the configurations that they keep. */
const KINDS = ['flag', 'identity', 'members', 'segment'] as const
const MOST_VERSIONS = 1_000
const MOST_BYTES = 4 * 1024 * 1024

const LOG = value('log', 'text')

type Version = { readonly kind: string; readonly key: string; readonly revision: number }
type TextRow = Version & { readonly text: string; readonly replaced: boolean }

const nextTexts = statement<TextRow>(
  'halyard_erase_texts',
  sql`SELECT kind, key, revision::float8, text, replaced FROM (
        SELECT *, sum(octet_length(text)) OVER (ORDER BY kind, key, revision) - octet_length(text) AS ahead FROM (
          SELECT kind, key, revision, text, superseded_at_revision IS NOT NULL AS replaced FROM halyard.entries
          WHERE log_id = ${LOG} AND text IS NOT NULL
            AND (kind, key, revision) > (${value('kind', 'text')}, ${value('key', 'text')}, ${value('revision', 'bigint')})
          ORDER BY kind, key, revision LIMIT ${MOST_VERSIONS}
        ) AS next
      ) AS page WHERE ahead < ${MOST_BYTES} ORDER BY kind, key, revision`,
)

const redactTexts = statement<{ readonly revision: string }>(
  'halyard_erase_redact',
  sql`UPDATE halyard.entries e SET text = t.text, redacted_digest = t.digest, redacted_at_revision = ${value('by', 'bigint')}
      FROM unnest(${value('kinds', 'text[]')}, ${value('keys', 'text[]')}, ${value('revisions', 'bigint[]')},
        ${value('texts', 'text[]')}, ${value('digests', 'text[]')}) AS t (kind, key, revision, text, digest)
      WHERE e.log_id = ${LOG} AND e.kind = t.kind AND e.key = t.key AND e.revision = t.revision
        AND e.text IS NOT NULL AND e.superseded_at_revision IS NOT NULL
      RETURNING e.revision`,
)

// A digest of a request that named the person could be guessed at, and its key may even name them.
const forgetRequests = statement(
  'halyard_erase_requests',
  sql`UPDATE halyard.changes SET idempotency_key = NULL, request_digest = NULL, locked = NULL
      WHERE log_id = ${LOG} AND idempotency_key IS NOT NULL`,
)

type Redacted = Version & { readonly text: string }

/** By log and document: no two of them are to be told to be of the same person. */
type StandIns = (log: LogRow, kind: string, key: string) => StandIn
function standInsOf(mint: () => string): StandIns {
  const known = new Map<string, StandIn>()
  return (log, kind, key) => {
    const name = `${log.id} ${kind}/${key}`
    const made = known.get(name) ?? standInsFrom(mint)
    return (unit) => {
      known.set(name, made)
      return made(unit)
    }
  }
}

/** An erasing as it runs. */
type Erasing = EraseRequest & { readonly standIns: StandIns }

/**
 * Erases a person from the logs that are meant, closed ones too. It needs the rights of the schema's owner.
 * @throws Problem `unavailable` where the database fails, or a compaction runs at the same time
 */
export async function erase(database: Database, asked: EraseRequest): Promise<Erased> {
  const request: Erasing = { ...asked, standIns: standInsOf(asked.mint) }
  const logs = (await database.survey((db) => readLogRows(db, {}))).filter(request.only)
  let [current, versions] = [0, 0]
  for (const log of logs) {
    const found = await eraseFrom(database, log, request)
    await findMentions(database, log, request)
    request.onLog(log, found)
    current += found.current
    versions += found.versions
  }
  return { current, versions }
}

async function eraseFrom(database: Database, log: LogRow, request: Erasing): Promise<Erased> {
  const keep = !request.dryRun
  // The edit first: after it, only versions that were replaced hold the person.
  const current = await database.transact('migration', async (db) => {
    const edited = await eraseCurrent(db, log, request)
    if (keep) await forgetRequests(db, { log: log.id })
    return { keep, value: edited }
  })
  let versions = current
  for (let place: Version | undefined = { kind: '', key: '', revision: 0 }; place !== undefined; ) {
    const after: Version = place
    place = await database.transact('migration', async (db) => {
      const page = await nextTexts(db, { log: log.id, ...after })
      const found = page.flatMap((row) => {
        const text = row.replaced ? redactedText(log, row, request) : undefined
        return text === undefined ? [] : [{ kind: row.kind, key: row.key, revision: row.revision, text }]
      })
      if (keep && found.length > 0) await record(db, log, [], found, request)
      versions += found.length
      return { keep: keep && found.length > 0, value: page.at(-1) }
    })
  }
  return { current, versions }
}

/** Takes the person out of the current documents; the versions that this replaces are redacted with it. */
async function eraseCurrent(db: Db, log: LogRow, request: Erasing): Promise<number> {
  const { person, standIns } = request
  const row = await lockAnyLog(db, log.id)
  const state = (await readStates(db, [row], () => undefined))(row)
  const edits: EntryEdit[] = []
  const replaced: Redacted[] = []
  for (const kind of KINDS) {
    for (const [key, { revision, definition }] of state.entries.get(kind) ?? []) {
      const standIn = standIns(log, kind, key)
      const next = withoutPerson(definition, person, standIn)
      if (next === definition) continue
      edits.push({ kind, key, definition: isEmptyChunk(kind, next) ? null : next })
      replaced.push({ kind, key, revision, text: canonical(redacted(definition, person, standIn)) })
    }
  }
  if (edits.length > 0 && !request.dryRun) await record(db, log, edits, replaced, request)
  return edits.length
}

/** A chunk without members is no entry at all. */
const isEmptyChunk = (kind: string, definition: Json): boolean =>
  kind === 'members' &&
  Object.values(definition as object).every((list) => Array.isArray(list) && list.length === 0)

/** undefined where the person is not in it. */
function redactedText(
  log: LogRow,
  { kind, key, text }: TextRow,
  { person, standIns }: Erasing,
): string | undefined {
  if (!KINDS.some((one) => one === kind)) return undefined
  const definition = definitionOf(text)
  const next = redacted(definition, person, standIns(log, kind, key))
  return next === definition ? undefined : canonical(next)
}

/** One revision: its edits, its redactions, and the list of them. */
async function record(
  db: Db,
  log: LogRow,
  edits: readonly EntryEdit[],
  versions: readonly Redacted[],
  { actor, comment, now, mint }: Erasing,
): Promise<void> {
  const row = await lockAnyLog(db, log.id)
  const state =
    edits.length > 0
      ? (await readStates(db, [row], () => undefined))(row)
      : { epoch: row.epoch, revision: row.revision, digest: row.digest, entries: new Map() }
  const sorted = [...versions].sort(byPlace)
  const digests = sorted.map(({ text }) => sha256(text))
  const redactions = sorted.map(
    ({ kind, key, revision }, index): Redaction => [kind, key, revision, digests[index] ?? ''],
  )
  const at = Math.max(now, row.changedAt)
  const signature = { change: mint(), at, actor, action: 'history.erase', comment }
  const base = { log: log.id, state, headHash: row.headHash, bytes: row.bytes }
  const plan = planRecord(base, edits, signature, { redactions })
  const { epoch, revision, digest } = plan.delta
  await write(db, {
    at,
    writes: [{ signature, plans: [plan], openings: [] }],
    heads: [{ log: log.id, epoch, revision, headHash: plan.hash, bytes: plan.bytes, digest, closes: false }],
    notice: (notice) => noticeText(notice, 'history.erase'),
  })
  const done = await redactTexts(db, {
    log: log.id,
    by: revision,
    kinds: sorted.map(({ kind }) => kind),
    keys: sorted.map(({ key }) => key),
    revisions: sorted.map((version) => version.revision),
    texts: sorted.map(({ text }) => text),
    digests,
  })
  if (done.length !== sorted.length) {
    throw new Problem('unavailable', 'A compaction dropped texts at the same time: run this again after it.')
  }
}

function byPlace(a: Version, b: Version): number {
  if (a.kind !== b.kind) return a.kind < b.kind ? -1 : 1
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  return a.revision - b.revision
}

/** Descriptions, comments and names are not units: what they say of the person is told, for people to judge. */
async function findMentions(database: Database, log: LogRow, request: Erasing): Promise<void> {
  const { person, onMention, dryRun } = request
  for (let place: Version | undefined = { kind: '', key: '', revision: 0 }; place !== undefined; ) {
    const after: Version = place
    const page = await database.survey((db) => nextTexts(db, { log: log.id, ...after }))
    for (const row of page) {
      const text = dryRun ? (redactedText(log, row, request) ?? row.text) : row.text
      if (mentions(text, person)) onMention(log, row.revision, `${row.kind}/${row.key}`)
    }
    place = page.at(-1)
  }
  for (let after: number | undefined = 0; after !== undefined; ) {
    const from: number = after
    const page = await database.survey((db) => readRecords(db, { log: log.id, after: from }))
    for (const { revision, comment, actorName } of page) {
      if (mentions(comment ?? '', person)) onMention(log, revision, 'the comment of its record')
      if (mentions(actorName, person)) onMention(log, revision, 'the actor of its record')
    }
    after = page.at(-1)?.revision
  }
}

/**
 * Writes records into one log by bulk inserts, chained and headed as commits leave them. It keeps the current text of
 * each document, and nothing of older ones.
 */
import { entryDigest } from '@halyard/sdk/core'
import type pg from 'pg'
import { canonical } from '../../../server/domain/canonical.ts'
import { type DocumentDigest, recordHash, sha256 } from '../../../server/store/chain.ts'

export type Version = { readonly kind: string; readonly key: string; readonly text: string }
export type Entry = {
  /** Epoch milliseconds; the time of the record before where that is later. */
  readonly at: number
  readonly action: string
  /** Each other than it was. */
  readonly versions: readonly Version[]
}
type Head = { readonly epoch: number; readonly revision: number; readonly hash: string }

export type Chronicle = {
  add(entry: Entry): Promise<void>
  /** Writes what is left, and the log's head. */
  finish(): Promise<Head>
}

/** Records sent at once. */
const CHUNK = 2_000
const ACTORS = ['Ann', 'Ben', 'Chris', 'Dana', 'Eve']

export async function openLog(
  client: pg.Client,
  log: {
    readonly id: string
    readonly parent: string
    readonly kind: 'project' | 'environment'
    readonly project: string
    readonly environment: string
    readonly at: number
  },
): Promise<void> {
  const { id, parent, kind, project, environment, at } = log
  await client.query(
    `INSERT INTO halyard.logs (id, parent_id, kind, project, environment, epoch, revision, head_hash, bytes, digest, opened_at)
     VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, 0, $7)`,
    [id, parent, kind, project, environment, Math.floor(at / 1000), new Date(at).toISOString()],
  )
}

/** Locks the log; it is written from its head on. Documents that it has already must not be written again. */
export async function chronicleOf(client: pg.Client, log: string): Promise<Chronicle> {
  const { rows } = await client.query<
    Record<'epoch' | 'revision' | 'hash' | 'bytes' | 'digest' | 'at', string>
  >(
    `SELECT epoch, revision, head_hash AS hash, bytes, digest,
       coalesce(extract(epoch FROM changed_at) * 1000, 0)::bigint AS at
     FROM halyard.logs WHERE id = $1 FOR NO KEY UPDATE`,
    [log],
  )
  const [row] = rows
  if (row === undefined) throw new Error(`There is no log ${log}`)
  const epoch = Number(row.epoch)
  let revision = Number(row.revision)
  let { hash } = row
  let bytes = Number(row.bytes)
  let digest = Number(row.digest)
  let changedAt = Number(row.at)
  const current = new Map<string, Version & { readonly revision: number; readonly digest: string }>()
  let records: (readonly unknown[])[] = []
  let entries: (readonly unknown[])[] = []
  let sent: Promise<unknown> = Promise.resolve()

  const send = async () => {
    // The next chunk is made while this one is written.
    await sent
    const [someRecords, someEntries] = [records, entries]
    records = []
    entries = []
    sent = Promise.all([insert(client, RECORDS, someRecords), insert(client, ENTRIES, someEntries)])
    sent.catch(() => {})
  }
  return {
    async add({ at, action, versions: given }) {
      const versions = [...given].sort(byKindAndKey)
      revision += 1
      changedAt = Math.max(changedAt, at)
      for (const version of versions) {
        const name = `${version.kind}/${version.key}`
        const before = current.get(name)
        if (before !== undefined) {
          entries.push([log, before.kind, before.key, before.revision, revision, before.text, before.digest])
          bytes -= Buffer.byteLength(before.text)
          digest -= entryDigest(before.kind, before.key, before.revision)
        }
        current.set(name, { ...version, revision, digest: sha256(version.text) })
        bytes += Buffer.byteLength(version.text)
        digest = (digest + entryDigest(version.kind, version.key, revision)) >>> 0
      }
      const documents = versions.map(
        ({ kind, key }): DocumentDigest => [kind, key, current.get(`${kind}/${key}`)?.digest ?? null],
      )
      const name = ACTORS[revision % ACTORS.length] ?? ''
      const record = {
        log,
        epoch,
        revision,
        change: sha256(log).slice(0, 10) + revision.toString(36).padStart(10, '0'),
        actor: { kind: 'api-key', id: name.toLowerCase(), name },
        action,
        comment: revision % 10 === 0 ? `OPS-${revision}` : null,
        at: new Date(changedAt).toISOString(),
        documents,
        previous: hash,
      } as const
      hash = recordHash(record)
      const { change, actor, comment, previous } = record
      records.push([
        log,
        revision,
        epoch,
        change,
        actor.kind,
        actor.id,
        actor.name,
        action,
        comment,
        record.at,
        canonical(documents),
        previous,
        hash,
      ])
      if (records.length >= CHUNK) await send()
    },
    async finish() {
      for (const { kind, key, revision: written, text, digest: of } of current.values()) {
        entries.push([log, kind, key, written, null, text, of])
      }
      await send()
      await sent
      await client.query(
        `UPDATE halyard.logs SET revision = $2, head_hash = $3, bytes = $4, digest = $5, changed_at = $6 WHERE id = $1`,
        [log, revision, hash, bytes, digest, new Date(changedAt).toISOString()],
      )
      return { epoch, revision, hash }
    },
  }
}

const RECORDS = {
  table:
    'changes (log_id, revision, epoch, change_id, actor_kind, actor_id, actor_name, action, comment, at, documents, previous_hash, hash)',
  types: [
    'text',
    'bigint',
    'bigint',
    'text',
    'text',
    'text',
    'text',
    'text',
    'text',
    'timestamptz',
    'text',
    'text',
    'text',
  ],
}
const ENTRIES = {
  table: 'entries (log_id, kind, key, revision, superseded_at_revision, text, digest)',
  types: ['text', 'text', 'text', 'bigint', 'bigint', 'text', 'text'],
}

async function insert(
  client: pg.Client,
  { table, types }: typeof RECORDS,
  rows: readonly (readonly unknown[])[],
) {
  const columns = types.map((type, index) => `$${index + 1}::${type}[]`)
  await client.query(
    `INSERT INTO halyard.${table} SELECT * FROM unnest(${columns.join(', ')})`,
    types.map((_, index) => rows.map((row) => row[index])),
  )
}

function byKindAndKey(a: Version, b: Version): number {
  if (a.kind !== b.kind) return a.kind < b.kind ? -1 : 1
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

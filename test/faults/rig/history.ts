/**
 * The environment's history, read straight from the tables with SQL, past the service: which change wrote which
 * version of which document. A restored database has another history; both are kept, by epoch.
 */
import type { Json } from '@halyard/sdk/core'
import pg from 'pg'
import type { Position } from './apps.ts'
import type { Find } from './reference.ts'

export type ChangeRecord = {
  readonly epoch: number
  readonly revision: number
  readonly action: string
  readonly idempotencyKey: string | null
}

export type History = {
  readonly head: Position
  readonly records: readonly ChangeRecord[]
  /** The documents as of a revision; undefined where this history never was at that epoch and revision. */
  readonly at: (position: Position) => Find | undefined
  /** The same for a revision alone, where the answer does not say the epoch. */
  readonly epochOf: (revision: number) => number | undefined
}

type Version = { readonly revision: number; readonly definition: Json | undefined }

/** @param url of the database, past any proxy */
export async function readHistory(
  url: string,
  project = 'default',
  environment = 'development',
): Promise<History> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const logs = await client.query(
      `SELECT id, epoch::float8 AS epoch, revision::float8 AS revision FROM halyard.logs
       WHERE kind = 'environment' AND project = $1 AND environment = $2 AND closed_at IS NULL`,
      [project, environment],
    )
    const [log] = logs.rows as { id: string; epoch: number; revision: number }[]
    if (log === undefined) throw new Error(`there is no ${project}/${environment}`)
    const records = await client.query(
      `SELECT epoch::float8 AS epoch, revision::float8 AS revision, action, idempotency_key AS "idempotencyKey"
       FROM halyard.changes WHERE log_id = $1 ORDER BY revision`,
      [log.id],
    )
    const entries = await client.query(
      'SELECT kind, key, revision::float8 AS revision, text FROM halyard.entries WHERE log_id = $1 ORDER BY revision',
      [log.id],
    )
    return historyOf(
      { epoch: log.epoch, revision: log.revision },
      records.rows as ChangeRecord[],
      entries.rows as Row[],
    )
  } finally {
    await client.end()
  }
}

export type Row = {
  readonly kind: string
  readonly key: string
  readonly revision: number
  readonly text: string | null
}

export function historyOf(head: Position, records: readonly ChangeRecord[], rows: readonly Row[]): History {
  const versions = new Map<string, Version[]>()
  for (const { kind, key, revision, text } of rows) {
    const name = `${kind}/${key}`
    const list = versions.get(name) ?? []
    versions.set(name, list)
    list.push({ revision, definition: text === null ? undefined : (JSON.parse(text) as Json) })
  }
  const epochs = new Map(records.map(({ revision, epoch }) => [revision, epoch]))
  return {
    head,
    records,
    epochOf: (revision) => epochs.get(revision),
    at: ({ epoch, revision }) => {
      if (epochs.get(revision) !== epoch) return undefined
      return (kind, key) =>
        versions.get(`${kind}/${key}`)?.findLast((version) => version.revision <= revision)?.definition
    },
  }
}

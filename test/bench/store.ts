/**
 * Edits on a real Postgres against the bare transaction that they need: 8 editors, each on its own flag of one
 * environment, so that all of them queue for one row. And the round trips that an edit makes while it holds that row.
 */
import { join } from 'node:path'
import pg from 'pg'
import type { Service } from '../../server/compose.ts'
import type { Config } from '../../server/config.ts'
import type { Edit } from '../../server/domain/change.ts'
import { api, ENVIRONMENT, makeFlags } from './rig/api.ts'
import { withPostgres } from './rig/postgres.ts'
import { countRoundTrips, type Exchange } from './rig/round-trips.ts'
import { ratioOf } from './rig/rounds.ts'
import { type Bench, judged, median, type Row } from './rig/row.ts'
import { built, ROOT, startServer } from './rig/server.ts'
import { flagConfig, flagShapes } from './workload.ts'

const EDITORS = 8
const ROUNDS = 9
const ROUND_MS = 700

export const store: Bench = {
  name: 'store',
  about: 'edits on a real Postgres against the bare SQL transaction that they need',
  run: async () => [
    ...(await withPostgres(async (url) => [await roundTrips(url)])),
    ...(await withPostgres(rates)),
  ],
}

async function rates(url: string): Promise<readonly Row[]> {
  const server = await startServer({ DATABASE_URL: url })
  const call = api(server)
  const shapes = flagShapes(EDITORS)
  await makeFlags(call, shapes)
  const service = await composed(url)
  const bare = await bareEditors(url)
  try {
    const log = service.live.environment('default', 'production')?.id
    if (log === undefined) throw new Error('there is no production')
    const { setEnabled } = await built<{ setEnabled: SetEnabled }>('domain/index.js')
    const actor = { kind: 'system', id: 'bench', name: 'bench' } as const
    const sides = [
      side('bare', (editor) => bare.edit(editor)),
      side('edit', async (editor, turn) => {
        const edit = setEnabled(log, shapes[editor]?.key ?? '', turn % 2 === 0)
        await service.live.commit({ scope: { path: [log] }, actor, edit })
      }),
      side('http', (editor, turn) =>
        call('POST', `${ENVIRONMENT}/flags/${shapes[editor]?.key}/${turn % 2 === 0 ? 'enable' : 'disable'}`),
      ),
    ]
    for (const { run } of sides) await run(1_000)
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { run, samples } of sides) samples.push(await run(ROUND_MS))
    }
    const samplesOf = (name: string) => sides.find((one) => one.name === name)?.samples ?? []
    const beside = { name: 'bare SQL', value: median(samplesOf('bare')) }
    return [
      judged(
        {
          name: `edits, ${EDITORS} editors over ${EDITORS} flags`,
          measured: median(samplesOf('edit')),
          unit: 'per s',
          baseline: beside,
          ratio: ratioOf(samplesOf('edit'), samplesOf('bare')),
        },
        { of: 'ratio', atLeast: 0.6 },
      ),
      {
        name: 'the same through the management API',
        measured: median(samplesOf('http')),
        unit: 'per s',
        baseline: beside,
        ratio: ratioOf(samplesOf('http'), samplesOf('bare')),
      },
    ]
  } finally {
    await Promise.all([bare.close(), service.close(), server.stop()])
  }
}

type SetEnabled = (environment: string, flag: string, enabled: boolean) => Edit<unknown>
type Side = {
  readonly name: string
  readonly run: (ms: number) => Promise<number>
  readonly samples: number[]
}

/** `run` lets all editors edit for as long as told, and answers edits a second. */
function side(name: string, edit: (editor: number, turn: number) => Promise<unknown>): Side {
  const turns = Array.from({ length: EDITORS }, () => 0)
  return {
    name,
    samples: [],
    run: async (ms) => {
      let edits = 0
      const start = performance.now()
      await Promise.all(
        turns.map(async (_, editor) => {
          while (performance.now() - start < ms) {
            const turn = turns[editor] ?? 0
            turns[editor] = turn + 1
            await edit(editor, turn)
            edits += 1
          }
        }),
      )
      return (edits * 1_000) / (performance.now() - start)
    },
  }
}

async function composed(url: string): Promise<Service> {
  const { compose } = await built<{ compose: (config: Config, log: unknown) => Promise<Service> }>(
    'compose.js',
  )
  const { parseConfig } = await built<{
    parseConfig: (environment: object, readFile: () => string) => Config
  }>('config.js')
  const { pino } = await import('pino')
  const config = parseConfig(
    {
      DATABASE_URL: url,
      HALYARD_ADMIN_KEY: 'x'.repeat(32),
      HALYARD_DATA_DIR: join(ROOT, 'test', 'bench', 'dist', 'data'),
    },
    () => '',
  )
  const service = await compose(config, pino({ level: 'silent' }))
  await service.start()
  return service
}

/**
 * What an edit cannot do without, in as few round trips as SQL allows: take the next revision under the row's lock,
 * close the old version, write the new one and its change record, tell the others, commit. On the same tables, in a
 * log of its own, with prepared statements and documents of the same size.
 */
async function bareEditors(
  url: string,
): Promise<{ readonly edit: (editor: number) => Promise<void>; readonly close: () => Promise<void> }> {
  const pool = new pg.Pool({ connectionString: url, max: EDITORS })
  const log = 'env_bench'
  await pool.query(
    `INSERT INTO halyard.logs (id, parent_id, kind, project, environment, epoch, revision, head_hash, bytes, digest, opened_at)
     SELECT $1, parent_id, kind, project, 'bench', epoch, 0, '', 0, 0, now() FROM halyard.logs WHERE kind = 'environment' LIMIT 1`,
    [log],
  )
  const shape = flagShapes(1)[0]
  if (!shape) throw new Error('there is no flag')
  const document = JSON.stringify(flagConfig(shape))
  const hash = 'a'.repeat(64)
  const documents = JSON.stringify([['flag', shape.key, hash]])
  const lock = {
    name: 'bench_lock',
    text: `UPDATE halyard.logs SET revision = revision + 1 WHERE id = $1 RETURNING revision, epoch, head_hash, bytes, digest`,
  }
  // The old version is closed before the new one is written: they share a place in a unique index.
  const write = {
    name: 'bench_write',
    text: `WITH head AS (UPDATE halyard.logs SET head_hash = $4, bytes = bytes + 1, digest = digest + 1 WHERE id = $1),
      record AS (
        INSERT INTO halyard.changes (log_id, revision, epoch, change_id, actor_kind, actor_id, actor_name, action, at, documents, previous_hash, hash)
        VALUES ($1, $2, 1, $4, 'system', 'bench', 'bench', 'flag.enable', now(), $6, $4, $4)),
      closed AS (
        UPDATE halyard.entries SET superseded_at_revision = $2
        WHERE log_id = $1 AND kind = 'flag' AND key = $3 AND superseded_at_revision IS NULL RETURNING 1),
      written AS (
        INSERT INTO halyard.entries (log_id, kind, key, revision, text, digest)
        SELECT $1, 'flag', $3, $2, $5, $4 FROM (SELECT count(*) FROM closed) AS first)
      SELECT pg_notify('bench', $1)`,
  }
  return {
    edit: async (editor) => {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const { rows } = await client.query<{ revision: string }>({ ...lock, values: [log] })
        const revision = rows[0]?.revision
        await client.query({ ...write, values: [log, revision, `flag-${editor}`, hash, document, documents] })
        await client.query('COMMIT')
      } catch (fault) {
        await client.query('ROLLBACK')
        throw fault
      } finally {
        client.release()
      }
    },
    close: async () => await pool.end(),
  }
}

async function roundTrips(url: string): Promise<Row> {
  const counter = await countRoundTrips(url)
  const server = await startServer({ DATABASE_URL: counter.url })
  try {
    const call = api(server)
    const shapes = flagShapes(EDITORS)
    await makeFlags(call, shapes)
    counter.take()
    for (let turn = 0; turn < 5; turn += 1) {
      const verb = turn % 2 === 0 ? 'disable' : 'enable'
      for (const { key } of shapes) await call('POST', `${ENVIRONMENT}/flags/${key}/${verb}`)
    }
    const transactions = writes(counter.take())
    if (transactions.length === 0) throw new Error('no edit passed the counter')
    const counts = transactions.map((exchanges) => exchanges.length)
    const last = transactions.at(-1) ?? []
    return judged(
      {
        name: 'round trips with the row locked',
        measured: Math.max(...counts),
        unit: 'round trips',
        note: last.map(({ asked }) => firstWords(asked)).join(' | '),
      },
      { of: 'measured', atMost: 4 },
    )
  } finally {
    await server.stop()
    await counter.close()
  }
}

/** The exchanges of each transaction that takes a log's row, from the one that takes it to the one that ends it. */
function writes(exchanges: readonly Exchange[]): readonly (readonly Exchange[])[] {
  const found: Exchange[][] = []
  const open = new Map<number, Exchange[]>()
  for (const exchange of exchanges) {
    const held = open.get(exchange.connection)
    if (held) held.push(exchange)
    else if (/\bfor (no key )?update\b|\bupdate\s+("?halyard"?\.)?"?logs"?/i.test(exchange.asked)) {
      open.set(exchange.connection, [exchange])
    }
    if (exchange.after !== 'T') {
      const ended = open.get(exchange.connection)
      if (ended) found.push(ended)
      open.delete(exchange.connection)
    }
  }
  return found
}

function firstWords(statement: string): string {
  return statement.replace(/\s+/g, ' ').slice(0, 48)
}

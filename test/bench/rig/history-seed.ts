/**
 * A long history without waiting for one: a project whose environment has many flags and very many changes, written by
 * bulk inserts as commits would have left it (chain, entries, heads), so that verification finds it whole. It needs
 * the schema, and memory for the flags alone.
 */
import type { FlagConfig, Serve } from '@halyard/sdk/core'
import pg from 'pg'
import { canonical } from '../../../server/domain/canonical.ts'
import { sha256 } from '../../../server/store/chain.ts'
import { type FlagShape, flagConfig, flagShapes, seeded } from '../workload.ts'
import { chronicleOf, openLog, type Version } from './chronicle.ts'

export type HistorySeed = {
  readonly flags: number
  /** Edits after the flags were made, one flag each. */
  readonly changes: number
  /** Epoch milliseconds: the changes stand at equal distances between them. Default: the last 365 days. */
  readonly from?: number
  readonly until?: number
  /** Key of the new project; its one environment is `production`. */
  readonly project?: string
}

export type SeededHistory = {
  readonly project: string
  readonly environment: string
  /** The environment's log. */
  readonly log: string
  readonly epoch: number
  /** The newest revision, and the hash of its record. */
  readonly revision: number
  readonly hash: string
  readonly flags: readonly string[]
  /** When a revision was made, epoch milliseconds. */
  readonly timeOf: (revision: number) => number
}

const DAY = 86_400_000
/** The environment's first revision opens it, the second makes its flags. */
const FIRST_EDIT = 3

/**
 * Writes a history into a Postgres that has the schema and the system log (a service started on it once).
 * @param url of the database's owner
 */
export async function seedHistory(url: string, seed: HistorySeed): Promise<SeededHistory> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL enable_seqscan = off')
    const written = await write(client, seed)
    await client.query('COMMIT')
    await client.query('ANALYZE halyard.changes; ANALYZE halyard.entries')
    return written
  } finally {
    await client.end()
  }
}

async function write(client: pg.Client, seed: HistorySeed): Promise<SeededHistory> {
  const { flags, changes, until = Date.now(), from = until - 365 * DAY, project = 'history' } = seed
  const environment = 'production'
  const id = (prefix: string) => `${prefix}_${sha256(`${prefix} ${project}`).slice(0, 20)}`
  const [projectLog, log] = [id('prj'), id('env')]
  const shapes = flagShapes(flags)
  const timeOf = (revision: number) => from + Math.floor(((revision - 1) * (until - from)) / (changes + 1))

  const system = await chronicleOf(client, 'system')
  const named = { id: projectLog, key: project, name: project }
  await system.add({
    at: Date.now(),
    action: 'project.create',
    versions: [{ kind: 'project', key: project, text: canonical(named) }],
  })
  await system.finish()

  await openLog(client, {
    id: projectLog,
    parent: 'system',
    kind: 'project',
    project,
    environment: '',
    at: from,
  })
  const identities = await chronicleOf(client, projectLog)
  const settings = { corsOrigins: [], requireComment: false, confirmBulk: false }
  const document = { id: log, key: environment, name: environment, settings }
  await identities.add({
    at: from,
    action: 'project.create',
    versions: [
      { kind: 'environment', key: environment, text: canonical(document) },
      ...shapes.map((shape) => ({ kind: 'identity', key: shape.key, text: canonical(identityOf(shape)) })),
    ],
  })
  await identities.finish()

  await openLog(client, { id: log, parent: projectLog, kind: 'environment', project, environment, at: from })
  const configurations = await chronicleOf(client, log)
  const configs = shapes.map((shape): FlagConfig => ({ ...flagConfig(shape), enabled: false }))
  const versionOf = (index: number): Version => ({
    kind: 'flag',
    key: shapes[index]?.key ?? '',
    text: canonical(configs[index]),
  })
  const all = shapes.map((_, index) => versionOf(index))
  await configurations.add({ at: timeOf(1), action: 'environment.create', versions: [] })
  await configurations.add({ at: timeOf(2), action: 'environment.commit', versions: all })
  const random = seeded(3)
  for (let edit = 0; edit < changes; edit++) {
    const index = Math.floor(random() * flags)
    const config = configs[index]
    if (config === undefined) break
    const percent = 1 + Math.floor(random() * 98)
    const ramps = edit % 3 === 0
    configs[index] = ramps
      ? { ...config, fallthrough: rollout(config.fallthrough, percent) }
      : { ...config, enabled: !config.enabled }
    await configurations.add({
      at: timeOf(FIRST_EDIT + edit),
      action: ramps ? 'flag.fallthrough' : config.enabled ? 'flag.disable' : 'flag.enable',
      versions: [versionOf(index)],
    })
  }
  const { epoch, revision, hash } = await configurations.finish()
  return { project, environment, log, epoch, revision, hash, flags: shapes.map(({ key }) => key), timeOf }
}

const identityOf = (shape: FlagShape) => ({
  key: shape.key,
  type: 'boolean',
  description: '',
  tags: [],
  owner: null,
  temporary: false,
  initial: { ...flagConfig(shape), enabled: false },
  archived: null,
})

/** A split with other shares than before, so that each edit changes something. */
function rollout(before: Serve | null, wanted: number): Serve {
  const current = before !== null && 'split' in before ? before.split.shares[0]?.percent : undefined
  const percent = wanted === current ? wanted + 1 : wanted
  const limit = percent * 1000
  return {
    split: {
      by: 'targetingKey',
      salt: 'history',
      shares: [
        { variant: 'on', percent },
        { variant: 'off', percent: 100 - percent },
      ],
      ranges: [
        { variant: 'on', from: 0, to: limit },
        { variant: 'off', from: limit, to: 100_000 },
      ],
    },
  }
}

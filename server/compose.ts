/**
 * The composition root: the only place that chooses adapters. It puts the rooms together and does nothing else;
 * a test starts the same service through it.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { installationOf, keptSecret, makeDataFolder, subkey } from './data-folder.ts'
import { type Change, HALYARD, type LockedLogs, type Moment, SYSTEM } from './domain/change.ts'
import { bootstrap, createApiKey } from './domain/index.ts'
import { minter } from './domain/mint.ts'
import { createHttp, createTurns, keepNoConnections } from './http/index.ts'
import { createLive } from './live/create.ts'
import { diskJournal } from './live/kills/journal.ts'
import type { Live } from './live/live.ts'
import { eitherBoard, type Noticeboard, storeBoard } from './live/noticeboard.ts'
import { redisAnswers } from './live/redis/answers.ts'
import type { RedisLink } from './live/redis/connect.ts'
import { redisKillSpread } from './live/redis/kill-spread.ts'
import { redisNoticeboard } from './live/redis/noticeboard.ts'
import { redisQuotas } from './live/redis/quota.ts'
import { redisShelf } from './live/redis/shelf.ts'
import { redisSignal } from './live/redis/signal.ts'
import { inProcessSignals, type Signal, storeSignal } from './live/signal.ts'
import { diskShelf } from './live/snapshots/disk-shelf.ts'
import { grantRights } from './store/application-role.ts'
import { type Database, type Db, type Log, silent } from './store/database.ts'
import { embeddedDatabase, makeEmbedded } from './store/embedded.ts'
import { createStore } from './store/open-store.ts'
import { postgresDatabase } from './store/postgres.ts'
import type { Store } from './store/store.ts'
import { openVitalSigns } from './vital-signs.ts'

export type Service = {
  /** Does not listen yet. */
  readonly http: FastifyInstance
  readonly live: Live
  /**
   * Loads the state, and makes the default project and the first admin key where there is none. Retries for as
   * long as the database is away; meanwhile the newest snapshots are served, or the service is up and not ready.
   * @returns the first admin key's text, when this start made it: it is shown nowhere else
   */
  start(): Promise<{ readonly adminKey: string | undefined }>
  /**
   * Not ready at once; after the pause goodbye to streams, then in-flight requests, then the database. Idempotent: the
   * first call's pause counts.
   * @param pauseMs for how long requests are served as before, so that balancers see that it is not ready any more
   */
  close(pauseMs?: number): Promise<void>
}

/** Runs work on a database, in one transaction that is kept where the work succeeds, and leaves nothing where not. */
type Fill = <T>(config: Config, work: (db: Db) => Promise<T>) => Promise<T>
const kept = <T>(database: Database, work: (db: Db) => Promise<T>): Promise<T> =>
  database.transact('migration', async (db) => ({ keep: true, value: await work(db) }))

type Adapters = {
  readonly database: (config: Config, log: Log) => Database | Promise<Database>
  readonly fill: Fill
  /** How instances on it hear of each other without Redis. */
  readonly signal: (store: Store) => Signal
  /** Where instances on it leave notes for each other without Redis, if there can be several. */
  readonly board: (store: Store, name: string) => Noticeboard | undefined
}
const POSTGRES: Adapters = {
  database: ({ database }, log) => postgresDatabase({ url: database, log }),
  fill: async ({ database: url }, work) => {
    const database = postgresDatabase({ url })
    const withRights: typeof work = async (db) => {
      const value = await work(db)
      // The tables are new, and no migration is left that would give the service its rights on them.
      await grantRights(db, silent)
      return value
    }
    return kept(database, withRights).finally(() => database.close())
  },
  signal: storeSignal,
  board: storeBoard,
}
/** Which database a URL asks for, by its scheme. */
const ADAPTERS: Readonly<Record<string, Adapters>> = {
  embedded: {
    database: ({ dataDir }) => embeddedDatabase({ dir: dataDir }),
    fill: ({ dataDir }, work) => makeEmbedded({ dir: dataDir }, (database) => kept(database, work)),
    signal: () => inProcessSignals()(),
    board: () => undefined,
  },
  'postgres:': POSTGRES,
  'postgresql:': POSTGRES,
}

function adaptersFor({ database }: Config): Adapters {
  const adapters = ADAPTERS[database === 'embedded' ? 'embedded' : new URL(database).protocol]
  if (adapters === undefined) throw new Error(`No database for ${database.split(':')[0]}`)
  return adapters
}

/**
 * The database alone, for what works on it beside the service. Nothing is migrated.
 * @throws FolderInUseError where another process uses the embedded one
 */
export async function openDatabase(config: Config, log: Log): Promise<Database> {
  return adaptersFor(config).database(config, log)
}

/**
 * An empty database that is filled from elsewhere, at once or not at all.
 * @throws what the work throws; FolderInUseError, EmbeddedExistsError where there is an embedded one
 */
export async function fillDatabase<T>(config: Config, work: (db: Db) => Promise<T>): Promise<T> {
  return adaptersFor(config).fill(config, work)
}

/**
 * What requests have to be finished in once a process ends, milliseconds. A peer that is gone, or sends no more, must not
 * take the time in which it says goodbye to other instances and keeps what it has.
 */
const FINISH_MS = 7_000

/** Its client is a tenth of a second and 25 MB, so that it is loaded where it is used. */
export async function openRedis(config: Config, log: Logger): Promise<RedisLink | undefined> {
  if (config.redis === undefined) return undefined
  const redis = await import('./live/redis/connect.ts')
  return redis.openRedis(config.redis, { log, random: Math.random })
}

/** As the package says it, from server/ and from dist/ alike. */
export const VERSION: string = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
).version

/**
 * Puts a service together; nothing is connected or listening until `start()` and `http.listen()`.
 * @param config as parsed
 * @param log structured logger; never gets keys, contexts or tokens
 * @param signs of this process's health
 * @throws where this machine stands in the way: a data folder that cannot be written, or that another process uses
 */
export async function compose(config: Config, log: Logger, signs = openVitalSigns()): Promise<Service> {
  makeDataFolder(config.dataDir)
  const clock = { now: () => Date.now() }
  const adapters = adaptersFor(config)
  const store = createStore(await adapters.database(config, log), {
    clock,
    randomBytes,
    log,
    // With Redis the database's notifications are not sent, either: there is one signal.
    notify: config.redis === undefined,
  })
  const redis = await openRedis(config, log)
  const instance = randomBytes(9).toString('base64url')
  const secret = config.secret ?? keptSecret(config.dataDir)
  const installation = installationOf(secret)
  const boardOf = (note: string): Noticeboard | undefined => {
    const stored = adapters.board(store, `${note}s`)
    if (redis === undefined) return stored
    return stored === undefined
      ? redisNoticeboard(redis, installation, note)
      : eitherBoard(redisNoticeboard(redis, installation, note), stored)
  }
  const questions = boardOf('question')
  const answers = boardOf('answer')
  let listener: Server | undefined
  const turns = createTurns()
  const live = createLive({
    store,
    signal: redis === undefined ? adapters.signal(store) : redisSignal(redis, instance),
    answers: redis && redisAnswers(redis, subkey(secret, 'cache-keys')),
    noticeboard: boardOf('instance'),
    accounts: boardOf('account'),
    rollCall: questions && answers && { questions, answers },
    self: {
      ...{ id: instance, version: VERSION },
      // Known from when it listens.
      get address() {
        return config.advertisedUrl ?? addressOf(listener?.address() ?? null)
      },
    },
    killing: {
      journal: diskJournal(join(config.dataDir, 'kills')),
      spreads: redis ? [redisKillSpread(redis, installation)] : [],
      keys: { journal: subkey(secret, 'journal'), peers: subkey(secret, 'peers') },
      mint: minter(randomBytes),
    },
    redis,
    clock,
    random: Math.random,
    secret: subkey(secret, 'stream-tokens'),
    killLinkSecret: subkey(secret, 'kill-links'),
    snapshots: {
      // What is shared is the newer.
      shelves: [...(redis ? [redisShelf(redis)] : []), diskShelf(join(config.dataDir, 'snapshots'))],
      key: subkey(secret, 'snapshots'),
    },
    adminKey: config.adminKey,
    limits: config,
    usageRetentionDays: config.usageRetentionDays,
    signs: { ...signs, delayMs: () => Math.max(signs.delayMs(), turns.lateMs()) },
    log,
  })
  const quota = redis && redisQuotas(redis, { clock, secret: subkey(secret, 'quotas') })
  const http = createHttp({ live, config, clock, quota, log, turns, version: VERSION })
  listener = http.server

  let adminKey: string | undefined
  let closing: Promise<void> | undefined
  const close = async (pauseMs: number) => {
    // A balancer that was never told that it is ready sends it nothing.
    const { ready } = live.status()
    live.retire()
    keepNoConnections(http.server)
    if (ready && pauseMs > 0) await sleep(pauseMs)
    await live.drain()
    const late = setTimeout(() => {
      log.warn({}, 'requests that came or went too slowly were cut off')
      http.server.closeAllConnections()
    }, FINISH_MS)
    await http.close()
    clearTimeout(late)
    await live.close()
    await Promise.all([redis?.close(), store.close()])
  }
  /** Before the first state is served, so that a service that is ready has its defaults. Where they are there, nothing is written. */
  const makeDefaults = async () => {
    const scope = { path: [SYSTEM] }
    const has = (kind: string) => (live.held(SYSTEM)?.state.entries.get(kind)?.size ?? 0) > 0
    if (!has('project')) await live.commit({ scope, actor: HALYARD, edit: bootstrap() })
    if (has('api-key') || config.adminKey !== undefined) return
    adminKey = (await live.commit({ scope, actor: HALYARD, edit: firstAdminKey(randomBytes(32)) })).result
  }
  return {
    http,
    live,
    start: async () => {
      await live.start(makeDefaults)
      return { adminKey }
    },
    close: (pauseMs = 0) => {
      closing ??= close(pauseMs)
      return closing
    },
  }
}

/** Where other instances most likely reach what listens there: on all of this machine's addresses is on its network's. */
function addressOf(listening: AddressInfo | string | null): string | undefined {
  if (listening === null || typeof listening === 'string') return undefined
  const { address, port } = listening
  if (address !== '0.0.0.0' && address !== '::') {
    return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
  }
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const outer = own.find(({ internal, family }) => !internal && family === 'IPv4')
  return outer && `http://${outer.address}:${port}`
}

/** Makes an admin key only where no management key exists, under the row lock: two instances make one. */
const firstAdminKey =
  (secret: Uint8Array) =>
  (logs: LockedLogs, moment: Moment): Change<string | undefined> => {
    const keys = logs.get(SYSTEM)?.state.entries.get('api-key')
    if (keys !== undefined && keys.size > 0) {
      return { action: 'api-key.create', edits: new Map(), warnings: [], result: undefined }
    }
    const change = createApiKey({ name: 'first admin key', grants: [{ role: 'admin' }] }, secret)(
      logs,
      moment,
    )
    return { ...change, result: change.result.secret }
  }

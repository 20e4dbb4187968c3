/**
 * Servers of the build on a Postgres of their own, as a row starts, kills and restarts them. Each may be reached, and
 * may reach its database, by way of a proxy. An end that no test asked for is remembered.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { freshDatabase, type PostgresProcess, startPostgres } from '../../support/postgres.ts'
import { freePort } from '../../support/postgres-process.ts'
import type { Processes, Running, Server, ServerOptions } from '../../support/process.ts'
import { type RedisProcess, startRedis } from '../../support/redis.ts'
import { type Rest, rest } from '../../support/rest.ts'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import { now } from './timeline.ts'

/** A module that a process loads first, so that it can be asked what it holds. */
export const PROBE = new URL('./probe.mjs', import.meta.url).href
/** Longer than any answer may take. */
const TIMEOUT_MS = 10_000

/** A process of a server, on the clock of all processes: from before it began, until it was told to end, until it had. */
export type Life = {
  readonly from: number
  leaving: number
  to: number
  /** It is of a release of the past, which knows nothing of how far kills have come. */
  readonly past?: true
}

export type Member = {
  readonly name: string
  readonly lives: readonly Life[]
  /** The same past restarts. */
  readonly url: string
  readonly server: () => Server
  /** Between apps and this server; nobody else goes through it. */
  readonly front?: TcpProxy
  /** Between this server and the database. */
  readonly back?: TcpProxy
  /** Between this server and Redis. */
  readonly side?: TcpProxy
  readonly api: Rest
  readonly stop: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly start: (change?: ServerOptions) => Promise<void>
  /** Live memory after full collections, and what holds the event loop. */
  readonly memory: () => Promise<Memory>
}
export type Memory = {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  /** What V8 has compiled, as far as it counts it; part of the heap. */
  readonly code: number
  readonly resources: Readonly<Record<string, number>>
  /** Of events of the process itself. */
  readonly listeners: number
}

export type Fleet = {
  readonly postgres: PostgresProcess
  /** Where one was asked for. */
  readonly redis: RedisProcess | undefined
  /** Of the database that they share, past any proxy. */
  readonly databaseUrl: string
  readonly adminKey: string
  readonly members: readonly Member[]
  /** What no test asked for: ends of processes, and lines of their logs that tell of one that was near. */
  readonly accidents: () => readonly string[]
}

export type FleetOptions = {
  readonly servers?: number
  /** Server settings of Postgres. */
  readonly postgres?: Readonly<Record<string, string>>
  readonly settings?: Readonly<Record<string, string>>
  /** Which side of each server gets a proxy. */
  readonly proxies?: { readonly front?: boolean; readonly back?: boolean; readonly side?: boolean }
  readonly redis?: boolean
  /** A folder for all that the database keeps in tables. */
  readonly tablespace?: string
  /** How each server is started at first, where that is not as this build. */
  readonly as?: ServerOptions
  /** Node's own options for each server. */
  readonly nodeOptions?: string
}

/** Starts all of it; what still runs when the test ends is ended. */
export async function startFleet(all: Processes, options: FleetOptions = {}): Promise<Fleet> {
  const postgres = await startPostgres(options.postgres)
  const redis = options.redis ? await startRedis() : undefined
  const adminKey = randomBytes(24).toString('hex')
  const secret = randomBytes(24).toString('hex')
  const database = await freshDatabase(postgres.url, options.tablespace)
  const accidents: string[] = []
  const members: Member[] = []
  onTestFinished(async () => {
    await Promise.all(members.map((member) => member.kill()))
    await Promise.all(
      members.flatMap(({ front, back, side }) => [front?.close(), back?.close(), side?.close()]),
    )
    await Promise.all([postgres.remove(), redis?.remove()])
  })
  const settings = {
    HALYARD_SECRET: secret,
    NODE_OPTIONS: [`--import=${PROBE}`, options.nodeOptions ?? ''].join(' ').trim(),
    ...options.settings,
  }
  const start = async (index: number) => {
    const back = options.proxies?.back ? await tcpProxy(database.url) : undefined
    const port = await freePort()
    const address = `http://127.0.0.1:${port}`
    const front = options.proxies?.front ? await tcpProxy(address) : undefined
    const from = now()
    const side = redis && options.proxies?.side ? await tcpProxy(redis.url) : undefined
    const server = await all.startServer({
      ...options.as,
      port,
      adminKey,
      settings: {
        ...settings,
        ...options.as?.settings,
        ...(redis && { REDIS_URL: side?.via(redis.url) ?? redis.url }),
      },
      database: back?.via(database.url) ?? database.url,
    })
    const name = `server ${index + 1}`
    return memberOf({ name, from, main: options.as?.main, server, front, back, side, adminKey, accidents })
  }
  // The first makes the schema and the defaults; the others would wait for it.
  members.push(await start(0))
  const others = Array.from({ length: (options.servers ?? 3) - 1 }, (_, index) => start(index + 1))
  members.push(...(await Promise.all(others)))
  return { postgres, redis, databaseUrl: database.url, adminKey, members, accidents: () => accidents }
}

type MemberParts = {
  readonly name: string
  readonly from: number
  /** Of the build that it is of at first, where that is another one. */
  readonly main: string | undefined
  readonly server: Server
  readonly front: TcpProxy | undefined
  readonly back: TcpProxy | undefined
  readonly side: TcpProxy | undefined
  readonly adminKey: string
  readonly accidents: string[]
}

function memberOf(parts: MemberParts): Member {
  const { name, from, server: first, front, back, side, adminKey, accidents } = parts
  let server = first
  let main = parts.main
  const begun = (at: number): Life => ({
    ...{ from: at, leaving: Infinity, to: Infinity },
    ...(main !== undefined && { past: true }),
  })
  const lives = [begun(from)]
  let wanted = false
  const { url } = first

  function watch(): void {
    const watched = server
    const life = lives.at(-1)
    void watched.ended.then(({ code, signal }) => {
      if (life !== undefined) life.to = now()
      if (server === watched && !wanted)
        accidents.push(`${name} ended by itself: ${signal ?? `exit code ${code}`}`)
      for (const line of alarming(watched.stderr())) accidents.push(`${name}: ${line}`)
    })
  }
  const end = async (how: 'stop' | 'kill') => {
    wanted = true
    const life = lives.at(-1)
    if (life !== undefined) life.leaving = Math.min(life.leaving, now())
    const { code } = await server[how]()
    if (how === 'stop' && code !== 0) accidents.push(`${name} was stopped, and ended with exit code ${code}`)
  }
  watch()
  return {
    name,
    lives,
    url,
    server: () => server,
    ...(front && { front }),
    ...(back && { back }),
    ...(side && { side }),
    api: rest(url, adminKey, TIMEOUT_MS),
    stop: () => end('stop'),
    kill: () => end('kill'),
    start: async (change) => {
      if (change !== undefined && 'main' in change) main = change.main
      lives.push(begun(now()))
      server = await server.again(change)
      wanted = false
      watch()
    },
    memory: () => askProbe(server),
  }
}

/** Lines of a log that must never be written: what nobody handled, and what ends a process (not Postgres's `FATAL`). */
function alarming(log: string): readonly string[] {
  return log
    .split('\n')
    .filter((line) =>
      /unhandled|uncaught|fatal error|out of memory|"level":60|MaxListenersExceeded/i.test(line),
    )
}

/** What a process that has loaded the probe holds. */
export async function askProbe(server: Running): Promise<Memory> {
  const said = () =>
    server
      .stdout()
      .split('\n')
      .filter((line) => line.startsWith('{"probe":'))
  const before = said().length
  server.child.kill('SIGUSR2')
  const line = await until('the probe answers', () => said()[before])
  return (JSON.parse(line) as { probe: Memory }).probe
}

/** From /proc, in bytes: what a process has in memory now, and the most that it ever had. */
export function residentOf(pid: number): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const line = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024
  return { now: line('VmRSS'), most: line('VmHWM') }
}

/** A number of a server's metrics, over all of its labels. */
export async function metricOf({ url }: Pick<Member, 'url'>, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/**
 * The service as people run it: real processes of the build, each on a free port and its own data folder, that a
 * test stops, kills and starts again. Whatever still runs when a test file ends is ended with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, vi } from 'vitest'
import { ROOT } from './build.ts'
import { freshDatabase } from './postgres.ts'
import { freePort } from './postgres-process.ts'
import { until } from './until.ts'

/** The program of the build. */
export const MAIN = join(ROOT, 'dist/main.js')

export type Ended = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** From the signal that a test sent to the end, milliseconds. */
  readonly afterMs: number
}

export type Running = {
  readonly child: ChildProcess
  /** All that it wrote so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves at its end, whoever ended it. */
  readonly ended: Promise<Ended>
  /** SIGTERM. */
  readonly stop: () => Promise<Ended>
  /** SIGKILL. */
  readonly kill: () => Promise<Ended>
}

export type Server = Running & {
  readonly url: string
  readonly port: number
  readonly dataDir: string
  readonly adminKey: string
  /** The same server once more: same port, folder and settings, but for what changes. */
  readonly again: (change?: ServerOptions) => Promise<Server>
}

export type ServerOptions = {
  /** `embedded` unless a URL is given. */
  readonly database?: string
  readonly port?: number
  readonly dataDir?: string
  /** `null`: none is configured, and the first start makes one. */
  readonly adminKey?: string | null
  /** Over those that every server of a test has; `undefined` leaves one out. */
  readonly settings?: Readonly<Record<string, string | undefined>>
  /** The `dist/main.js` of another build. */
  readonly main?: string | undefined
  /** What to wait for; `ended` is for a start that is meant to fail. */
  readonly until?: 'ready' | 'live' | 'ended'
}

export type Processes = {
  readonly startServer: (options?: ServerOptions) => Promise<Server>
  /** A Node script, with the settings that it asks for in its environment. */
  readonly startScript: (
    script: string,
    settings?: Readonly<Record<string, string>>,
    args?: readonly string[],
  ) => Running
  /** A temporary folder, gone when the test file ends. */
  readonly freshFolder: () => string
  /** The URL of an empty database, gone when the test file ends. @param on the URL of another Postgres */
  readonly freshDatabase: (on?: string) => Promise<string>
}

/** The processes of one test file; call it at the top of the file. */
export function processes(): Processes {
  // Real processes on a busy machine: what waits for a condition should fail before the test does.
  vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })
  const running = new Set<Running>()
  const folders: string[] = []
  const databases: (() => Promise<void>)[] = []
  afterAll(async () => {
    await Promise.all([...running].map((one) => one.kill()))
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    await Promise.all(databases.map((drop) => drop()))
  })

  function freshFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'halyard-e2e-'))
    folders.push(folder)
    return folder
  }

  function run(
    file: string,
    args: readonly string[],
    settings: Readonly<Record<string, string | undefined>>,
  ): Running {
    const one = spawned(process.execPath, [file, ...args], { ...plainEnvironment(), ...settings })
    running.add(one)
    void one.ended.then(() => running.delete(one))
    return one
  }

  async function startServer(options: ServerOptions = {}): Promise<Server> {
    const port = options.port ?? (await freePort())
    const dataDir = options.dataDir ?? join(freshFolder(), 'data')
    const adminKey = options.adminKey === undefined ? randomBytes(24).toString('hex') : options.adminKey
    const one = run(options.main ?? MAIN, [], {
      HALYARD_PORT: String(port),
      HALYARD_DATA_DIR: dataDir,
      HALYARD_LOG_LEVEL: 'info',
      HALYARD_DRAIN_DELAY_MS: '0',
      DATABASE_URL: options.database ?? 'embedded',
      ...(adminKey === null ? {} : { HALYARD_ADMIN_KEY: adminKey }),
      ...options.settings,
    })
    const url = `http://127.0.0.1:${port}`
    const server: Server = {
      ...one,
      url,
      port,
      dataDir,
      adminKey: adminKey ?? '',
      again: async (change = {}) =>
        await startServer({
          ...options,
          port,
          dataDir,
          adminKey,
          ...change,
          settings: { ...options.settings, ...change.settings },
        }),
    }
    const wanted = options.until ?? 'ready'
    if (wanted === 'ended') await one.ended
    else await answering(one, `${url}/health/${wanted}`)
    return server
  }

  return {
    startServer,
    startScript: (script, settings = {}, args = []) => run(script, args, settings),
    freshFolder,
    freshDatabase: async (on) => {
      const { url, drop } = await freshDatabase(on)
      // A Postgres of the test's own takes its databases with it.
      if (on === undefined) databases.push(drop)
      return url
    },
  }
}

/** Resolves when the address answers 2xx; rejects when the process ends before it does. */
async function answering(one: Running, url: string): Promise<void> {
  await until(`${url} answers`, async () => {
    if (one.child.exitCode !== null || one.child.signalCode !== null) {
      throw new Error(`it ended before it answered ${url}:\n${one.stdout()}${one.stderr()}`)
    }
    const answer = await fetch(url).catch(() => undefined)
    await answer?.body?.cancel()
    return answer?.ok === true
  })
}

function spawned(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Running {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['pipe', 'pipe', 'pipe'] })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text
    })
  }
  // A process that has ended no longer reads what is written to it.
  child.stdin.on('error', () => {})
  let signalled = performance.now()
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve({ code, signal, afterMs: performance.now() - signalled })
    })
  })
  const signal = (name: NodeJS.Signals) => async () => {
    signalled = performance.now()
    child.kill(name)
    return await ended
  }
  return {
    child,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    ended,
    stop: signal('SIGTERM'),
    kill: signal('SIGKILL'),
  }
}

/** This process's environment without anything that would configure a server or an SDK, or speaks of vitest. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(HALYARD_|DATABASE_URL|REDIS_URL|NODE_|VITEST|VITE_|TEST$|DEV$|PROD$|MODE$|HOST$|PORT$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

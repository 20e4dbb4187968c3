/**
 * Runs the built server in a child process, as `npm start` does, on a free port of the loopback and on its own data
 * folder. With a probe loaded beside it, so that memory can be asked for after a collection.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The folder of the built benchmarks; the server is built into the root's. */
const DIST = dirname(fileURLToPath(import.meta.url))
export const ROOT = join(DIST, '..', '..', '..')

/** The built server's own code, so that what is measured is what runs. */
export async function built<Module>(path: string): Promise<Module> {
  return (await import(pathToFileURL(join(ROOT, 'dist', path)).href)) as Module
}

export const ADMIN_KEY = 'bench-admin-key-0123456789abcdefghij'

export type Memory = { readonly rss: number; readonly heapUsed: number; readonly external: number }
export type Running = {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** From the spawn to the first 200 of `/health/ready`, milliseconds. */
  readonly readyMs: number
  /** After two full collections. */
  readonly memory: () => Promise<Memory>
  /** By how much its event loop was late since this was last asked, on average, milliseconds; 0 the first time. */
  readonly delayMs: () => Promise<number>
  /** Processor time used so far, user and system, milliseconds. */
  readonly cpuMs: () => number
  readonly stop: () => Promise<void>
}

/** @param settings environment variables beside those that every bench needs; execArgv is for Node itself. */
export async function startServer(
  settings: Readonly<Record<string, string>> = {},
  execArgv: readonly string[] = [],
): Promise<Running> {
  const entry = join(ROOT, 'dist', 'main.js')
  if (!existsSync(entry)) throw new Error(`${entry} is missing: run npm run build`)
  const port = await freePort()
  return await startChild(entry, [], `http://127.0.0.1:${port}`, '/health/ready', execArgv, {
    HALYARD_PORT: String(port),
    HALYARD_ADMIN_KEY: ADMIN_KEY,
    HALYARD_MANAGEMENT_REQUESTS_PER_SECOND: '1000000',
    HALYARD_DRAIN_DELAY_MS: '0',
    ...settings,
  })
}

/** A server of the benchmarks' own, such as the bare one, with the same probe. */
export async function startBare(script: string, args: readonly string[]): Promise<Running> {
  const port = await freePort()
  return await startChild(
    join(DIST, script),
    [String(port), ...args],
    `http://127.0.0.1:${port}`,
    '/health/ready',
    [],
    {},
  )
}

async function startChild(
  entry: string,
  args: readonly string[],
  url: string,
  readyPath: string,
  execArgv: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'halyard-bench-'))
  const logPath = join(folder, 'log')
  const log = openSync(logPath, 'w')
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(HALYARD_|DATABASE_URL|REDIS_URL|NODE_ENV|PORT|HOST)/.test(name),
    ),
  )
  const started = performance.now()
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--import', join(DIST, 'probe.js'), ...execArgv, entry, ...args],
    {
      cwd: folder,
      env: { ...clean, HALYARD_DATA_DIR: join(folder, 'data'), ...settings },
      stdio: ['ignore', log, log, 'ipc'],
    },
  )
  closeSync(log)
  const exited = once(child, 'exit')
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      const forced = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await exited
      clearTimeout(forced)
    }
    rmSync(folder, { recursive: true, force: true })
  }
  const deadline = started + 60_000
  while (!(await answers(`${url}${readyPath}`))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      const said = readFileSync(logPath, 'utf8').slice(-4_000)
      await stop()
      throw new Error(`${entry} did not get ready:\n${said}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const pid = child.pid ?? 0
  return {
    url,
    port: Number(new URL(url).port),
    pid,
    readyMs: performance.now() - started,
    memory: () => told<Memory>(child, 'memory'),
    delayMs: () => told<number>(child, 'delay'),
    cpuMs: () => processorMs(pid),
    stop,
  }
}

/** What the probe answers. */
async function told<Answer>(child: ChildProcess, question: 'memory' | 'delay'): Promise<Answer> {
  child.send(question)
  const [answer] = (await once(child, 'message')) as [Answer]
  return answer
}

/** Processor time of a process, user and system, milliseconds. /proc counts in ticks of 10 ms. */
export function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request(url, { agent: false, timeout: 1_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asking.on('error', () => resolve(false))
    asking.on('timeout', () => asking.destroy())
    asking.end()
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}

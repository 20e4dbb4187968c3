/**
 * A private Redis: a server on a free port with a temporary folder, that a test can stop, kill and freeze. It keeps
 * nothing over a restart unless it is told to, and touches no other Redis of the machine.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './postgres-process.ts'
import { until } from './until.ts'

export type RedisProcess = {
  readonly url: string
  readonly port: number
  /** Of the server's own files. */
  readonly folder: string
  /** Starts it again after `stop` or `kill`, empty; resolves when it answers. */
  start(): Promise<void>
  /** An orderly stop. */
  stop(): Promise<void>
  /** kill -9. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT. */
  freeze(): void
  thaw(): void
  /** What `redis-cli` prints. */
  cli(...args: string[]): Promise<string>
  /** Stops it and removes its folder. */
  remove(): Promise<void>
}

export type RedisProcessOptions = {
  readonly port?: number
  /** More lines of its configuration, such as `requirepass secret`. */
  readonly settings?: readonly string[]
  /** It watches other servers, instead of being one. */
  readonly sentinel?: boolean
  /** What `redis-cli` needs to be let in, such as `--tls`. */
  readonly cliArgs?: readonly string[]
}

const HOW_TO_GET =
  'Run `apt-get install -y redis-server` (or put redis-server and redis-cli on the PATH), or set REDIS_URL.'

/**
 * The paths of Redis's programs; undefined where this machine has none. The server and Debian's `redis-check-rdb` are
 * one program, which goes by the name that it is started under.
 */
export function redisBinaries(): { readonly server: string; readonly cli: string } | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  const firstOf = (...names: string[]) =>
    names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path))
  const server = firstOf('redis-server', 'valkey-server', 'redis-check-rdb')
  const cli = firstOf('redis-cli', 'valkey-cli')
  return server === undefined || cli === undefined ? undefined : { server, cli }
}

/**
 * Installs Redis's programs where that is allowed (root, on a Debian), without its service.
 * @throws with the command to run, where it can't
 */
function installBinaries(): NonNullable<ReturnType<typeof redisBinaries>> {
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    const quiet = {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    } as const
    execFileSync('apt-get', ['update', '-qq'], quiet)
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-tools'], quiet)
  }
  const found = redisBinaries()
  if (found === undefined) throw new Error(`The tests need Redis. ${HOW_TO_GET}`)
  return found
}

/** Starts a private server. */
export async function startRedis(options: RedisProcessOptions = {}): Promise<RedisProcess> {
  const { server: binary, cli: cliBinary } = redisBinaries() ?? installBinaries()
  const port = options.port ?? (await freePort())
  const folder = mkdtempSync(join(tmpdir(), 'halyard-redis-'))
  const pidfile = join(folder, 'redis.pid')
  const conf = join(folder, 'redis.conf')
  const lines = [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, `pidfile ${pidfile}`]
  if (options.sentinel !== true) lines.push(...NOTHING_KEPT)
  writeFileSync(conf, [...lines, ...(options.settings ?? []), ''].join('\n'))
  const cliArgs = ['-h', '127.0.0.1', '-p', String(port), ...(options.cliArgs ?? [])]
  let running: ChildProcess | undefined
  let ended = Promise.resolve()
  const guard = guardOf(folder, pidfile)

  const cli = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(cliBinary, [...cliArgs, ...args], { maxBuffer: 2 ** 28 })).stdout.trim()
  const signal = (name: NodeJS.Signals) => {
    if (running?.exitCode === null && running.signalCode === null) running.kill(name)
  }
  const start = async () => {
    let output = ''
    const child = spawn(binary, [conf, ...(options.sentinel === true ? ['--sentinel'] : [])], {
      argv0: 'redis-server',
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-4000)
      })
    }
    running = child
    ended = new Promise((resolve) => child.once('exit', () => resolve()))
    await until(`Redis answers on ${port}`, async () => {
      if (child.exitCode !== null) throw new Error(`Redis did not start:\n${output}`)
      // One that wants a password answers, too.
      return await cli('ping').then(
        (answer) => /PONG|NOAUTH|NOPERM/.test(answer),
        () => false,
      )
    })
  }
  const stop = async () => {
    signal('SIGCONT')
    signal('SIGTERM')
    await ended
  }
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    start,
    stop,
    kill: async () => {
      signal('SIGKILL')
      await ended
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    cli,
    remove: async () => {
      await stop()
      guard.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Nor is anything waited for at its end. */
const NOTHING_KEPT = ['save ""', 'appendonly no', 'shutdown-timeout 0', 'loglevel warning']

/**
 * Sees to it that no server outlives the test run, however that ends: a shell that waits for our end of its pipe to
 * close, ends whatever server runs in the folder, and removes it.
 */
function guardOf(folder: string, pidfile: string): ChildProcess {
  const script = `cat >/dev/null
    server=$(cat "$2" 2>/dev/null) && kill -KILL "$server"
    sleep 1; rm -rf "$1"`
  const guard = spawn('sh', ['-c', script, 'sh', folder, pidfile], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  guard.unref()
  ;(guard.stdin as unknown as { unref(): void }).unref()
  return guard
}

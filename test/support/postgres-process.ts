/**
 * A private Postgres: a cluster in a temporary folder on a free port, run as a user that is not root, that a test
 * can stop, kill and freeze. It touches no other Postgres of the machine.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'
import type { Certificates } from './certificates.ts'

export type PostgresProcess = {
  /** Of its database `postgres`. */
  readonly url: string
  /** Starts it again after `stop` or `kill`; resolves when it answers. */
  start(): Promise<void>
  /** An orderly stop that ends sessions. */
  stop(): Promise<void>
  /** kill -9 of the postmaster and everything below it. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT, to all its processes. */
  freeze(): void
  thaw(): void
  /** Stops it and removes its folder. */
  remove(): Promise<void>
}

const HOW_TO_GET =
  'Run `apt-get install -y postgresql` (or put initdb and postgres on the PATH), or set DATABASE_URL.'

/** The folder of Postgres's programs; undefined where this machine has none. */
export function postgresBinaries(): string | undefined {
  const installed = '/usr/lib/postgresql'
  const versions = existsSync(installed) ? readdirSync(installed).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...configured(),
    ...versions.map((version) => join(installed, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

function configured(): string[] {
  try {
    return [
      execFileSync('pg_config', ['--bindir'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim(),
    ]
  } catch {
    return []
  }
}

/**
 * Installs Postgres's programs where that is allowed (root, on a Debian), without starting a cluster.
 * @throws with the command to run, where it can't
 */
function installBinaries(): string {
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    // Its own clusters are none of ours: the package is told to make none.
    const quiet = { stdio: 'ignore', env: environment } as const
    execFileSync('apt-get', ['update', '-qq'], quiet)
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'postgresql-common'], quiet)
    execFileSync(
      'sed',
      [
        '-i',
        's/^#\\?create_main_cluster.*/create_main_cluster = false/',
        '/etc/postgresql-common/createcluster.conf',
      ],
      quiet,
    )
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'postgresql'], quiet)
  }
  const found = postgresBinaries()
  if (found === undefined) throw new Error(`The tests need Postgres. ${HOW_TO_GET}`)
  return found
}

type User = { readonly uid: number; readonly gid: number }

/** Postgres refuses to run as root: then another user that exists. */
function unprivileged(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const user = ['postgres', 'nobody'].map((name) => users.find((fields) => fields[0] === name)).find(Boolean)
  if (user === undefined)
    throw new Error('Postgres does not run as root, and there is no user postgres or nobody.')
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

/** Lets the user that Postgres runs as have a folder. */
export function giveToPostgres(folder: string): void {
  const user = unprivileged()
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  chmodSync(folder, 0o700)
}

/**
 * Starts a private cluster. Durability against power failure is off (it is a test's); against crashes it is not.
 * @param settings more server settings, such as `{ max_connections: '5' }`
 * @param tls of whoever asks for TLS; what comes without is let in, too
 */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  tls?: Pick<Certificates, 'certFile' | 'keyFile'>,
): Promise<PostgresProcess> {
  const binaries = postgresBinaries() ?? installBinaries()
  const user = unprivileged()
  const folder = mkdtempSync(join(tmpdir(), 'halyard-postgres-'))
  giveToPostgres(folder)
  const data = join(folder, 'data')
  execFileSync(
    join(binaries, 'initdb'),
    ['--no-sync', '-D', data, '-U', 'halyard', '--auth=trust', '--encoding=UTF8', '--locale=C'],
    { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder, ...user },
  )
  const port = await freePort()
  const url = `postgres://halyard@127.0.0.1:${port}/postgres`
  const options = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    full_page_writes: 'off',
    shared_buffers: '64MB',
    max_connections: '100',
    ...(tls && { ssl: 'on', ...ownCertificates(tls, folder, user) }),
    ...settings,
  }
  const parameters = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  let server: ChildProcess | undefined
  let ended = Promise.resolve()
  const guard = guardOf(folder)

  const signal = (name: NodeJS.Signals) => {
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return
    // The postmaster first: it must not answer the death or the sleep of its children.
    for (const pid of [server.pid, ...childrenOf(server.pid)]) {
      try {
        process.kill(pid, name)
      } catch (error) {
        // A backend may have ended meanwhile.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }
  const start = async () => {
    let output = ''
    const running = spawn(join(binaries, 'postgres'), ['-D', data, ...parameters], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...user,
    })
    server = running
    running.stderr.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4000)
    })
    ended = new Promise((resolve) => running.once('exit', () => resolve()))
    await untilAnswers(url, () => {
      if (running.exitCode !== null) throw new Error(`Postgres did not start:\n${output}`)
    })
  }
  const stop = async () => {
    // SIGINT: "fast shutdown", which ends sessions.
    if (server?.exitCode === null) server.kill('SIGINT')
    await ended
  }
  await start()
  return {
    url,
    start,
    stop,
    kill: async () => {
      signal('SIGKILL')
      await ended
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    remove: async () => {
      signal('SIGCONT')
      await stop()
      guard.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Copies that belong to the user that Postgres runs as: it takes no key that others could have changed. */
function ownCertificates(
  { certFile, keyFile }: Pick<Certificates, 'certFile' | 'keyFile'>,
  folder: string,
  user: User | undefined,
): Readonly<Record<string, string>> {
  const settings = { ssl_cert_file: join(folder, 'server.crt'), ssl_key_file: join(folder, 'server.key') }
  copyFileSync(certFile, settings.ssl_cert_file)
  copyFileSync(keyFile, settings.ssl_key_file)
  chmodSync(settings.ssl_key_file, 0o600)
  if (user !== undefined) for (const file of Object.values(settings)) chownSync(file, user.uid, user.gid)
  return settings
}

/**
 * Sees to it that no server outlives the test run, however that ends: a shell that waits for our end of its pipe to
 * close, ends whatever server runs in the folder, and removes it.
 */
function guardOf(folder: string): ChildProcess {
  const script = `cat >/dev/null
    postmaster=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$postmaster" && kill -CONT "$postmaster"
    sleep 1; rm -rf "$1"`
  const guard = spawn('sh', ['-c', script, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  guard.unref()
  ;(guard.stdin as unknown as { unref(): void }).unref()
  return guard
}

/** Backends lead process groups of their own, so a signal to the postmaster's group does not reach them. */
function childrenOf(parent: number): number[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []))
}

async function untilAnswers(url: string, check: () => void): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    check()
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

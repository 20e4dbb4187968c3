/**
 * `npm run test:image`: the Dockerfile's steps, run one by one in clean folders where no Docker engine is at hand,
 * and the service started as the image starts it. It prints the image's size, and ends with 1 where a step fails.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ROOT } from '../support/build.ts'
import { freePort } from '../support/postgres-process.ts'

type Step = { readonly instruction: string; readonly rest: string }
type Stage = { readonly folder: string; readonly env: Record<string, string>; workdir: string }

/** A Dockerfile's instructions, with continued lines joined. */
function stepsOf(text: string): Step[] {
  return text
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [instruction = '', ...rest] = line.split(' ')
      return { instruction, rest: rest.join(' ') }
    })
}

const home = mkdtempSync(join(tmpdir(), 'halyard-image-'))
const context = join(home, 'context')
const stages = new Map<string, Stage>()
let stage: Stage | undefined
let command: readonly string[] = []
let health: readonly string[] = []
let user = 'root'

/** What the build sees: files of the repository that .dockerignore lets through. */
function makeContext(): void {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')
  const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  for (const file of files.split('\n')) {
    if (!allowed.some((path) => file === path || file.startsWith(`${path}/`))) continue
    if (!existsSync(join(ROOT, file))) continue
    mkdirSync(dirname(join(context, file)), { recursive: true })
    cpSync(join(ROOT, file), join(context, file))
  }
}

/** A path of the image, in the stage's folder. */
const inside = ({ folder, workdir }: Stage, path: string): string => join(folder, resolve(workdir, path))

function copy(current: Stage, rest: string): void {
  const words = rest.split(/\s+/)
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length)
  const paths = words.filter((word) => !word.startsWith('--'))
  const target = paths.pop() ?? '.'
  for (const path of paths) {
    const source = from === undefined ? join(context, path) : join(stages.get(from)?.folder ?? '', path)
    const name = target.endsWith('/') ? join(target, path.split('/').at(-1) ?? '') : target
    const into = inside(current, name)
    mkdirSync(dirname(into), { recursive: true })
    cpSync(source, into, { recursive: true, verbatimSymlinks: true })
  }
}

function run(current: Stage, line: string): void {
  // The image's own users and folders at the root are the image's: here they are the stage's.
  const shell = line
    .replace(/ && chown \S+ \S+/, '')
    .replace(/ (\/\S+)/g, (_, path: string) => ` ${inside(current, path)}`)
  const cwd = inside(current, '.')
  for (const folder of [cwd, inside(current, '/usr/local/bin')]) mkdirSync(folder, { recursive: true })
  const { status } = spawnSync('sh', ['-ec', shell], {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...current.env },
  })
  if (status !== 0) throw new Error(`RUN ${line}: exit code ${status}`)
}

function take({ instruction, rest }: Step, index: number): void {
  if (instruction === 'FROM') {
    const name = / AS (\S+)/.exec(rest)?.[1] ?? `stage-${index}`
    stage = { folder: join(home, name), env: {}, workdir: '/' }
    stages.set(name, stage)
    return
  }
  if (stage === undefined) throw new Error(`${instruction} before FROM`)
  if (instruction === 'WORKDIR') stage.workdir = rest
  else if (instruction === 'COPY') copy(stage, rest)
  else if (instruction === 'RUN') run(stage, rest)
  else if (instruction === 'ENV') {
    for (const pair of rest.split(' ')) {
      const [name = '', value = ''] = pair.split('=')
      stage.env[name] = value
    }
  } else if (instruction === 'USER') user = rest
  else if (instruction === 'CMD') command = JSON.parse(rest)
  else if (instruction === 'HEALTHCHECK') health = JSON.parse(rest.slice(rest.indexOf('CMD ') + 4))
  else if (!['EXPOSE', 'VOLUME', 'STOPSIGNAL'].includes(instruction))
    throw new Error(`${instruction} is not known here`)
}

async function until(what: string, works: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (works()) return
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error(`${what}: not within 10 s`)
}

async function main(): Promise<void> {
  makeContext()
  for (const [index, step] of stepsOf(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')).entries()) {
    console.log(`${step.instruction} ${step.rest.slice(0, 100)}`)
    take(step, index)
  }
  const image = stage as Stage
  if (user === 'root') throw new Error('The image runs as root.')
  const port = String(await freePort())
  const env = {
    PATH: process.env.PATH,
    ...image.env,
    HALYARD_DATA_DIR: inside(image, '/data'),
    HALYARD_PORT: port,
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing',
    HALYARD_SECRET: 'a-secret-of-thirty-two-characters-at-least',
  }
  const cwd = inside(image, '.')
  const [file = '', ...args] = command
  const service = spawn(file, args, { cwd, env, stdio: 'ignore' })
  try {
    const [probe = '', ...parameters] = health
    // Without its database it lives, and is not ready.
    await until('the health check', () => spawnSync(probe, parameters, { cwd, env }).status === 0)
    const { status } = await fetch(`http://127.0.0.1:${port}/health/ready`)
    if (status !== 503) throw new Error(`/health/ready answered ${status} without a database`)
    const halyard = inside(image, '/usr/local/bin/halyard')
    const HALYARD_URL = `http://127.0.0.1:${port}`
    // Nobody's key is known without a database; that is the server's answer, and the command reached it.
    const asked = spawnSync(halyard, ['delivery', '--env', 'production', '--project', 'default'], {
      ...{ cwd, encoding: 'utf8' as const },
      env: { ...env, HALYARD_URL, HALYARD_API_KEY: 'a-key', HOME: inside(image, '/data') },
    })
    if (asked.status !== 75) throw new Error(`halyard ended with ${asked.status}: ${asked.stderr}`)
  } finally {
    service.kill('SIGTERM')
  }
  const code = await new Promise((done) => service.once('exit', done))
  if (code !== 0) throw new Error(`SIGTERM ended it with code ${code}`)
  const size = execFileSync('du', ['-sm', cwd], { encoding: 'utf8' }).split('\t')[0]
  console.log(
    `the image's own layers: ${size} MB, beside Node's image; it starts, is healthy, and stops with code 0`,
  )
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  rmSync(home, { recursive: true, force: true })
}

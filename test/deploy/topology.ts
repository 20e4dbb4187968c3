/**
 * `npm run topology`: the topology of docker-compose.yml as plain processes (Postgres, Redis, two instances, HAProxy
 * with the very same configuration), under load, with kill -9 of each part in turn. Prints a table; ends with 1 where
 * a part's loss was noticed by those who must not notice it.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@halyard/sdk/node'
import { ROOT } from '../support/build.ts'
import { freePort, startPostgres } from '../support/postgres-process.ts'
import { startRedis } from '../support/redis-process.ts'
import { type Part, startPart } from './part.ts'

const EVALUATORS = 4
const EDIT_EVERY_MS = 200
const AWAY_MS = 2_000
/** How long everything may take to be as before, on a machine that is busy with other things. */
const BACK_MS = 15_000

const ADMIN = randomBytes(24).toString('hex')
const ENVIRONMENT = '/api/v1/projects/default/environments/production'

function haproxyBinary(): string {
  const known = ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy']
  const found = known.find(existsSync)
  if (found !== undefined) return found
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    throw new Error('HAProxy is not on this machine: apt-get install -y haproxy')
  execFileSync('sh', ['-c', 'apt-get update && apt-get install -y --no-install-recommends haproxy'], {
    stdio: 'ignore',
  })
  return '/usr/sbin/haproxy'
}

type Figures = { evaluations: number; failed: number; wrong: number; editsRefused: number }

async function main(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'halyard-topology-'))
  const postgres = await startPostgres()
  const redis = await startRedis()
  const parts: Part[] = []
  try {
    const secret = randomBytes(32).toString('hex')
    const instance = async (name: string): Promise<Part> => {
      const port = await freePort()
      return startPart(name, port, process.execPath, [join(ROOT, 'dist/main.js')], {
        DATABASE_URL: postgres.url,
        REDIS_URL: redis.url,
        HALYARD_SECRET: secret,
        HALYARD_ADMIN_KEY: ADMIN,
        HALYARD_TRUST_PROXY: '1',
        HALYARD_PORT: String(port),
        HALYARD_DATA_DIR: join(folder, name),
        HALYARD_LOG_LEVEL: 'warn',
      })
    }
    const [one, two] = [await instance('halyard-1'), await instance('halyard-2')]
    const proxyPort = await freePort()
    const proxy = startPart(
      'proxy',
      proxyPort,
      haproxyBinary(),
      ['-db', '-f', join(ROOT, 'docs/deploy/haproxy.cfg')],
      {
        HALYARD_BIND: `127.0.0.1:${proxyPort}`,
        HALYARD_1: `127.0.0.1:${one.port}`,
        HALYARD_2: `127.0.0.1:${two.port}`,
      },
    )
    parts.push(one, two, proxy)
    const url = `http://127.0.0.1:${proxyPort}`
    await until('the topology is ready', async () => (await fetch(`${url}/health/ready`)).ok, 60_000)
    return await killInTurn(url, {
      'halyard-1': one,
      'halyard-2': two,
      redis: { kill: redis.kill, start: redis.start },
      postgres,
      proxy,
    })
  } finally {
    for (const part of parts) await part.kill()
    await Promise.all([redis.remove(), postgres.remove()])
    rmSync(folder, { recursive: true, force: true })
  }
}

type Killable = { readonly port?: number; kill(): Promise<unknown>; start(): Promise<unknown> }

async function killInTurn(url: string, parts: Readonly<Record<string, Killable>>): Promise<boolean> {
  const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
  const must = async (method: string, path: string, body?: unknown) => {
    const answer = await ask(method, path, body)
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as { secret: string }
  }
  await must('POST', '/api/v1/projects/default/flags', {
    key: 'topology',
    type: 'number',
    variants: { count: 0 },
    offVariant: 'count',
    fallthrough: { variant: 'count' },
  })
  await must('POST', `${ENVIRONMENT}/flags/topology/enable`)
  const { secret: key } = await must('POST', `${ENVIRONMENT}/keys`, { kind: 'server', name: 'topology' })
  const app = await connect({ url, key, app: { name: 'topology', version: '1.0.0' }, logger: quiet })

  let figures: Figures = { evaluations: 0, failed: 0, wrong: 0, editsRefused: 0 }
  let running = true
  let written = 0
  const evaluate = async () => {
    while (running) {
      figures.evaluations++
      const answer = await fetch(`${url}/ofrep/v1/evaluate/flags/topology`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: '{"context":{"targetingKey":"user-1"}}',
        signal: AbortSignal.timeout(5_000),
      }).catch(() => undefined)
      const body = answer?.ok ? ((await answer.json().catch(() => undefined)) as Evaluated) : undefined
      if (body === undefined) figures.failed++
      else if (typeof body.value !== 'number') figures.wrong++
      // The app has what it last knew, whatever is away.
      if (Number.isNaN(app.number('topology', Number.NaN))) figures.wrong++
      await sleep(5)
    }
  }
  /** An edit is sent until it is answered, under one Idempotency-Key. */
  const edit = async () => {
    while (running) {
      const value = written + 1
      const headers = { 'idempotency-key': randomUUID(), 'if-match': '*' }
      const body = { variants: { count: value } }
      for (let done = false; !done && running; ) {
        const answer = await ask('PATCH', `${ENVIRONMENT}/flags/topology`, body, headers).catch(
          () => undefined,
        )
        done = answer?.ok === true
        if (done) written = value
        else {
          figures.editsRefused++
          await sleep(100)
        }
      }
      await sleep(EDIT_EVERY_MS)
    }
  }
  const load = Promise.all([...Array.from({ length: EVALUATORS }, evaluate), edit()])
  await sleep(1_000)

  console.log('killed      evaluations  failed  wrong  edits sent again  back, and an edit at an app, after')
  let survived = true
  for (const [name, part] of Object.entries(parts)) {
    figures = { evaluations: 0, failed: 0, wrong: 0, editsRefused: 0 }
    await part.kill()
    await sleep(AWAY_MS)
    await part.start()
    const back = performance.now()
    // Of an instance and the proxy: ready again, so that the next to be killed is never the only one.
    const { port } = part
    if (port !== undefined) {
      const isReady = async () => (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok
      await until(`${name} is ready again`, isReady, 30_000)
    }
    const from = written
    await until(
      `after ${name} was killed an edit arrives`,
      async () => written > from && app.number('topology', 0) >= from + 1,
      30_000,
    )
    const backMs = Math.round(performance.now() - back)
    await sleep(1_000)
    const { evaluations, failed, wrong, editsRefused } = figures
    // Without the proxy nobody gets through; everything else must not be noticed by evaluations.
    const good = wrong === 0 && backMs <= BACK_MS && (name === 'proxy' || failed === 0)
    survived &&= good
    console.log(
      `${name.padEnd(12)}${String(evaluations).padEnd(13)}${String(failed).padEnd(8)}${String(wrong).padEnd(7)}${String(editsRefused).padEnd(18)}${backMs} ms${good ? '' : '   NOT SURVIVED'}`,
    )
  }
  running = false
  await load
  await app.close()
  const { variants } = (await (await ask('GET', `${ENVIRONMENT}/flags/topology`)).json()) as {
    variants: { count: number }
  }
  const lost = written - variants.count
  console.log(`${written} edits acknowledged, ${lost <= 0 ? 'none' : lost} lost`)
  return survived && lost <= 0
}

type Evaluated = { readonly value?: unknown } | undefined
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

async function until(what: string, holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await holds().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`)
    await sleep(20)
  }
}

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

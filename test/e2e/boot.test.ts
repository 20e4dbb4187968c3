/**
 * The boot ladder, on real processes: a server that starts while its Postgres is away serves from the newest snapshot
 * that it may believe, and one that has none is up and says that it is not ready.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { mintKey } from '../../server/domain/keys.ts'
import { type DatabaseProxy, databaseProxy } from '../support/database-proxy.ts'
import { processes, type Server } from '../support/process.ts'
import { canStartRedis, startRedis } from '../support/redis.ts'
import { ANY, DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'

const all = processes()
const FLAG = `${DEVELOPMENT}/flags/checkout`
/** On a quiet machine it is less than one; the fault tests measure it. */
const SERVES_WITHIN_MS = 8_000
const RECOVERS_WITHIN_MS = 5_000
/** As a fleet has it: what one machine kept is good on another. */
const SECRET = 'a-secret-for-the-tests-that-is-long-enough'

type Ready = {
  readonly status: string
  readonly store: { readonly ok: boolean }
  readonly environments: readonly {
    readonly environment: string
    readonly ok: boolean
    readonly revision: number
    readonly source?: string
  }[]
}

const readiness = async ({ url }: Server) => {
  const answer = await fetch(`${url}/health/ready`)
  return { status: answer.status, body: (await answer.json()) as Ready }
}
const development = ({ environments }: Ready) =>
  environments.find(({ environment }) => environment === 'default/development')

describe('a server that starts while its Postgres is away', () => {
  let proxy: DatabaseProxy
  let server: Server
  let api: Rest
  let key: string
  let revision = 0

  const ruleset = (secret = key) =>
    fetch(`${server.url}/sdk/v1/ruleset`, { headers: { authorization: `Bearer ${secret}` } })
  const evaluate = async () => {
    const answer = await fetch(`${server.url}/ofrep/v1/evaluate/flags/checkout`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: '{"context":{"targetingKey":"ada"}}',
    })
    return [answer.status, ((await answer.json()) as { value?: unknown }).value]
  }
  const snapshots = () => join(server.dataDir, 'snapshots')
  /** Each file of the folder, changed in place. */
  const poison = (change: (bytes: Buffer, name: string) => Buffer) => {
    for (const name of readdirSync(snapshots())) {
      const path = join(snapshots(), name)
      writeFileSync(path, change(readFileSync(path), name))
    }
  }
  /** Stops the server, takes the database away, does that, and starts it again. */
  const restartAlone = async (meanwhile: () => unknown = () => {}, change = {}) => {
    await server.stop()
    await proxy.takeAway()
    await meanwhile()
    server = await server.again({ until: 'live', ...change })
    api = rest(server.url, server.adminKey)
  }
  const comesBack = async () => {
    proxy.heal()
    await proxy.giveBack()
    await until(
      'it is whole again',
      async () => {
        const { status, body } = await readiness(server)
        const whole = body.environments.every(({ ok, source }) => ok && source === 'database')
        return status === 200 && body.status === 'ready' && whole
      },
      RECOVERS_WITHIN_MS,
    )
  }
  const serves = () =>
    until('it serves', async () => (await readiness(server)).status === 200, SERVES_WITHIN_MS)

  beforeAll(async () => {
    proxy = await databaseProxy(await all.freshDatabase())
    server = await all.startServer({ database: proxy.url, settings: { HALYARD_SECRET: SECRET } })
    api = rest(server.url, server.adminKey)
    await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
    await api.must('PUT', `${FLAG}/fallthrough`, { variant: 'on' }, ANY)
    key = await sdkKey(api, 'server')
  })
  beforeEach(async () => {
    await comesBack()
    // A change of its own for each test, so that what is served can only be this one.
    await api.must('POST', `${FLAG}/disable`)
    const edited = await api.must<{ revision: number }>('POST', `${FLAG}/enable`)
    revision = edited.revision
  })
  afterAll(() => proxy?.close())

  it('serves what it served, verifies keys, refuses writes, and moves on when Postgres is back', async () => {
    const before = await ruleset()
    const [etag, state] = [before.headers.get('etag'), await before.json()]
    await restartAlone()
    await serves()

    const { body } = await readiness(server)
    expect(body).toMatchObject({ status: 'degraded', store: { ok: false } })
    expect(development(body)).toMatchObject({ ok: true, revision, source: 'disk' })
    const again = await ruleset()
    expect([again.status, again.headers.get('etag'), await again.json()]).toEqual([200, etag, state])
    expect(await evaluate()).toEqual([200, true])
    // A key that is newer than the snapshot would look just so: that the database is away is not its fault.
    expect((await ruleset(mintKey('server', randomBytes(32), 'nobody'))).status).toBe(503)
    expect((await api.ask('GET', FLAG)).status).toBe(200)
    expect((await rest(server.url, 'no key at all').ask('GET', FLAG)).status).toBe(401)
    const write = await api.ask('PUT', `${FLAG}/fallthrough`, { variant: 'off' }, ANY)
    expect(write).toMatchObject({ status: 503, body: { type: expect.stringContaining('unavailable') } })

    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toMatch(/^halyard_environments_by_source\{source="disk"\} 3$/m)
    await comesBack()
    expect((await ruleset(mintKey('server', randomBytes(32), 'nobody'))).status).toBe(401)
    const written = await api.must<{ revision: number }>('POST', `${FLAG}/disable`)
    expect(written.revision).toBe(revision + 1)
  })

  it('serves what it had kept when it was killed, and catches up with what others wrote meanwhile', async () => {
    await until('it is kept', () =>
      readdirSync(snapshots()).some(
        (name) =>
          name.endsWith('.snapshot') &&
          readFileSync(join(snapshots(), name), 'latin1').includes(
            `-${String(revision).padStart(16, '0')}\n`,
          ),
      ),
    )
    const other = await all.startServer({
      database: proxy.url,
      settings: { HALYARD_SECRET: SECRET, HALYARD_ADMIN_KEY: server.adminKey },
    })
    await server.kill()
    await rest(other.url, server.adminKey).must('POST', `${FLAG}/disable`)
    await other.stop()
    await restartAlone()
    await serves()
    expect(await evaluate()).toEqual([200, true])
    const app = await startSdk(
      all,
      { url: server.url, key },
      {
        ada: { flag: 'checkout', otherwise: true, context: { targetingKey: 'ada' } },
      },
    )
    expect((await app.ask()).results.ada.value).toBe(true)

    await comesBack()
    const caughtUp = await app.see('what was written meanwhile', ({ revision: at }) => at > revision)
    expect(caughtUp.results.ada.value).toBe(false)
    await app.close()
    const held = app.lines().map(({ epoch, revision: at }) => [epoch, at] as const)
    expect(held).toEqual([...held].sort(([a, b], [c, d]) => a - c || b - d))
  })

  it('does so, too, where Postgres is there and says nothing', async () => {
    await restartAlone(async () => {
      await proxy.giveBack()
      proxy.freeze()
    })
    await serves()
    expect(development((await readiness(server)).body)).toMatchObject({ source: 'disk' })
    expect(await evaluate()).toEqual([200, true])
    expect((await ruleset(mintKey('server', randomBytes(32), 'nobody'))).status).toBe(503)
  })

  it('serves what is whole where one environment’s snapshot is not', async () => {
    const { environments } = (await readiness(server)).body
    await restartAlone(() => {
      // Empty environments are small; this one has a flag.
      const size = largest()
      poison((bytes) => (bytes.length === size ? Buffer.from('garbage') : bytes))
    })
    await serves()
    expect((await readiness(server)).body.environments).toHaveLength(environments.length - 1)
    // Absence is no truth: neither "no flags" nor "no such key".
    expect((await ruleset()).status).toBe(503)
    expect((await evaluate())[0]).toBe(503)
    expect((await api.ask('GET', PROJECT)).status).toBe(200)
    expect(server.stderr()).toContain('a snapshot is not believed')
  })

  it.each([
    ['garbage', () => Buffer.from('garbage')],
    ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    [
      'changed in one bit',
      (bytes: Buffer) => {
        const changed = Buffer.from(bytes)
        changed[bytes.length >> 1] = (changed[bytes.length >> 1] as number) ^ 1
        return changed
      },
    ],
  ])(
    'is up and not ready where all snapshots are %s, refuses no key, and is whole with Postgres',
    async (_, how) => {
      await restartAlone(() => poison(how))
      await until('it has tried', () => server.stderr().includes('the store does not answer'))
      expect(await readiness(server)).toMatchObject({ status: 503, body: { status: 'starting' } })
      expect((await ruleset()).status).toBe(503)
      expect((await api.ask('GET', FLAG)).status).toBe(503)
      const metrics = await (await fetch(`${server.url}/metrics`)).text()
      expect(metrics).toMatch(/^halyard_snapshots_refused_total\{reason="(garbage|forged)"\} 5$/m)
      await comesBack()
      expect(await evaluate()).toEqual([200, true])
    },
  )

  it('believes none that another installation has signed', async () => {
    await restartAlone(() => {}, { settings: { HALYARD_SECRET: `another-${SECRET}` } })
    await until('it has tried', () => server.stderr().includes('the store does not answer'))
    expect((await readiness(server)).status).toBe(503)
    await server.stop()
    server = await server.again({ until: 'live', settings: { HALYARD_SECRET: SECRET } })
    await serves()
  })

  it('is up and not ready without any, and can be stopped so', async () => {
    await restartAlone(() => rmSync(snapshots(), { recursive: true }))
    await until('it has tried', () => server.stderr().includes('the store does not answer'))
    expect((await readiness(server)).status).toBe(503)
    expect((await ruleset()).status).toBe(503)
    expect((await server.stop()).code).toBe(0)
    server = await server.again({ until: 'live' })
  })

  function largest(): number {
    return Math.max(
      ...readdirSync(snapshots())
        .filter((name) => name.startsWith('env_'))
        .map((name) => readFileSync(join(snapshots(), name)).length),
    )
  }
})

it.runIf(canStartRedis())(
  'one with nothing on its disk serves what another has kept in Redis, and moves on when Postgres is back',
  async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.remove())
    const proxy = await databaseProxy(await all.freshDatabase())
    onTestFinished(() => proxy.close())
    const settings = { HALYARD_SECRET: SECRET, REDIS_URL: redis.url }
    const first = await all.startServer({ database: proxy.url, settings })
    const api = rest(first.url, first.adminKey)
    await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
    const key = await sdkKey(api, 'server')
    const { revision } = await api.must<{ revision: number }>('POST', `${FLAG}/enable`)
    // Its last act is to keep what was not kept yet.
    await first.stop()
    await proxy.takeAway()

    const { adminKey } = first
    const second = await all.startServer({ database: proxy.url, settings, adminKey, until: 'live' })
    await until('it serves', async () => (await readiness(second)).status === 200, SERVES_WITHIN_MS)
    const { body } = await readiness(second)
    expect(body).toMatchObject({ status: 'degraded', store: { ok: false } })
    expect(development(body)).toMatchObject({ ok: true, revision, source: 'redis' })
    const app = await startSdk(
      all,
      { url: second.url, key },
      { ada: { flag: 'checkout', otherwise: true, context: { targetingKey: 'ada' } } },
    )
    expect(await app.ask()).toMatchObject({ state: 'ready', revision, results: { ada: { value: false } } })

    await proxy.giveBack()
    await until(
      'it is whole again',
      async () => development((await readiness(second)).body)?.source === 'database',
      RECOVERS_WITHIN_MS,
    )
    await rest(second.url, adminKey).must('PUT', `${FLAG}/fallthrough`, { variant: 'on' }, ANY)
    expect((await app.see('the change', ({ revision: at }) => at > revision)).results.ada.value).toBe(true)
    await app.close()
  },
)

it('one on the embedded database keeps snapshots, too, and starts on what it has', async () => {
  const server = await all.startServer()
  const api = rest(server.url, server.adminKey)
  await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
  await server.stop()
  expect(readdirSync(join(server.dataDir, 'snapshots'))).toHaveLength(5)
  const again = await server.again()
  const { body } = await readiness(again)
  expect(body.status).toBe('ready')
  expect(body.environments.every(({ source }) => source === 'database')).toBe(true)
  expect((await rest(again.url, server.adminKey).ask('GET', FLAG)).status).toBe(200)
  expect((await again.stop()).code).toBe(0)
})

/** `halyard drill`, with real apps: whom a kill reaches, and that nothing stays killed, whatever happens on the way. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { halyard } from '../../support/cli.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { processes } from '../../support/process.ts'
import { startSdk } from '../../support/sdk-process.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'

const PROJECT = '/api/v1/projects/default'
const MINUTES = 60_000

let service: TestService
let url: string

beforeAll(async () => {
  service = await startService()
  url = await service.listen()
})
afterAll(() => service.close())

describe('halyard drill', () => {
  let key: string
  const cli = halyard(() => ({ HALYARD_URL: url, HALYARD_API_KEY: key }))
  const real = { pause: (ms: number) => sleep(ms) }
  const drill = (args: readonly string[], edge: Parameters<typeof cli>[1] = {}) =>
    cli(['drill', ...args], { ...real, ...edge })
  const all = processes()

  beforeEach(() => {
    key = service.adminKey
  })

  async function app(instance: string, environment = 'development') {
    const settings = { url, key: await service.sdkKey('server', environment) }
    const options = { app: { name: 'shop', version: '2.4.0', instance } }
    const started = await startSdk(all, settings, { it: { flag: 'it', otherwise: 0, context: {} } }, options)
    onTestFinished(async () => {
      started.child.kill('SIGCONT')
      await started.close()
    })
    await until('its stream works', async () => (await started.ask()).connected)
    return started
  }
  const path = (environment = 'development') => `${PROJECT}/environments/${environment}/flags/halyard-drill`
  const killIn = async (environment = 'development') =>
    (await service.ask('GET', path(environment))).body.kill as { readonly by: string } | null
  const kill = (comment: string) => service.ask('PUT', `${path()}/kill`, { body: { comment } })

  it('makes its flag, kills it in every environment, says whom that reached, and un-kills it', async () => {
    await app('pod-1')
    await app('pod-2')
    await app('pod-3', 'staging')
    const { code, said, told } = await drill([])
    expect([code, told]).toEqual([0, ''])
    for (const [environment, count] of [
      ['development', 2],
      ['staging', 1],
      ['production', 0],
    ]) {
      const times = count === 0 ? '' : ' \\(p50 \\d+ ms, p99 \\d+ ms\\)'
      expect(said).toMatch(
        new RegExp(
          [
            `^${environment} {2}everyone applied it`,
            ` {2}killed at revision \\d+ · servers 1 of 1 · SDKs ${count} of ${count} applied it${times}`,
            ...(count === 0 ? [] : [' {2}slowest {3}\\d+ ms']),
            ` {2}un-killed at revision \\d+ · servers 1 of 1 · processes ${count} of ${count} serve it again, within \\d+ s$`,
          ].join('\n'),
          'm',
        ),
      )
      expect(await killIn(String(environment))).toBeNull()
    }
    const flag = (await service.ask('GET', `${PROJECT}/flags/halyard-drill`)).body
    expect(flag).toMatchObject({ type: 'boolean', temporary: false })
    expect(flag.description).toContain('halyard drill')
  })

  it('names who did not apply it, exits 3, and un-kills all the same', async () => {
    await app('pod-1')
    const frozen = await app('pod-7')
    frozen.child.kill('SIGSTOP')
    const { code, said } = await drill(['development', '--timeout', '1s'])
    expect(code).toBe(3)
    expect(said).toContain('development  not everyone applied it in time')
    expect(said).toMatch(
      /SDKs 1 of 2 applied it .*· waiting for: shop@2\.4\.0 pod-7-\w+ \(at \d+, silent \d+ s\)/,
    )
    expect(said).toMatch(/un-killed at revision \d+ · servers 1 of 1 · processes 1 of 2 serve it again$/m)
    expect(await killIn()).toBeNull()
  })

  it('tells programs the same', async () => {
    await app('pod-1')
    const { code, said } = await drill(['--env', 'development', '--json'])
    expect(JSON.parse(said)).toMatchObject({
      project: 'default',
      exitCode: code,
      environments: [
        {
          environment: 'development',
          result: 'applied',
          durability: 'postgres',
          servers: { live: 1, applied: 1 },
          sdks: { known: 1, applied: 1, slowestMs: expect.any(Number) },
          unkill: { servedMs: expect.any(Number), sdks: { known: 1, applied: 1 } },
        },
      ],
    })
  })

  it('that is interrupted un-kills, and goes on to no other environment', async () => {
    const frozen = await app('pod-7')
    frozen.child.kill('SIGSTOP')
    const asked = new AbortController()
    const running = drill(['development', 'staging', '--timeout', '60s'], { interrupted: () => asked.signal })
    await until('it is killed', async () => (await killIn()) !== null)
    asked.abort()
    const { code, said, told } = await running
    expect(code).toBe(1)
    expect(told).toContain('Interrupted')
    expect(said).not.toContain('staging')
    expect(await killIn()).toBeNull()
  })

  it('is held up by no edit of its flag', async () => {
    const frozen = await app('pod-7')
    frozen.child.kill('SIGSTOP')
    const running = drill(['development', '--timeout', '2s'])
    await until('it is killed', async () => (await killIn()) !== null)
    await service.ask('POST', `${path()}/enable`, { headers: { 'if-match': '*' } })
    expect((await running).code).toBe(3)
    expect(await killIn()).toBeNull()
  })

  it('un-kills first what a drill left behind that died', async () => {
    await kill('A drill (halyard drill): nothing is wrong')
    const { code, said } = await drill(['development'], { now: () => Date.now() + 10 * MINUTES })
    expect(code).toBe(0)
    expect(said).toContain('a drill before this one had died')
    expect(await killIn()).toBeNull()
  })

  it('notices another that is under way, and leaves it alone', async () => {
    const frozen = await app('pod-7')
    frozen.child.kill('SIGSTOP')
    const first = drill(['development', '--timeout', '4s'])
    await until('it is killed', async () => (await killIn()) !== null)
    const second = await drill(['development'])
    expect(second.code).toBe(1)
    expect(second.said).toMatch(
      /Another drill is under way since 20\S+Z \(for \d+ s\) by configured admin key, or has died: from 20\S+Z on \(3 min after it began\), the next drill takes it for dead and ends it\. Nothing was done here\.$/,
    )
    expect(await killIn()).not.toBeNull()
    expect((await first).code).toBe(3)
    expect(await killIn()).toBeNull()
  })

  it('does not end a kill that was no drill’s, however old', async () => {
    await kill('INC-481: everything off')
    onTestFinished(async () => void (await service.ask('DELETE', `${path()}/kill`)))
    const { code, said } = await drill(['development'], { now: () => Date.now() + 600 * MINUTES })
    expect(code).toBe(1)
    expect(said).toContain('INC-481: everything off): that was no drill')
    expect(await killIn()).not.toBeNull()
  })

  it('says how to make the flag to a key that may not', async () => {
    await service.ask('POST', '/api/v1/projects', { body: { key: 'other' } })
    await service.ask('POST', '/api/v1/projects/other/environments', { body: { key: 'production' } })
    key = await service.managementKey([{ role: 'editor', environments: ['other/production'] }])
    const { code, said } = await drill(['production', '-p', 'other'])
    expect(code).toBe(1)
    expect(said).toContain('halyard flags create halyard-drill')
    key = await service.managementKey([{ role: 'killer', environments: ['other/production'] }])
    expect(await drill(['-p', 'other'])).toMatchObject({
      code: 64,
      told: expect.stringContaining('name those to drill'),
    })
  })

  it('is done by a key that may only kill, where the flag is there', async () => {
    await drill(['production'])
    key = await service.managementKey([{ role: 'killer', environments: ['default/production'] }])
    expect(await drill(['production'])).toMatchObject({ code: 0, told: '' })
    expect(await killIn('production')).toBeNull()
  })

  it('without the database is kept in the journal, exits 4, and the next one ends it', async () => {
    const database = await freshDatabase()
    const proxy = await tcpProxy(database.url)
    const other = await startService({ database: proxy.via(database.url) })
    onTestFinished(async () => {
      await other.close()
      await proxy.close()
      await database.drop()
    })
    const away = ['development', '--url', await other.listen(), '--timeout', '1s']
    expect((await drill(away)).code).toBe(0)
    await proxy.takeAway()
    const { code, said } = await drill(away)
    expect(code).toBe(4)
    expect(said).toContain('accepted in the journal: the database is away')
    expect(said).toContain('halyard-drill is still killed in development: the next drill un-kills it')
    await proxy.giveBack()
    await until('the kill is in the database', async () => {
      const { body } = await other.ask('GET', path().replace('/halyard-drill', ''))
      return body.items?.[0]?.kill !== null && other.live.status().store.ok
    })
    const next = await drill(away, { now: () => Date.now() + 10 * MINUTES })
    expect(next.said).toContain('a drill before this one had died')
    expect(next.code).toBe(0)
  })

  it('of a server that is away says so, and of a time that is none', async () => {
    const away = await drill(['development', '--url', 'http://127.0.0.1:1', '--key-file', '/dev/null'])
    expect(away.code).toBe(64)
    expect((await drill(['--timeout', '2m'])).told).toContain('--timeout is a time such as')
  })
})

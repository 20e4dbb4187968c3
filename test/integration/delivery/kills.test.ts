/**
 * A kill that proves itself: real SDKs on two instances acknowledge it, and whoever killed reads how far it came. Over
 * what instances share through Redis, and through Postgres where there is none.
 */
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { connect as connectPage } from '../../../sdk/browser/index.ts'
import type { KillReport } from '../../../server/live/delivery/account.ts'
import { behindOneAddress } from '../../support/balancer.ts'
import { asPage } from '../../support/page.ts'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { processes } from '../../support/process.ts'
import { canStartRedis, redisSettings } from '../../support/redis.ts'
import { type SdkProcess, startSdk } from '../../support/sdk-process.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import { redisRoom } from '../redis/support.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

describe.each(['Redis', 'Postgres'] as const)('a kill, told through %s', (through) => {
  const room = redisRoom()
  const all = processes()
  const services: TestService[] = []
  const urls: string[] = []
  let database: FreshDatabase
  let key: string
  let flag: string
  let flags = 0

  const skip = through === 'Redis' && !canStartRedis()

  beforeAll(async () => {
    if (skip) return
    database = await freshDatabase()
    const redis =
      through === 'Redis' ? redisSettings({ url: (await room.server()).url, prefix: 'kills:' }) : undefined
    for (let at = 0; at < 2; at++) services.push(await startService({ database: database.url, redis }))
    for (const service of services) urls.push(await service.listen())
    key = await first().sdkKey('server')
    await until('both know both', async () =>
      (await Promise.all(services.map(({ live }) => live.instances()))).every(({ length }) => length === 2),
    )
  })
  afterAll(async () => {
    for (const service of services) await service.close()
    await database?.drop()
  })
  beforeEach(async ({ skip: leave }) => {
    leave(skip, 'there is no redis-server here')
    flag = `flag-${flags++}`
    const made = { key: flag, type: 'boolean', fallthrough: { variant: 'on' } }
    await first().ask('POST', `${PROJECT}/flags`, { body: made })
    await first().ask('POST', `${ENVIRONMENT}/flags/${flag}/enable`, { headers: { 'if-match': '*' } })
  })

  const first = () => services[0]!
  async function apps(count: number, url: (at: number) => string) {
    const probes = { it: { flag, otherwise: false, context: {} } }
    const started = await Promise.all(
      Array.from({ length: count }, (_, at) => startSdk(all, { url: url(at), key }, probes)),
    )
    for (const app of started) {
      await until('its stream works', async () => {
        const { connected, results } = await app.ask()
        return connected && results.it.value === true
      })
    }
    return started
  }
  const kill = (query = '', at = 0) => services[at]!.ask('PUT', `${ENVIRONMENT}/flags/${flag}/kill${query}`)
  const closeAll = (started: readonly SdkProcess<'it'>[]) => Promise.all(started.map((app) => app.close()))

  it('is answered when all instances have it, and at its status soon all apps', async () => {
    const started = await apps(4, (at) => urls[at % 2]!)
    const { status, body } = await kill()
    expect(status).toBe(200)
    expect(body).toMatchObject({
      durability: 'postgres',
      servers: { live: 2, applied: 2, refused: [], missing: [] },
      sdks: { known: 4 },
      pollers: { known: 0, applied: 0 },
    })
    const told = await until('all have applied it', async () => {
      const answer = await first().ask('GET', body.status)
      return answer.body.complete && answer.body
    })
    expect(told.sdks).toMatchObject({ known: 4, applied: 4, waiting: [] })
    expect(told.sdks.p50Ms).toBeLessThanOrEqual(told.sdks.p99Ms)
    for (const app of started) expect((await app.ask()).results.it.value).toBe(false)
    await closeAll(started)
  })

  it('waits for apps where it is asked to, whichever instance is asked', async () => {
    const started = await apps(4, (at) => urls[at % 2]!)
    const { status, body } = await kill('?wait=sdks&timeout=10s', 1)
    expect(status).toBe(200)
    expect(body.sdks).toMatchObject({ known: 4, applied: 4, waiting: [] })
    await closeAll(started)
  })

  it('names exactly those who have not applied it, and sees them when they do', async () => {
    const started = await apps(5, (at) => urls[at % 2]!)
    const frozen = [started[0]!, started[3]!]
    const wake = () => {
      for (const { child } of frozen) child.kill('SIGCONT')
    }
    onTestFinished(wake)
    for (const { child } of frozen) child.kill('SIGSTOP')
    const { status, body } = await kill('?wait=sdks&timeout=1500ms')
    expect(status).toBe(202)
    expect(body.sdks).toMatchObject({ known: 5, applied: 3 })
    expect(body.sdks.waiting).toHaveLength(2)
    for (const one of body.sdks.waiting) {
      expect(one.silentMs).toBeGreaterThanOrEqual(0)
      expect(one.epoch).toBe(body.epoch)
    }
    wake()
    await until('all have applied it', async () => {
      const { body: told } = await services[1]!.ask('GET', body.status)
      return told.complete && told.sdks.applied === 5
    })
    await closeAll(started)
  })

  it('does not count apps that closed before it, and not twice those who changed their instance', async () => {
    const proxies: TcpProxy[] = []
    for (const url of urls) proxies.push(await tcpProxy(url))
    onTestFinished(async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))))
    const both = proxies.map((proxy, at) => proxy.via(urls[at]!)).join(',')
    const started = await apps(3, () => both)
    const moving = started[0]!
    const [gone] = await apps(1, () => urls[1]!)
    await gone!.close()
    moving.child.kill('SIGSTOP')
    const { body } = await kill('?wait=sdks&timeout=1s')
    expect(body.sdks).toMatchObject({ known: 3, applied: 2 })
    // Its instance is out of reach when it wakes, so that it goes to the other one.
    await proxies[0]!.takeAway()
    moving.child.kill('SIGCONT')
    const told = await until(
      'all have applied it',
      async () => {
        const answer = await first().ask('GET', body.status)
        return (answer.body as KillReport).sdks.applied === 3 && answer.body
      },
      30_000,
    )
    expect(told.sdks).toMatchObject({ known: 3, applied: 3, waiting: [] })
    await closeAll(started)
  })

  it('counts apps once, as streams, whichever instance each of their requests reaches', async () => {
    const url = await behindOneAddress(urls)
    const started = await apps(4, () => url)
    // With a poll beside each stream, perhaps at another instance.
    for (const { ask } of started) expect((await ask()).connected).toBe(true)
    const { status, body } = await kill('?wait=sdks&timeout=10s')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      sdks: { known: 4, applied: 4, waiting: [] },
      pollers: { known: 0, applied: 0 },
    })
    expect(body.sdks.p99Ms).toBeGreaterThanOrEqual(body.sdks.p50Ms)
    await closeAll(started)
  })

  it('counts pages that say what they hold when they ask again, and waits for none of them', async () => {
    vi.stubGlobal('BroadcastChannel', QuietChannel)
    asPage('https://shop.example', urls[0]!)
    onTestFinished(() => void vi.unstubAllGlobals())
    await first().ask('PATCH', ENVIRONMENT, {
      body: { settings: { corsOrigins: ['https://shop.example'] } },
      headers: { 'if-match': '*' },
    })
    await first().ask('PATCH', `${ENVIRONMENT}/flags/${flag}`, {
      body: { visibility: 'client' },
      headers: { 'if-match': '*' },
    })
    const page = await connectPage({ url: urls[0]!, key: await first().sdkKey('client') })
    onTestFinished(() => page.close())
    await until('its stream works', () => page.status().connected && page.boolean(flag, false))
    const { status, body } = await kill('?wait=sdks&timeout=10s', 1)
    expect(status).toBe(200)
    expect(body).toMatchObject({ sdks: { known: 0 }, pollers: { known: 1 } })
    await until('it says that it has it', async () => {
      const answer = await services[1]!.ask('GET', body.status)
      return (answer.body as KillReport).pollers.applied === 1
    })
    expect(page.boolean(flag, true)).toBe(false)
    // Of a flag that no page sees there is nothing for it to say.
    const made = { key: `${flag}-inside`, type: 'boolean' }
    await first().ask('POST', `${PROJECT}/flags`, { body: made })
    const inside = await first().ask('PUT', `${ENVIRONMENT}/flags/${flag}-inside/kill`)
    expect(inside.body.pollers).toMatchObject({ known: 0 })
  })

  it('streams its status to whoever follows it', async () => {
    const started = await apps(2, (at) => urls[at]!)
    started[0]!.child.kill('SIGSTOP')
    const { body } = await kill('?wait=none')
    const stream = await fetch(urls[1]! + body.status, {
      headers: { authorization: `Bearer ${first().adminKey}`, accept: 'text/event-stream' },
    })
    expect(stream.headers.get('content-type')).toContain('text/event-stream')
    setTimeout(() => started[0]!.child.kill('SIGCONT'), 500)
    const text = await stream.text()
    const events = text.split('\n\n').filter((event) => event !== '')
    const last = JSON.parse(events.at(-1)!.replace(/^event: status\ndata: /, ''))
    expect(events.length).toBeGreaterThan(1)
    expect(last).toMatchObject({ complete: true, sdks: { known: 2, applied: 2 } })
    await closeAll(started)
  })

  it('misses an instance that went without a word, and not one that said that it ends', async () => {
    const leaving = await startService({ database: database.url, redis: undefined })
    await leaving.close()
    const { status, body } = await kill()
    expect(status).toBe(200)
    expect(body.servers).toMatchObject({ live: 2, applied: 2 })
  })

  it('is counted: how it was answered, how soon apps applied it, and by no name of an app', async () => {
    const measured = async () => {
      const { text } = await first().ask('GET', '/metrics', { key: null })
      const lines = text.split('\n').filter((line) => line.startsWith('halyard_'))
      const value = (name: string) =>
        Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length))
      return {
        series: lines.length,
        acks: value('halyard_acknowledgements_total'),
        applied: value('halyard_kill_applied_seconds_count'),
        withinMinute: value('halyard_kill_applied_seconds_bucket{le="60"}'),
        streams: value('halyard_followers{how="stream"}'),
        complete: value('halyard_kills_answered_total{outcome="complete",durability="postgres"}'),
        partial: value('halyard_kills_answered_total{outcome="partial",durability="postgres"}'),
      }
    }
    const started = await apps(2, () => urls[0]!)
    const before = await measured()
    started[0]!.child.kill('SIGSTOP')
    const { body } = await kill('?wait=sdks&timeout=300ms')
    started[0]!.child.kill('SIGCONT')
    await until('all have applied it', async () => (await first().ask('GET', body.status)).body.complete)
    const { epoch, revision } = first().live.live(
      first().live.environment('default', 'development')!.id,
    )!.state
    for (let at = 0; at < 30; at++) {
      await first().ask('POST', '/sdk/v1/acks', {
        key,
        body: { epoch, revision },
        headers: {
          'halyard-app': `app-${at}/${at}`,
          'halyard-instance': `pod-${at}`,
          'halyard-sdk': `x/${at}`,
        },
      })
    }
    await kill()
    const after = await measured()
    expect(after).toEqual({
      series: before.series,
      acks: before.acks + 32,
      applied: before.applied + 2,
      withinMinute: before.withinMinute + 2,
      streams: before.streams,
      complete: before.complete + 1,
      partial: before.partial + 1,
    })
    expect(before.streams).toBeGreaterThanOrEqual(2)
    await closeAll(started)
  })

  it('is known after its time from what was kept with it, and by its id alone', async () => {
    const { body } = await kill('?wait=sdks')
    const { id } = first().live.environment('default', 'development')!
    const client = new pg.Client(database.url)
    await client.connect()
    onTestFinished(() => client.end())
    const kept = await until('it was kept', async () => {
      const query = 'SELECT report FROM halyard.kill_reports WHERE log_id = $1 AND kill_id = $2'
      return (await client.query(query, [id, body.kill.id])).rows[0]
    })
    expect(JSON.parse(kept.report)).toMatchObject({ servers: { live: 2, applied: 2 } })
    const unknown = await first().ask('GET', `${ENVIRONMENT}/kills/nope`)
    expect(unknown.status).toBe(404)
  })
})

/** Of one tab: there is nobody else to be told. */
class QuietChannel {
  onmessage = undefined
  postMessage() {}
  close() {}
}

/**
 * Kills while the database is away, alone or together with Redis: accepted on this instance's disk, in effect on all,
 * and in the log exactly once when it is back.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { processes } from '../../support/process.ts'
import { canStartRedis, redisSettings } from '../../support/redis.ts'
import { startSdk } from '../../support/sdk-process.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import { redisRoom } from '../redis/support.ts'

const PROJECT = '/api/v1/projects/default'
const ENVIRONMENT = `${PROJECT}/environments/development`

describe.each(['Redis', 'nothing'] as const)('kills without a database, with %s beside it', (beside) => {
  const room = redisRoom()
  const all = processes()
  const services: TestService[] = []
  const folders: string[] = []
  let database: FreshDatabase
  let postgres: TcpProxy
  let redis: TcpProxy | undefined
  let flag: string
  let flags = 0
  let key: string
  let urls: string[]

  const skip = beside === 'Redis' && !canStartRedis()
  const [first, second] = [() => services[0]!, () => services[1]!]

  beforeAll(async () => {
    if (skip) return
    database = await freshDatabase()
    postgres = await tcpProxy(database.url)
    const server = beside === 'Redis' ? await room.server() : undefined
    redis = server && (await tcpProxy(server.url))
    const settings = server && redisSettings({ url: redis!.via(server.url), prefix: 'without:' })
    for (let at = 0; at < 2; at++) {
      const dataDir = join(all.freshFolder(), 'data')
      folders.push(dataDir)
      services.push(await startService({ database: postgres.via(database.url), redis: settings, dataDir }))
    }
    urls = await Promise.all(services.map((service) => service.listen()))
    key = await first().sdkKey('server')
    await until(
      'each knows where the other is',
      async () => {
        const known = await Promise.all(services.map(({ live }) => live.instances()))
        return known.every((each) => each.filter(({ address }) => address !== undefined).length === 2)
      },
      20_000,
    )
  })
  afterAll(async () => {
    await postgres?.giveBack()
    await redis?.giveBack()
    for (const service of services) await service.close()
    await postgres?.close()
    await redis?.close()
    await database?.drop()
  })
  beforeEach(async ({ skip: leave }) => {
    leave(skip, 'there is no redis-server here')
    await postgres.giveBack()
    await redis?.giveBack()
    flag = `flag-${flags++}`
    const made = { key: flag, type: 'boolean', fallthrough: { variant: 'on' } }
    await first().ask('POST', `${PROJECT}/flags`, { body: made })
    await first().ask('POST', `${ENVIRONMENT}/flags/${flag}/enable`, { headers: { 'if-match': '*' } })
    await until('all have it', () => services.every((service) => evaluated(service)?.value === true))
  })

  function evaluated({ live }: TestService) {
    const environment = live.environment('default', 'development')
    return environment && live.evaluate(environment.id, flag, {})
  }
  const kill = (query = '', body?: object) =>
    first().ask('PUT', `${ENVIRONMENT}/flags/${flag}/kill${query}`, body === undefined ? {} : { body })
  const journal = () => folders.map((folder) => readdirSync(join(folder, 'kills')))
  const killChanges = async () => {
    const { body } = await first().ask('GET', `${ENVIRONMENT}/changes?flag=${flag}&action=flag.kill`)
    return body.items as { revision: number; actor: { name: string }; comment: string | null }[]
  }
  async function settled() {
    // The database that is back may fail the first who ask.
    await until('it is in the log', async () => (await killChanges().catch(() => [])).length > 0)
    await until('nobody keeps it any more', () => journal().every((files) => files.length === 0))
  }

  it('is accepted, in effect everywhere, and in the log once when the database is back', async () => {
    const app = await startSdk(all, { url: urls[1]!, key }, { it: { flag, otherwise: false, context: {} } })
    await until('the app is there', async () => (await app.ask()).results.it.value === true)
    await postgres.takeAway()
    const { status, body } = await kill('?timeout=10s', { comment: 'INC-481' })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      durability: beside === 'Redis' ? 'journal+redis' : 'journal',
      kill: { comment: 'INC-481' },
      serves: { variant: 'off', value: false },
      servers: { live: 2, applied: 2, missing: [] },
    })
    for (const service of services)
      expect(evaluated(service)).toMatchObject({ value: false, reason: 'DISABLED' })
    await until('the app has it', async () => (await app.ask()).results.it.value === false)
    const told = await until('it says so', async () => {
      const answer = await first().ask('GET', body.status)
      return answer.body.complete && answer.body
    })
    expect(told.sdks).toMatchObject({ known: 1, applied: 1, waiting: [] })
    expect(journal().map((files) => files.length)).toEqual([1, 1])

    await postgres.giveBack()
    await settled()
    expect(await killChanges()).toMatchObject([
      { comment: 'INC-481', actor: { name: 'configured admin key' } },
    ])
    const { body: shown } = await first().ask('GET', `${ENVIRONMENT}/flags/${flag}`)
    expect(shown.kill).toEqual(body.kill)
    for (const service of services)
      expect(evaluated(service)).toMatchObject({ value: false, reason: 'DISABLED' })
    await app.close()
  })

  it('is answered with the revision that has it, where the log has it by then', async () => {
    const app = await startSdk(all, { url: urls[1]!, key }, { it: { flag, otherwise: false, context: {} } })
    await until('the app is there', async () => (await app.ask()).connected)
    app.child.kill('SIGSTOP')
    onTestFinished(() => void app.child.kill('SIGCONT'))
    await postgres.takeAway()
    // It waits for the app, and the database is back before that ends.
    const killing = kill('?wait=sdks&timeout=10s')
    await until('it is kept', () => journal().every((files) => files.length === 1))
    await postgres.giveBack()
    await settled()
    app.child.kill('SIGCONT')
    const { body } = await killing
    const [change] = await killChanges()
    expect(body).toMatchObject({ durability: 'postgres', revision: change?.revision })
    await app.close()
  })

  it('is in the log as it was accepted, where the database was slow and takes that very request', async () => {
    const editor = new pg.Client({ connectionString: database.url })
    await editor.connect()
    onTestFinished(() => editor.end())
    await editor.query('BEGIN')
    await editor.query(`SELECT 1 FROM halyard.logs WHERE environment = 'development' FOR UPDATE`)
    const killing = first().ask('PUT', `${ENVIRONMENT}/flags/${flag}/kill`, {
      body: { comment: 'INC-481' },
      headers: { 'idempotency-key': `slow-${flag}-${beside}` },
    })
    await until('it is kept', () => journal().some((files) => files.length === 1))
    await editor.query('COMMIT')
    const { body: killed } = await killing
    await settled()
    expect(await killChanges()).toHaveLength(1)
    const { body: shown } = await first().ask('GET', `${ENVIRONMENT}/flags/${flag}`)
    expect(shown.kill).toMatchObject({ id: killed.kill.id, comment: 'INC-481' })
    for (const service of services)
      expect(evaluated(service)).toMatchObject({ value: false, reason: 'DISABLED' })
  })

  it('is one kill, however often it is asked for', async () => {
    await postgres.takeAway()
    const [one, other] = [await kill(), await kill()]
    expect(other.body).toMatchObject({ already: true, kill: one.body.kill })
    await postgres.giveBack()
    await settled()
    expect(await killChanges()).toHaveLength(1)
  })

  it('is ended like any other, and does not come back', async () => {
    await postgres.takeAway()
    const { body: killed } = await kill()
    await postgres.giveBack()
    const { status, body } = await until('the database takes it', async () => {
      const answer = await first().ask('DELETE', `${ENVIRONMENT}/flags/${flag}/kill`)
      return answer.status === 503 ? undefined : answer
    })
    expect([status, body.ended]).toEqual([200, killed.kill])
    await settled()
    await until('all serve it again', () => services.every((service) => evaluated(service)?.value === true))
    for (const { live } of services) {
      const environment = live.environment('default', 'development')!
      expect(live.live(environment.id)?.state.pending.size).toBe(0)
    }
  })

  it('is taken up by a kill that the log has got meanwhile, and ends with it', async () => {
    const third = await startService({ database: database.url })
    onTestFinished(async () => {
      await third.close()
      // They read that it has ended while the database is there to say so.
      await Promise.all(services.map(({ live }) => live.instances()))
    })
    await postgres.takeAway()
    const { body: logged } = await third.ask('PUT', `${ENVIRONMENT}/flags/${flag}/kill`)
    const { body: late } = await kill('', { comment: 'late' })
    expect([logged.durability, late.durability]).toEqual(['postgres', expect.stringContaining('journal')])
    await postgres.giveBack()
    const shown = await until('it is taken up', async () => {
      const { body } = await third.ask('GET', `${ENVIRONMENT}/flags/${flag}`)
      return body.kill.also !== undefined && body.kill
    })
    expect(shown).toEqual({ ...logged.kill, also: [late.kill] })
    expect(await killChanges()).toHaveLength(2)
    await until('the first has heard of it', async () => {
      const { body } = await first().ask('GET', `${ENVIRONMENT}/flags/${flag}`)
      return body.kill.id === logged.kill.id
    })
    const { body } = await first().ask('DELETE', `${ENVIRONMENT}/flags/${flag}/kill`)
    expect(body.ended).toEqual(shown)
    await until('all serve it again', () => services.every((service) => evaluated(service)?.value === true))
  })

  it('takes a group as one: one record, and one revision for all of it', async () => {
    const tagged = `${flag}-too`
    const made = { key: tagged, type: 'boolean', fallthrough: { variant: 'on' }, tags: [flag] }
    await first().ask('POST', `${PROJECT}/flags`, { body: made })
    const identity = await first().ask('GET', `${PROJECT}/flags/${flag}`)
    await first().ask('PATCH', `${PROJECT}/flags/${flag}`, {
      body: { tags: [flag] },
      headers: { 'if-match': identity.etag },
    })
    await until('the other knows the tags', async () => {
      const { body } = await second().ask('GET', `${PROJECT}/flags?tag=${flag}`)
      return body.items.length === 2
    })
    await postgres.takeAway()
    const { body } = await second().ask('POST', `${ENVIRONMENT}/kills?timeout=10s`, {
      body: { tag: flag, expect: 2, comment: 'INC-481' },
    })
    expect(body).toMatchObject({
      durability: expect.stringContaining('journal'),
      kills: [{ key: flag }, { key: tagged }],
      servers: { live: 2, applied: 2 },
    })
    await postgres.giveBack()
    await settled()
    const shown = await Promise.all(
      [flag, tagged].map((key) => first().ask('GET', `${ENVIRONMENT}/changes?flag=${key}&action=flag.kill`)),
    )
    const [one, other] = shown.map((answer) => answer.body.items)
    expect(one).toHaveLength(1)
    expect(other).toEqual(one)
  })

  it('does not take an edit, and says why', async () => {
    await postgres.takeAway()
    const { status, body } = await first().ask('DELETE', `${ENVIRONMENT}/flags/${flag}/kill`)
    expect([status, body.type]).toEqual([503, expect.stringContaining('unavailable')])
    const unknown = await first().ask('PUT', `${ENVIRONMENT}/flags/nobody-knows/kill`)
    expect([unknown.status, unknown.body.detail]).toEqual([503, expect.stringContaining('nobody-knows')])
    const tagged = await first().ask('POST', `${ENVIRONMENT}/kills`, { body: { tag: 'no-such', expect: 1 } })
    expect([tagged.status, tagged.body.detail]).toEqual([503, expect.stringContaining('no-such')])
    const nowhere = await first().ask('PUT', `${PROJECT}/environments/nowhere/flags/${flag}/kill`)
    expect([nowhere.status, nowhere.body.detail]).toEqual([503, expect.stringContaining('nowhere')])
    await postgres.giveBack()
  })

  it('takes the same request again as the one that it is', async () => {
    const again = () =>
      first().ask('PUT', `${ENVIRONMENT}/flags/${flag}/kill`, {
        headers: { 'idempotency-key': `once-${flag}-${beside}` },
      })
    await postgres.takeAway()
    const { body: one } = await again()
    const { body: twice } = await again()
    expect(twice).toMatchObject({ kill: one.kill, durability: one.durability })
    expect(journal()[0]).toHaveLength(1)
    await postgres.giveBack()
    await settled()
    const { body: other } = await again()
    expect(other.kill.id).toBe(one.kill.id)
    expect(await killChanges()).toHaveLength(1)
  })

  it('does not keep anybody from seeing who is connected, at all instances', async () => {
    const app = await startSdk(all, { url: urls[1]!, key }, { it: { flag, otherwise: false, context: {} } })
    await until('its stream works', async () => (await app.ask()).connected)
    await postgres.takeAway()
    await redis?.takeAway()
    const { status, body } = await first().ask('GET', `${ENVIRONMENT}/delivery`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ complete: true, missing: [], total: { processes: 1, current: 1 } })
    expect(body.servers).toHaveLength(2)
    await app.close()
  })

  it('goes directly from instance to instance where Redis is away as well', async ({ skip: leave }) => {
    leave(beside !== 'Redis', 'there is none here')
    await postgres.takeAway()
    await redis!.takeAway()
    const { body } = await kill('?timeout=10s')
    expect(body).toMatchObject({ durability: 'journal', servers: { live: 2, applied: 2, missing: [] } })
    expect(evaluated(second())).toMatchObject({ value: false, reason: 'DISABLED' })
    await postgres.giveBack()
    await redis!.giveBack()
    await settled()
    expect(await killChanges()).toHaveLength(1)
  })
})

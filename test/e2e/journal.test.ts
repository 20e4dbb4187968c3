/**
 * A burning building: Postgres and Redis are gone, somebody kills a flag, and then the very server that took the kill
 * is killed. The kill is in force when it starts again, and in the log, once, when Postgres is back.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keptOnDisk } from '../support/disk-snapshots.ts'
import { canStartPostgres, type PostgresProcess, startPostgres } from '../support/postgres.ts'
import { processes, type Server } from '../support/process.ts'
import { canStartRedis, type RedisProcess, startRedis } from '../support/redis.ts'
import { DEVELOPMENT, PROJECT, type Rest, rest, sdkKey } from '../support/rest.ts'
import { startSdk } from '../support/sdk-process.ts'
import { until } from '../support/until.ts'

const all = processes()
const FLAG = `${DEVELOPMENT}/flags/checkout`

type Change = { readonly comment: string | null }

describe.skipIf(!canStartPostgres() || !canStartRedis())('a kill in a burning building', () => {
  let postgres: PostgresProcess
  let redis: RedisProcess
  let one: Server
  let other: Server
  let api: Rest
  let key: string

  beforeAll(async () => {
    postgres = await startPostgres()
    redis = await startRedis()
    const settings = { REDIS_URL: redis.url, HALYARD_SECRET: 'a-secret-that-both-of-the-servers-have' }
    const database = await all.freshDatabase(postgres.url)
    one = await all.startServer({ database, settings })
    other = await all.startServer({ database, settings: { ...settings, HALYARD_ADMIN_KEY: one.adminKey } })
    api = rest(one.url, one.adminKey)
    await api.must('POST', `${PROJECT}/flags`, { key: 'checkout', type: 'boolean' })
    await api.must('PUT', `${FLAG}/fallthrough`, { variant: 'on' }, { 'if-match': '*' })
    await api.must('POST', `${FLAG}/enable`)
    key = await sdkKey(api, 'server')
  })
  afterAll(async () => {
    await postgres?.remove()
    await redis?.remove()
  })

  async function evaluated(server: Server): Promise<unknown> {
    const answer = await fetch(`${server.url}/ofrep/v1/evaluate/flags/checkout`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: '{"context":{}}',
    })
    return ((await answer.json()) as { value?: unknown }).value
  }

  it('is kept by whoever took it, whatever dies next', async () => {
    const app = await startSdk(
      all,
      { url: other.url, key },
      { it: { flag: 'checkout', otherwise: false, context: {} } },
    )
    await app.see('the flag on', ({ results }) => results.it.value === true)
    await keptOnDisk(one)
    await postgres.kill()
    await redis.kill()

    const { status, body } = await api.ask<Record<string, unknown>>(
      'POST',
      '/kill/default/development/checkout',
      {
        comment: 'INC-481',
      },
    )
    expect([200, 202]).toContain(status)
    expect(body).toMatchObject({ durability: 'journal', kill: { comment: 'INC-481' } })
    await until('the app has it off', async () => (await app.ask()).results.it.value === false)
    expect(await evaluated(other)).toBe(false)

    await one.kill()
    one = await one.again({ until: 'live' })
    await until('it serves from its disk, killed', async () => (await evaluated(one)) === false)

    const again = await rest(one.url, one.adminKey).ask<{ servers: object; sdks: object }>(
      'PUT',
      `${FLAG}/kill`,
    )
    // It found the kill in its journal: it serves it, and says of no app that it counted it.
    expect(again.body).toMatchObject({ already: true, servers: { missing: [] } })
    expect(again.body.servers).toMatchObject({ applied: expect.toSatisfy((count) => count >= 1) })

    await postgres.start()
    const changes = await until('it is in the log', async () => {
      const answer = await api.ask<{ items: Change[] }>(
        'GET',
        `${DEVELOPMENT}/changes?flag=checkout&action=flag.kill`,
      )
      return answer.status === 200 && answer.body.items.length > 0 && answer.body.items
    })
    expect(changes).toMatchObject([{ comment: 'INC-481' }])
    for (const server of [one, other]) {
      await until('each has it from there', async () => {
        const shown = await rest(server.url, one.adminKey).ask<{ kill: unknown; revision: number }>(
          'GET',
          FLAG,
        )
        return shown.status === 200 && shown.body.kill !== null
      })
      expect(await evaluated(server)).toBe(false)
    }
    expect((await app.ask()).results.it.value).toBe(false)
    expect(
      (await api.must<{ items: Change[] }>('GET', `${DEVELOPMENT}/changes?flag=checkout&action=flag.kill`))
        .items,
    ).toHaveLength(1)
    await app.close()
  })
})

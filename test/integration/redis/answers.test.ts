/** Whole services on one Postgres and one Redis: bulk answers that they share, and those that they do not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts'
import { canStartRedis, redisSettings } from '../../support/redis.ts'
import type { RedisProcess } from '../../support/redis-process.ts'
import { type Asked, startService, type TestService } from '../../support/start-service.ts'
import { until } from '../../support/until.ts'
import { redisRoom } from './support.ts'

const PROJECT = '/api/v1/projects/default'
const DEAR = `${PROJECT}/environments/production`
const BULK = '/ofrep/v1/evaluate/flags'
/** Stands in a context, in targets and in rules. */
const EMAIL = 'canary.person@example.com'
const UNIT = 'canary-unit'
const FLAGS = 12

const room = redisRoom()
let database: FreshDatabase
let server: RedisProcess
let one: TestService
let other: TestService
let key: { readonly dear: string; readonly cheap: string }
const opened: TestService[] = []

async function service(changes: Parameters<typeof startService>[0] = {}): Promise<TestService> {
  const redis = redisSettings({ url: server.url, prefix: 'shop:' })
  const made = await startService({ database: database.url, redis, ...changes })
  opened.push(made)
  await until('Redis works', () => made.live.status().redis?.ok)
  return made
}

async function must(method: string, url: string, body?: object): Promise<void> {
  const answer = await one.ask(method, url, { body, headers: { 'if-match': '*' } })
  if (answer.status >= 300) throw new Error(`${method} ${url}: ${answer.text}`)
}

beforeAll(async () => {
  if (!canStartRedis()) return
  database = await freshDatabase()
  server = await room.server()
  one = await service()
  for (let number = 0; number < FLAGS; number++) {
    const flag = `canary-flag-${number}`
    const patterns = Array.from({ length: 60 }, (_, n) => `^canary[.]person${number}x${n}@`)
    await must('POST', `${PROJECT}/flags`, {
      key: flag,
      type: 'string',
      variants: { a: `canary-value-${number}`, b: 'other' },
      offVariant: 'b',
      fallthrough: { variant: 'b' },
    })
    await must('POST', `${DEAR}/flags/${flag}/rules`, {
      id: 'mail',
      when: { attribute: 'email', op: 'matches', values: [...patterns, '^canary[.]person@'] },
      serve: { variant: 'a' },
    })
    await must('POST', `${DEAR}/flags/${flag}/enable`)
  }
  await must('PUT', `${DEAR}/flags/canary-flag-0/targets/a`, { units: [UNIT] })
  other = await service()
  key = { dear: await one.sdkKey('server', 'production'), cheap: await one.sdkKey('server') }
  await other.live.catchUp(other.live.environment('default', 'production')!.project.id)
})
afterAll(async () => {
  for (const made of opened) await made.close()
  await database?.drop()
})

const bulk = (at: TestService, context: object, by = key.dear): Promise<Asked> =>
  at.ask('POST', BULK, { key: by, body: { context } })
const from = ({ headers }: Asked) => headers['x-evaluation-cache']
const values = ({ body }: Asked) => body.flags.map(({ value }: { value: string }) => value)
/** What is right for whoever is matched by their e-mail address. */
const MATCHED = Array.from({ length: FLAGS }, (_, number) => `canary-value-${number}`).sort()

let strangers = 0
const stranger = () => ({ targetingKey: `stranger-${strangers++}`, email: EMAIL })
const names = async () =>
  (await server.cli('--scan', '--pattern', 'shop:answer:*')).split('\n').filter(Boolean)
const count = async (at: TestService, series: string) => {
  const { text } = await at.ask('GET', '/metrics', { key: null })
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')[1],
  )
}
/** The name under which the answer for a new context is kept. */
async function kept(context: object): Promise<string> {
  const before = new Set(await names())
  expect(from(await bulk(one, context))).toBe('computed')
  return until('it is kept', async () => (await names()).find((name) => !before.has(name)))
}

describe.runIf(canStartRedis())('an answer that is dear to compute', () => {
  it('is computed by one instance and served by the other from Redis: the same bytes, and the same ETag', async () => {
    const context = stranger()
    await kept(context)
    const [again, there] = [await bulk(one, context), await bulk(other, { ...context, unrelated: 1 })]
    expect([from(again), from(there)]).toEqual(['redis', 'redis'])
    expect(there.text).toBe(again.text)
    expect(there.etag).toBe(again.etag)
    expect(values(there).sort()).toEqual(MATCHED)
    expect(from(await bulk(other, context))).toBe('redis')
    expect(from(await bulk(other, context))).toBe('memory')
    const known = await other.ask('POST', BULK, {
      key: key.dear,
      body: { context },
      headers: { 'if-none-match': there.etag },
    })
    expect(known.status).toBe(304)
    expect(await count(other, 'halyard_bulk_answers_total{from="redis"}')).toBe(2)
  })

  it('is another after an edit, at once where it was made', async () => {
    const context = stranger()
    await kept(context)
    await must('PUT', `${DEAR}/flags/canary-flag-3/kill`)
    const killed = await bulk(one, context)
    expect(from(killed)).toBe('computed')
    expect(values(killed)).not.toContain('canary-value-3')
    await until(
      'the other instance has heard of it',
      async () => !values(await bulk(other, context)).includes('canary-value-3'),
    )
    await must('DELETE', `${DEAR}/flags/canary-flag-3/kill`)
    await until('it is over', async () => values(await bulk(other, context)).includes('canary-value-3'))
  })

  it('stands in Redis under a name that tells nothing of whom it is for, and for an hour at most', async () => {
    await kept({ targetingKey: UNIT, email: EMAIL, name: 'Canary Person' })
    const all = (await server.cli('--scan')).split('\n')
    expect(all.length).toBeGreaterThan(1)
    for (const name of all) {
      expect(name).toMatch(
        /^shop:(answer:1:[\w-]{43}|snapshots|snapshot:\w+\.v1|[\w-]{8}:(instance|account)s|[\w-]{8}:(instance|account):[\w-]{12}|probe)$/,
      )
      if (name.startsWith('shop:snapshot')) continue
      const ttl = Number(await server.cli('ttl', name))
      expect(ttl).toBeGreaterThan(0)
      expect(ttl).toBeLessThanOrEqual(60 * 60)
      const value = await server.cli('get', name)
      for (const personal of [EMAIL, 'canary.person', UNIT, 'Canary Person']) {
        expect(value).not.toContain(personal)
      }
    }
  })

  it('is no answer to an installation with another secret', async () => {
    const context = stranger()
    await kept(context)
    const foreign = await service({ secret: 'another secret, which is long enough, too' })
    expect(from(await bulk(foreign, context))).toBe('computed')
  })
})

describe.runIf(canStartRedis())('an answer that is cheap to compute', () => {
  it('is computed, and Redis is neither asked nor told', async () => {
    // Other commands go on: instances say that they are there.
    const asked = async () => {
      const stats = await server.cli('info', 'commandstats')
      return Number(/cmdstat_get:calls=(\d+)/.exec(stats)?.[1])
    }
    const before = [await asked(), (await names()).length]
    expect(from(await bulk(one, stranger(), key.cheap))).toBe('computed')
    expect(from(await bulk(one, stranger(), key.cheap))).toBe('computed')
    expect([await asked(), (await names()).length]).toEqual(before)
  })
})

describe.runIf(canStartRedis())('while Redis fails', () => {
  const faults: Readonly<Record<string, { begin(): Promise<unknown>; end(): Promise<unknown> }>> = {
    'is killed': { begin: () => server.kill(), end: () => server.start() },
    'is frozen': { begin: async () => server.freeze(), end: async () => server.thaw() },
    'pauses its clients': {
      begin: () => server.cli('client', 'pause', '3000', 'all'),
      // It pauses whoever would end it, too.
      end: async () => {},
    },
    'is a replica that takes no writes': {
      begin: () => server.cli('replicaof', '127.0.0.1', '1'),
      end: () => server.cli('replicaof', 'no', 'one'),
    },
    'lets us do nothing': {
      begin: () => server.cli('acl', 'setuser', 'default', 'resetkeys'),
      end: () => server.cli('acl', 'setuser', 'default', 'allkeys'),
    },
  }
  for (const [fault, { begin, end }] of Object.entries(faults)) {
    it(`because it ${fault}, answers are right, hardly anyone waits for it, and it is used again by itself`, async () => {
      await begin()
      try {
        const before = await count(one, 'halyard_redis_commands_total')
        for (let n = 0; n < 100; n++) {
          const answer = await bulk(one, stranger())
          expect([answer.status, values(answer).sort()]).toEqual([200, MATCHED])
        }
        // A question or two, and what they came to; or nothing at all, where the connection was seen to end.
        expect((await count(one, 'halyard_redis_commands_total')) - before).toBeLessThanOrEqual(4)
        expect(one.live.status().redis?.ok).toBe(false)
      } finally {
        await end()
      }
      await until('Redis is used again', async () => {
        const context = stranger()
        await bulk(one, context)
        return from(await bulk(one, context)) === 'redis'
      })
    })
  }

  it('because it was emptied, answers are computed and kept again', async () => {
    const context = stranger()
    await kept(context)
    await server.cli('flushall')
    const answer = await bulk(other, context)
    expect([from(answer), values(answer).sort()]).toEqual(['computed', MATCHED])
    await until('it is kept', async () => from(await bulk(await service(), context)) === 'redis')
  })
})

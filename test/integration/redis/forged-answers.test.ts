/** Answers as they stand in Redis, and everything else that may stand there in their place. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { AnswerCache } from '../../../server/live/answer-cache.ts'
import { redisAnswers } from '../../../server/live/redis/answers.ts'
import { canStartRedis } from '../../support/redis.ts'
import type { RedisProcess } from '../../support/redis-process.ts'
import { until } from '../../support/until.ts'
import { type Linked, redisRoom } from './support.ts'

const HOUR_MS = 60 * 60 * 1000
const BODY = Buffer.from('{"flags":[]}')

describe.runIf(canStartRedis())('an answer in Redis', () => {
  const room = redisRoom()
  let server: RedisProcess
  let link: Linked
  let answers: AnswerCache
  beforeAll(async () => {
    server = await room.server()
    link = room.link(server.url, { prefix: 'shop:' })
    await until('Redis works', link.usable)
    answers = redisAnswers(link, Buffer.alloc(32, 1))
  })
  let keys = 0
  /** Keeps the body under a new key. @returns the key, and its name in Redis */
  async function kept(body = BODY): Promise<readonly [key: string, name: string]> {
    const key = `key ${keys++}`
    const before = await names()
    answers.set(key, body, HOUR_MS)
    const name = await until('it is kept', async () => (await names()).find((one) => !before.includes(one)))
    return [key, name]
  }
  const names = async () => (await server.cli('--scan', '--pattern', 'shop:answer:*')).split('\n')

  it('is the bytes that were kept, under its own key alone, as long as it was to be', async () => {
    const [key, name] = await kept()
    expect(await answers.get(key)).toEqual(BODY)
    expect(await answers.get('another key')).toBeUndefined()
    expect(Number(await server.cli('pttl', name))).toBeGreaterThan(HOUR_MS - 60_000)
    expect(Number(await server.cli('pttl', name))).toBeLessThanOrEqual(HOUR_MS)
  })

  it('is none to who has another secret, or another prefix', async () => {
    const [key] = await kept()
    expect(await redisAnswers(link, Buffer.alloc(32, 2)).get(key)).toBeUndefined()
    const elsewhere = redisAnswers({ ...link, prefix: 'elsewhere:' }, Buffer.alloc(32, 1))
    expect(await elsewhere.get(key)).toBeUndefined()
  })

  it('is a miss where anything else stands in its place', async () => {
    const [[key, name], [, othersName]] = [await kept(), await kept(Buffer.from('{"flags":[1]}'))]
    const forgeries: (readonly string[])[] = [
      ['set', name, 'garbage'],
      ['set', name, ''],
      ['set', name, 'x'.repeat(32)],
      ['append', name, ' '],
      ['setrange', name, '33', 'forged'],
      ['setrange', name, '0', 'forged'],
      // Another's answer, well signed.
      ['copy', othersName, name, 'replace'],
      ['del', name],
    ]
    for (const forgery of forgeries) {
      expect(await answers.get(key), `before ${forgery.join(' ')}`).toEqual(BODY)
      await server.cli(...forgery)
      expect(await answers.get(key), `after ${forgery.join(' ')}`).toBeUndefined()
      expect(link.usable()).toBe(true)
      await server.cli('del', name)
      answers.set(key, BODY, HOUR_MS)
      await until('it is kept again', async () => (await server.cli('exists', name)) === '1')
    }
    await server.cli('del', name)
    await server.cli('rpush', name, 'a list')
    expect(await answers.get(key)).toBeUndefined()
    expect(link.usable()).toBe(true)
  })

  it('is not kept where it is larger than a mebibyte, or would not last', async () => {
    const before = await names()
    answers.set('large', Buffer.alloc(2 ** 20 + 1), HOUR_MS)
    answers.set('brief', BODY, 0.5)
    const [key] = await kept(Buffer.alloc(2 ** 20))
    expect((await answers.get(key))?.length).toBe(2 ** 20)
    expect(await names()).toHaveLength(before.length + 1)
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { openRedis } from '../../server/live/redis/connect.ts'
import { redisQuotas } from '../../server/live/redis/quota.ts'
import { silent } from '../integration/live/support.ts'
import { freshRedis, redisSettings } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { quotaContract } from './quota.suite.ts'

quotaContract(async () => {
  const link = openRedis(redisSettings(freshRedis()), { log: silent, random: Math.random })
  await until('Redis works', () => link.usable())
  const clock = { now: () => Date.now() }
  let quotas = 0
  return {
    // Another secret for each: they are to know nothing of each other.
    quota: (perSecond) =>
      redisQuotas(link, { clock, secret: Buffer.from(`secret ${quotas++}`) })('evaluations', perSecond),
    pass: (ms) => sleep(ms),
    close: () => link.close(),
  }
})

import { redisAnswers } from '../../server/live/redis/answers.ts'
import { openRedis, type RedisLink } from '../../server/live/redis/connect.ts'
import { silent } from '../integration/live/support.ts'
import { freshRedis, redisSettings } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { evaluationCacheContract } from './evaluation-cache.suite.ts'

evaluationCacheContract(async () => {
  const fresh = freshRedis()
  const links: RedisLink[] = []
  return {
    async join() {
      const link = openRedis(redisSettings(fresh), { log: silent, random: Math.random })
      links.push(link)
      await until('Redis works', link.usable)
      return redisAnswers(link, Buffer.alloc(32, 1))
    },
    close: async () => void (await Promise.all(links.map((link) => link.close()))),
  }
})

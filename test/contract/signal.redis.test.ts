import { Redis } from 'ioredis'
import { openRedis, type RedisLink } from '../../server/live/redis/connect.ts'
import { redisSignal } from '../../server/live/redis/signal.ts'
import { silent } from '../integration/live/support.ts'
import { freshRedis, redisSettings } from '../support/redis.ts'
import { signalContract, type Wire, wireContract } from './signal.suite.ts'

async function open(): Promise<Wire> {
  const fresh = freshRedis()
  const links: RedisLink[] = []
  const admin = new Redis(fresh.url)
  let logs = 0
  return {
    async join() {
      const link = openRedis(redisSettings(fresh), { log: silent, random: Math.random })
      links.push(link)
      const signal = redisSignal(link, `instance-${links.length}`)
      return { signal, tell: async (log) => signal.publish({ log, epoch: 1, revision: 2 }) }
    },
    log: async () => `env_${++logs}`,
    interrupt: async () => void (await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')),
    rubbish: async (text) => void (await admin.publish(`${fresh.prefix}changes`, text)),
    async close() {
      admin.disconnect()
      await Promise.all(links.map((link) => link.close()))
    },
  }
}

signalContract(open)
wireContract(open)

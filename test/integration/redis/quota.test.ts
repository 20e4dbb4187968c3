/** Instances that count together in one Redis, and each for itself when it is away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Quota } from '../../../server/live/quota.ts'
import { redisQuotas } from '../../../server/live/redis/quota.ts'
import { canStartRedis } from '../../support/redis.ts'
import type { RedisProcess } from '../../support/redis-process.ts'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import { Clock } from '../../unit/live/support.ts'
import { type Linked, redisRoom, timeOf } from './support.ts'

const room = redisRoom()
const secret = Buffer.from('the same on all instances')
const ADDRESS = '203.0.113.77'
const PER_SECOND = 30

type Instance = { readonly link: Linked; readonly quota: Quota }

async function instance(url: string): Promise<Instance> {
  const link = room.link(url)
  // A clock that stands: nothing comes back here, so what is let through later was Redis's to say.
  const quota = redisQuotas(link, { clock: new Clock(), secret })('evaluations', PER_SECOND)
  await until('Redis works', () => link.usable())
  return { link, quota }
}

/** How many of so many were let through. */
async function through(instances: readonly Instance[], caller: string, times: number): Promise<number> {
  const asked = Array.from({ length: times }, (_, at) => instances[at % instances.length]!.quota.take(caller))
  return (await Promise.all(asked)).filter((wait) => wait === 0).length
}

describe.runIf(canStartRedis())('a quota in Redis', () => {
  let server: RedisProcess
  let proxy: TcpProxy
  beforeAll(async () => {
    server = await room.server()
    proxy = await tcpProxy(server.url)
  })
  afterAll(() => proxy?.close())

  it('is one for all instances', async () => {
    const instances = [await instance(server.url), await instance(server.url), await instance(server.url)]
    const together = await through(instances, `k1 ${ADDRESS}`, 3 * PER_SECOND)
    expect(together).toBeGreaterThanOrEqual(PER_SECOND)
    expect(together).toBeLessThan(2 * PER_SECOND)
    for (const { link } of instances) expect(link.counts.failures).toBe(0)
  })

  it('asks Redis once for each request that is let through, and not at all for what one instance knows', async () => {
    const one = await instance(server.url)
    await through([one], 'k2', 1)
    const before = one.link.counts.commands
    const letThrough = await through([one], 'k2', 10 * PER_SECOND)
    expect(one.link.counts.commands - before).toBeLessThanOrEqual(PER_SECOND)
    expect(letThrough).toBeLessThanOrEqual(PER_SECOND)
  })

  it('keeps no address in Redis, and nothing for longer than it counts', async () => {
    await through([await instance(server.url)], `k3 ${ADDRESS}`, 5)
    const keys = (await server.cli('--scan', '--pattern', 'halyard:quota:*')).split('\n')
    expect(keys.join()).not.toContain(ADDRESS)
    expect(keys.join()).not.toContain('k3')
    await until('all are forgotten', async () => (await server.cli('--scan', '--pattern', '*quota*')) === '')
  })

  it('goes on after Redis has forgotten the script', async () => {
    const one = await instance(server.url)
    await through([one], 'k4', 1)
    await server.cli('SCRIPT', 'FLUSH')
    expect(await through([one], 'k4', 5)).toBe(5)
    expect(one.link.counts.failures).toBe(0)
  })

  it('goes on where another Redis takes over whose clock is minutes behind', async () => {
    const one = await instance(server.url)
    const quotaKeys = async () => (await server.cli('--scan', '--pattern', 'halyard:quota:*')).split('\n')
    await until('all are forgotten', async () => String(await quotaKeys()) === '')
    await through([one], 'k9', 1)
    const [key = ''] = await quotaKeys()
    const [seconds] = (await server.cli('time')).split('\n')
    // What the one before wrote, by a clock that was three minutes ahead.
    await server.cli('set', key, String((Number(seconds) + 180) * 1e6), 'px', '181000')
    expect(await one.quota.take('k9')).toBe(0)
    const next = await one.quota.take('k9')
    expect(next).toBeGreaterThan(0)
    expect(next).toBeLessThanOrEqual(1)
    expect(Number(await server.cli('pttl', key))).toBeLessThanOrEqual(1_000)
  })

  it('is counted by each instance for itself while Redis is frozen: nobody waits twice, and nobody is let off', async () => {
    const instances = [await instance(proxy.via(server.url)), await instance(proxy.via(server.url))]
    await through(instances, 'k5', 2)
    proxy.freeze()
    const first = await timeOf(Promise.resolve(instances[0]!.quota.take('k5')))
    expect(first).toBeLessThan(1_000)
    await until('it is bypassed', async () => {
      await Promise.all(instances.map(({ quota }) => quota.take('somebody else')))
      return instances.every(({ link }) => !link.usable())
    })
    // Without a promise: nobody is asked.
    expect(typeof instances[0]!.quota.take('k6')).toBe('number')
    const alone = await through(instances, 'k7', 10 * PER_SECOND)
    expect(alone).toBe(2 * PER_SECOND)
    proxy.heal()
    await until('it is asked again', () => instances.every(({ link }) => link.usable()))
    const together = await through(instances, 'k8', 10 * PER_SECOND)
    expect(together).toBeLessThan(2 * PER_SECOND)
  })
})

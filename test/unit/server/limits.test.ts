import { describe, expect, it } from 'vitest'
import { createLimits, networkOf } from '../../../server/http/limits.ts'
import type { MakeQuota } from '../../../server/live/quota.ts'

function limitsWith(quota: MakeQuota, evaluationsPerSecond?: number) {
  const counts = { management: 0, kills: 0, evaluations: 0, 'unknown-keys': 0 }
  const config = { managementRequestsPerSecond: 1, evaluationsPerSecond, unknownKeysPerSecond: 1 }
  return { counts, limits: createLimits({ config, clock: { now: () => 0 }, quota, counts }) }
}

describe('limits', () => {
  it('spend nothing on evaluations where those are unlimited', () => {
    const asked: string[] = []
    const { limits } = limitsWith((name) => {
      asked.push(name)
      return { take: () => 0 }
    })
    expect(limits.evaluation).toBeUndefined()
    expect(asked).toEqual(['management'])
  })

  it('answer without a promise where nobody has to be asked', () => {
    const { limits } = limitsWith(() => ({ take: () => 0 }), 10)
    expect(limits.evaluation?.('k1', '203.0.113.7')).toBeUndefined()
  })

  it('wait for the answer where somebody has', async () => {
    const { limits, counts } = limitsWith(() => ({ take: async () => 2.5 }), 10)
    await expect(limits.management('k1')).rejects.toMatchObject({
      type: 'too-many-requests',
      details: { retryAfter: 2.5 },
    })
    await expect(limits.evaluation?.('k1', '203.0.113.7')).rejects.toMatchObject({
      type: 'too-many-requests',
    })
    expect(counts).toEqual({ management: 1, kills: 0, evaluations: 1, 'unknown-keys': 0 })
  })

  it('let a key kill a hundred times at once, whatever it has used up, and ask nobody else', () => {
    const { limits, counts } = limitsWith((name) => ({
      take: (caller) => {
        throw new Error(`${name} was asked about ${caller}`)
      },
    }))
    for (let kills = 0; kills < 100; kills++) expect(limits.kill('k1')).toBeUndefined()
    expect(() => limits.kill('k1')).toThrow(/kills a second/)
    expect(limits.kill('k2')).toBeUndefined()
    expect(counts.kills).toBe(1)
  })
})

describe('an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:0:1::5', '2001:db8:0:1::/64'],
    ['2001:DB8:0:1:FFFF:0:0:5', '2001:db8:0:1::/64'],
    ['2001:0db8:0000:0001::', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['x'.repeat(9_000), 'x'.repeat(45)],
  ])('%s is counted as %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})

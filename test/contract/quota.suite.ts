/** What every quota must do, whoever counts it; run by a short file for each. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Quota } from '../../server/live/quota.ts'

export type Counted = {
  /** Another quota, of so many a second. */
  quota(perSecond: number): Quota
  /** Lets so much time go by for it. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}

export function quotaContract(open: () => Promise<Counted>): void {
  describe('a quota', () => {
    let counted: Counted
    beforeAll(async () => {
      counted = await open()
    })
    afterAll(() => counted.close())

    /** How many of so many were let through, and the longest that one was told to wait. */
    async function taken(quota: Quota, caller: string, times: number) {
      const waits: number[] = []
      for (let asked = 0; asked < times; asked++) waits.push(await quota.take(caller))
      return { through: waits.filter((wait) => wait === 0).length, longest: Math.max(...waits) }
    }

    it('lets a second’s worth through at once, and tells the next how long to wait', async () => {
      // So slow that no more comes while the test runs.
      const quota = counted.quota(1)
      expect(await quota.take('slow')).toBe(0)
      const { through, longest } = await taken(quota, 'slow', 3)
      expect(through).toBe(0)
      expect(longest).toBeGreaterThan(0)
      expect(longest).toBeLessThanOrEqual(1)
    })

    it('gives back with time what was taken, and saves up no more than a second’s worth', async () => {
      const quota = counted.quota(2)
      const wait = (await taken(quota, 'patient', 10)).longest
      await counted.pass(wait * 1_000 + 20)
      expect(await quota.take('patient')).toBe(0)
      await counted.pass(1_500)
      expect((await taken(quota, 'patient', 10)).through).toBeLessThanOrEqual(3)
    })

    it('is each caller’s own', async () => {
      const quota = counted.quota(1)
      await taken(quota, 'one', 3)
      expect(await quota.take('other')).toBe(0)
    })

    it('is each quota’s own, whatever the caller is called', async () => {
      const [one, other] = [counted.quota(1), counted.quota(1)]
      await taken(one, 'caller', 3)
      expect(await other.take('caller')).toBe(0)
    })

    it('lets no more through for all asking at once', async () => {
      const quota = counted.quota(20)
      const waits = await Promise.all(Array.from({ length: 200 }, () => quota.take('flood')))
      const through = waits.filter((wait) => wait === 0).length
      expect(through).toBeGreaterThanOrEqual(20)
      // What comes back while 200 are asked, on a machine that does other things besides.
      expect(through).toBeLessThan(60)
    })
  })
}

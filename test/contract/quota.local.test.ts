import { createLocalQuota } from '../../server/live/quota.ts'
import { Clock } from '../unit/live/support.ts'
import { quotaContract } from './quota.suite.ts'

quotaContract(async () => {
  const clock = new Clock()
  return {
    quota: (perSecond) => createLocalQuota(perSecond, clock),
    async pass(ms) {
      clock.time += ms
    },
    async close() {},
  }
})

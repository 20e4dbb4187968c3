import { inProcessSignals } from '../../server/live/signal.ts'
import { signalContract } from './signal.suite.ts'

signalContract(async () => {
  const join = inProcessSignals()
  let logs = 0
  return {
    async join() {
      const signal = join()
      return { signal, tell: async (log) => signal.publish({ log, epoch: 1, revision: 2 }) }
    },
    log: async () => `env_${++logs}`,
    close: async () => {},
  }
})

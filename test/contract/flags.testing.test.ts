import { testFlags } from '@halyard/sdk/testing'
import { flagsContract } from './flags.suite.ts'

flagsContract(async (values) => {
  const flags = testFlags(values)
  return { flags, change: (key, value) => flags.set(key, value) }
})

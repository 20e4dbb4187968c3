import { onTestFinished } from 'vitest'
import { until } from '../support/until.ts'
import { fast } from '../unit/node/clients.ts'
import { environment, flagOf } from '../unit/node/rulesets.ts'
import { startWireServer } from '../unit/node/wire-server.ts'
import { flagsContract } from './flags.suite.ts'

flagsContract(async (values) => {
  const named = Object.entries(values).map(([key, value]) => [key, flagOf(value)])
  const server = await startWireServer(environment(Object.fromEntries(named)))
  onTestFinished(() => server.stop())
  const flags = await fast({ url: server.url })
  await until('the stream works', () => flags.status().connected)
  return {
    flags,
    async change(key, value) {
      server.edit([{ key, definition: value === undefined ? null : flagOf(value) }])
      await until('the edit is there', () => flags.status().revision === server.state.revision)
    },
  }
})

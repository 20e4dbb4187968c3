/** The poll keeps nothing of the rounds that it has done: a process asks once a second for months. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { SYSTEM } from '../../../server/domain/change.ts'
import { createConditions } from '../../../server/live/conditions.ts'
import type { Hub } from '../../../server/live/hub.ts'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { createPoll } from '../../../server/live/poll.ts'
import type { Head, Store } from '../../../server/store/store.ts'
import { Clock, EPOCH } from './support.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')
const used = (): number => {
  collect()
  return process.memoryUsage().heapUsed
}

const ROUNDS = 50_000
/** Less than a pointer of each round. */
const SPARE_BYTES = 8 * ROUNDS

it('remembers nothing of a round that found nothing new', async () => {
  const system: Head = { log: SYSTEM, kind: 'system', parent: null, epoch: EPOCH, revision: 1 }
  const held = { id: SYSTEM, head: system, state: { epoch: EPOCH, revision: 1 } }
  const hub = {
    held: () => held,
    logs: () => new Map([[SYSTEM, held]]),
    confirm: () => {},
  } as unknown as Hub
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const poll = createPoll({
    store: { heads: async () => [system] } as unknown as Store,
    signal: { listen: async () => async () => {} },
    ...{ hub, conditions: createConditions(log), metrics: createLiveMetrics(), clock: new Clock() },
    ...{ random: () => 0, pollMs: 1_000 },
  })
  const rounds = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done++) await poll.refresh()
  }
  await rounds(1_000)
  const before = used()
  await rounds(ROUNDS)
  expect(used() - before).toBeLessThan(SPARE_BYTES)
})

import { compile, evaluate, type State } from '@halyard/sdk/core'
import { describe, expect, it } from 'vitest'
import { Problem } from '../../../server/domain/problem.ts'
import { createConditions } from '../../../server/live/conditions.ts'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { createUsage, MOST_CALLERS, MOST_NAMES, MOST_WAITING, type Told } from '../../../server/live/usage.ts'
import type { UsageBatch } from '../../../server/store/store.ts'
import { boolean, Clock, heldEnvironment, started } from './support.ts'

const MINUTE = 29_403_911
const DAY_MS = 86_400_000
const CALLER = { app: 'shop', version: '1', sdk: '' }

/** Usage over a store that keeps what it is given. */
function house() {
  const clock = new Clock(MINUTE * 60_000)
  const state = { answers: true, failure: undefined as Error | undefined, loses: false }
  const saved: UsageBatch[] = []
  const turned: number[] = []
  const metrics = createLiveMetrics()
  const quiet = () => {}
  const usage = createUsage({
    store: {
      async saveUsage(batches) {
        if (state.failure !== undefined) throw state.failure
        for (const batch of batches) if (!saved.some(({ id }) => id === batch.id)) saved.push(batch)
        if (state.loses) throw unavailable()
      },
      async turnUsage(oldest) {
        turned.push(oldest)
      },
    },
    clock,
    metrics,
    conditions: createConditions({ info: quiet, warn: quiet, error: quiet }),
    storeAnswers: () => state.answers,
    retentionDays: 30,
  })
  const held: State = started({ 'flag/a': boolean() })
  const environment = heldEnvironment(held)
  const tell = (told: Partial<Told>, caller = CALLER) =>
    usage.take(environment, 'server', caller, {
      ...{ batch: crypto.randomUUID(), counts: [], events: [], ...told },
    })
  const total = () => saved.flatMap(({ counts }) => counts).reduce((sum, { count }) => sum + count, 0)
  return { usage, clock, state, saved, turned, metrics, environment, tell, total }
}
const unavailable = () => new Problem('unavailable', 'It is away.')
const count = (over: object = {}) => ({
  ...{ flag: 'a', variant: 'on', version: 1, minute: MINUTE, count: 1 },
  ...over,
})

describe('usage', () => {
  it('of invented callers takes no more room than what waits may, however long a saving takes', async () => {
    const { usage, environment, metrics, saved, total } = house()
    const decision = evaluate(environment.compiled, 'a', {}, 0)
    for (let caller = 0; caller <= MOST_CALLERS; caller++)
      usage.evaluated(environment.id, { app: `app ${caller}`, version: '', sdk: '' }, 'a', decision)
    expect(usage.waiting()).toBe(MOST_CALLERS)
    await usage.save()
    expect([total(), metrics.usageDropped.full]).toEqual([MOST_CALLERS + 1, 0])
    expect(new Set(saved.map(({ app }) => app)).size).toBe(MOST_NAMES + 1)
  })

  it('that waits is kept while the store is away, and saved when it is back', async () => {
    const { usage, state, tell, total, metrics } = house()
    tell({ counts: [count()] })
    state.answers = false
    await usage.save()
    state.answers = true
    state.failure = unavailable()
    await usage.save()
    expect([total(), usage.waiting()]).toEqual([0, 1])
    state.failure = undefined
    await usage.save()
    expect([total(), usage.waiting(), metrics.usageDropped.refused]).toEqual([1, 0, 0])
  })

  it('that has no room is dropped, and counted', async () => {
    const { usage, state, tell, total, metrics } = house()
    state.answers = false
    const counts = Array.from({ length: 1_000 }, () => count())
    for (let told = 0; told < MOST_WAITING / 1_000 + 3; told++) tell({ counts })
    expect([usage.waiting(), metrics.usageDropped.full]).toEqual([MOST_WAITING, 3_000])
    state.answers = true
    await usage.save()
    expect([total(), usage.waiting()]).toEqual([MOST_WAITING, 0])
  })

  it('whose saving was not answered is saved again under the same name, also what was evaluated here', async () => {
    const { usage, state, tell, total, environment } = house()
    tell({ counts: [count()] })
    const decision = evaluate(compile(environment.state), 'a', {}, 0)
    for (let time = 0; time < 3; time++) usage.evaluated(environment.id, CALLER, 'a', decision)
    usage.fetched(environment.id, 'client', CALLER)
    state.loses = true
    await usage.save()
    state.loses = false
    await usage.save()
    expect([total(), usage.waiting()]).toEqual([5, 0])
  })

  it('that the database will never take does not stand in the way of the rest', async () => {
    const { usage, state, tell, total, metrics } = house()
    tell({ counts: [count(), count()] })
    state.failure = new Error('a bug')
    await usage.save()
    state.failure = undefined
    tell({ counts: [count()] })
    await usage.save()
    expect([total(), metrics.usageDropped.refused]).toEqual([1, 2])
  })

  it('that waited for days has no room any more', async () => {
    const { usage, clock, state, tell, total, metrics } = house()
    tell({ counts: [count()] })
    state.answers = false
    await usage.save()
    clock.time += 9 * DAY_MS
    tell({ counts: [count({ minute: MINUTE + 9 * 1_440, count: 7 })] })
    state.answers = true
    await usage.save()
    expect([total(), metrics.usageDropped.late]).toEqual([7, 1])
  })

  it('turns to a new day once, and again after a failure', async () => {
    const { usage, clock, state, tell, turned } = house()
    const today = Math.floor(clock.time / DAY_MS)
    await usage.save()
    await usage.save()
    clock.time += DAY_MS
    await usage.save()
    expect(turned).toEqual([(today - 30) * DAY_MS, (today - 29) * DAY_MS])
    tell({ counts: [count()] })
    state.failure = unavailable()
    await usage.save()
    state.failure = undefined
    await usage.save()
    expect(turned.length).toBe(3)
  })

  it('of more apps than an environment may have in a day counts without a name', async () => {
    const { usage, tell, saved } = house()
    for (let index = 0; index < MOST_NAMES + 2; index++) {
      tell({ counts: [count()] }, { ...CALLER, version: String(index) })
    }
    await usage.save()
    expect(saved.filter(({ app }) => app === '').length).toBe(2)
  })

  it('believes the clocks and versions of apps within bounds', async () => {
    const { usage, tell, saved, environment } = house()
    const newer = environment.state.revision + 1
    tell({ counts: [count({ minute: 0 }), count({ minute: MINUTE + 900, version: newer })] })
    await usage.save()
    expect(saved[0]?.counts.map(({ minute, version }) => [minute, version])).toEqual([
      [MINUTE - 60, 1],
      [MINUTE + 5, 0],
    ])
  })
})

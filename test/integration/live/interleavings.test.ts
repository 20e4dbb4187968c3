import { compareStates } from '@halyard/sdk/core'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LogId } from '../../../server/domain/change.ts'
import type { Notice } from '../../../server/domain/notice.ts'
import { createConditions } from '../../../server/live/conditions.ts'
import { createHub, type Hub } from '../../../server/live/hub.ts'
import { createLiveMetrics } from '../../../server/live/metrics.ts'
import { createPoll, type Poll } from '../../../server/live/poll.ts'
import type { Signal } from '../../../server/live/signal.ts'
import type { Store } from '../../../server/store/store.ts'
import { until } from '../../support/until.ts'
import { closeEnvironment, embeddedStore, openProject, put, silent } from './support.ts'

/** A poll that is only made by hand: a day between two. */
const NEVER = 24 * 60 * 60 * 1000

let store: Store
let close: () => Promise<void>
beforeAll(async () => {
  ;({ store, close } = await embeddedStore())
  await store.heads()
})
afterAll(() => close())

type Instance = { hub: Hub; poll: Poll; notify: (notice: Notice) => void; inbox: Notice[]; faults: string[] }

/** An instance whose store answers late, by a number of turns that is drawn for each call. */
async function instance(delays: () => number): Promise<Instance> {
  const faults: string[] = []
  const late = async <T>(answer: Promise<T>): Promise<T> => {
    const value = await answer
    for (let turn = delays(); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve))
    return value
  }
  let notify = (_notice: Notice): void => {}
  const slow: Store = {
    ...store,
    commit: (request) => late(store.commit(request)),
    heads: () => late(store.heads()),
    newer: (log, since) => late(store.newer(log, since)),
    load: (logs) => late(store.load(logs)),
  }
  const signal: Signal = {
    publish: () => {},
    async listen(onNotice) {
      notify = onNotice
      return async () => {}
    },
  }
  const clock = { now: () => Date.now() }
  const metrics = createLiveMetrics()
  const conditions = createConditions({ ...silent, error: (_fields, message) => faults.push(message) })
  const hub = createHub({
    consult: async () => {},
    store: slow,
    signal,
    clock,
    conditions,
    metrics,
    watcher: {
      changed(after, before) {
        if (before !== undefined && compareStates(after.state, before.state) <= 0)
          faults.push('went backwards')
        if (after.compiled !== undefined && after.compiled.state !== after.state)
          faults.push('compiled another state')
      },
      closed: () => {},
    },
  })
  const poll = createPoll({
    store: slow,
    signal,
    hub,
    conditions,
    metrics,
    clock,
    random: Math.random,
    pollMs: NEVER,
  })
  await poll.start(async () => {})
  return { hub, poll, inbox: [], faults, notify: (notice) => notify(notice) }
}

const who = fc.nat(1)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      commit: who,
      log: fc.nat(1),
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.option(fc.nat(2)),
      wait: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ deliver: who, pick: fc.nat(), twice: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ lose: who, pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ poll: who, wait: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ catchUp: who, log: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ open: who, wait: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ close: who, wait: fc.boolean() }) },
)

it('any interleaving of commits, notices, lost notices and polls ends with the newest state, never going back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.array(fc.nat(4), { minLength: 7, maxLength: 7 }),
      async (steps, turns) => {
        let call = 0
        const delays = () => turns[call++ % turns.length] ?? 0
        const both = [await instance(delays), await instance(delays)] as const
        const first = await openProject(both[0].hub)
        const second = await openProject(both[1].hub)
        const logs: LogId[] = [first.environment, second.environment]
        const opened = [first, second]
        const running: Promise<unknown>[] = []
        const signal = (from: number, notices: readonly Notice[]) => both[1 - from]!.inbox.push(...notices)

        async function commit(
          by: number,
          work: Promise<{ heads: ReadonlyMap<LogId, { epoch: number; revision: number }> }>,
        ) {
          // A commit to a log that another step has closed is refused; what is committed is held at once.
          const { heads } = await work.catch(() => ({ heads: new Map() }))
          for (const [log, head] of heads) {
            const held = both[by]?.hub.held(log)
            if (held !== undefined) expect(compareStates(held.state, head)).toBeGreaterThanOrEqual(0)
          }
          signal(
            by,
            [...heads].map(([log, head]) => ({ log, ...head })),
          )
        }

        for (const doing of steps) {
          let work: Promise<unknown> | undefined
          if ('commit' in doing) {
            const log = logs[doing.log % logs.length]!
            work = commit(
              doing.commit,
              put(both[doing.commit]!.hub, log, { [`flag/${doing.key}`]: doing.value }),
            )
          }
          if ('deliver' in doing) {
            const { inbox, notify } = both[doing.deliver]!
            const [notice] = inbox.splice(doing.pick % Math.max(1, inbox.length), 1)
            if (notice !== undefined) for (let time = doing.twice ? 2 : 1; time > 0; time--) notify(notice)
          }
          if ('lose' in doing) {
            const { inbox } = both[doing.lose]!
            inbox.splice(doing.pick % Math.max(1, inbox.length), 1)
          }
          if ('poll' in doing) work = both[doing.poll]!.poll.refresh()
          if ('catchUp' in doing) work = both[doing.catchUp]!.hub.catchUp(logs[doing.log % logs.length]!)
          if ('open' in doing) {
            work = openProject(both[doing.open]!.hub).then((one) => {
              logs.push(one.environment)
              opened.push(one)
            })
          }
          if ('close' in doing && opened.length > 2) {
            const gone = opened.pop()!
            logs.splice(logs.indexOf(gone.environment), 1)
            work = commit(
              doing.close,
              closeEnvironment(both[doing.close]!.hub, gone.project, gone.environment),
            )
          }
          if (work !== undefined) running.push(work)
          if ('wait' in doing && doing.wait) await work
        }
        await Promise.all(running)
        for (const { poll } of both) await poll.refresh()
        const truth = await store.load((await store.heads()).map(({ log }) => log))
        for (const { hub, faults, poll } of both) {
          await until('every environment is caught up', () =>
            truth.every(({ log, revision }) => hub.held(log)?.state.revision === revision),
          )
          expect(faults).toEqual([])
          expect(hub.logs().size).toBe(truth.length)
          for (const { log, state, provenance } of truth) {
            const held = hub.held(log)!
            const { revision, digest, entries } = held.state
            expect({ revision, digest, entries }).toEqual({
              revision: state.revision,
              digest: state.digest,
              entries: state.entries,
            })
            for (const [at, by] of provenance) expect(held.provenance.get(at)).toEqual(by)
          }
          await poll.stop()
        }
      },
    ),
    { numRuns: 40 },
  )
}, 120_000)

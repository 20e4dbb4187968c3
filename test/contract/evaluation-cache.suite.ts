/**
 * What bulk answers must be, whatever the instances that give them share; run by a short file for each. Where an
 * answer comes from is free, what it says is not.
 */
import { compile } from '@halyard/sdk/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AnswerCache } from '../../server/live/answer-cache.ts'
import { createEvaluations } from '../../server/live/evaluations.ts'
import type { BulkAnswer } from '../../server/live/live.ts'
import { createLiveMetrics } from '../../server/live/metrics.ts'
import { context, environmentOf, few, STATE, scope, TURN } from '../unit/live/evaluation-states.ts'
import { Clock, edited } from '../unit/live/support.ts'

export type Sharing = {
  /** What one more instance shares with the others. */
  join(): Promise<AnswerCache | undefined>
  close(): Promise<void>
}

/** An instance that asks for shared answers however cheap its own would be. */
function instanceOn(shared: AnswerCache | undefined) {
  const clock = new Clock(TURN - 1)
  const metrics = createLiveMetrics()
  const evaluations = createEvaluations({
    clock,
    metrics,
    // As instances with one secret have it.
    streamToken: (environment, keyId, scope) => `token-${environment}-${keyId}-${scope}`,
    cacheBytes: 2 ** 20,
    shared,
    worthSharing: 0,
  })
  const ask = async (...asked: Parameters<typeof evaluations.evaluateAll>): Promise<BulkAnswer> =>
    evaluations.evaluateAll(...asked)
  return { ask, clock, metrics, evaluateAll: evaluations.evaluateAll }
}

const HELD = environmentOf(compile(STATE))
const KEY = { scope: 'client', keyId: 'k1' } as const

export function evaluationCacheContract(open: () => Promise<Sharing>): void {
  describe('bulk answers', () => {
    let sharing: Sharing
    let instances: ReturnType<typeof instanceOn>[]
    beforeAll(async () => {
      sharing = await open()
      instances = [instanceOn(await sharing.join()), instanceOn(await sharing.join())]
    })
    afterAll(() => sharing.close())

    it('are the same bytes and ETags on every instance as where nothing is cached', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(few, context),
          scope,
          fc.nat(1),
          fc.boolean(),
          fc.nat(1),
          async (given, scope, key, late, first) => {
            const alone = instanceOn(undefined)
            const turns = [...instances.slice(first), ...instances.slice(0, first)]
            const asked = [...turns, ...turns, ...turns, alone]
            const answers: BulkAnswer[] = []
            for (const { ask, clock } of asked) {
              clock.time = late ? TURN + 1 : TURN - 1
              answers.push(await ask(HELD, { scope, keyId: `k${key}` }, given))
            }
            expect(new Set(answers.map(({ body }) => body.toString())).size).toBe(1)
            expect(new Set(answers.map(({ etag }) => etag)).size).toBe(1)
          },
        ),
        { numRuns: 150 },
      )
      const from = instances.map(({ metrics }) => metrics.bulkAnswers)
      expect(from.reduce((sum, { memory, redis }) => sum + memory + redis, 0)).toBeGreaterThan(50)
    })

    it('that come at once for one question are one answer', async () => {
      const [one] = instances
      const asked = Array.from({ length: 50 }, () => one!.ask(HELD, KEY, { targetingKey: 'at-once' }))
      const answers = await Promise.all(asked)
      expect(new Set(answers.map(({ body }) => body.toString())).size).toBe(1)
    })

    it('change with the state, and never come from an older one', async () => {
      const next = environmentOf(compile(edited(STATE, { 'flag/static': null })))
      for (const { ask } of instances) {
        for (let time = 0; time < 3; time++) {
          const [before, after] = [await ask(HELD, KEY, {}), await ask(next, KEY, {})]
          expect(before.body.toString()).toContain('"key":"static"')
          expect(after.body.toString()).not.toContain('"key":"static"')
          expect(after.etag).not.toBe(before.etag)
        }
      }
    })

    it('are no answers, and nobody waits, for who knows them', () => {
      for (const { evaluateAll } of instances) {
        expect(evaluateAll(HELD, KEY, {}, () => true)).toMatchObject({
          from: expect.not.stringMatching('redis'),
        })
        const asked = evaluateAll(HELD, KEY, { targetingKey: 'stranger' }, () => true)
        expect(asked).toMatchObject({ from: 'unchanged', body: Buffer.alloc(0) })
      }
    })
  })
}

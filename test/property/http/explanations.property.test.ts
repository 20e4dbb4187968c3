/** Explanations over HTTP against evaluations, over generated rulesets and contexts; and every step as described. */
import { type Context, compile, explain, type Json, LIMITS } from '@halyard/sdk/core'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Decision, Step } from '../../../server/contract/explanations.ts'
import type { EntryEdit } from '../../../server/domain/change.ts'
import { startService, type TestService } from '../../support/start-service.ts'
import { context, now, state } from '../core/arbitraries.ts'

const EXPLAIN = '/api/v1/projects/default/environments/development/explain'
const KEYS = ['a', 'b', 'c', 'd', 'unknown']

let service: TestService
let environment: string
beforeAll(async () => {
  service = await startService()
  environment = service.live.environment('default', 'development')?.id ?? ''
})
afterAll(() => service.close())

/** As JSON carries it; what it cannot carry is left out. */
const asJson = (value: unknown): Json => JSON.parse(JSON.stringify(value) ?? 'null') as Json
const isPoison = (text: string) => text.includes('__proto__') || text.includes('constructor')

/** Contexts that a request can bring. */
const sent = context.map(asJson).filter((one): one is { [name: string]: Json } => {
  const text = JSON.stringify(one)
  return text.length < LIMITS.contextBytes && !isPoison(text) && text.isWellFormed() && !text.includes('\\u')
})

/** Writes these documents past every check, and takes away what is not among them. */
async function write(
  documents: ReadonlyMap<string, ReadonlyMap<string, { definition: Json }>>,
): Promise<number> {
  const committed = await service.live.commit({
    scope: { path: [environment] },
    actor: { kind: 'system', id: 'tests', name: 'Tests' },
    edit: (logs) => {
      const gone: EntryEdit[] = [...(logs.get(environment)?.state.entries ?? [])].flatMap(([kind, entries]) =>
        [...entries.keys()].map((key) => ({ kind, key, definition: null })),
      )
      const put: EntryEdit[] = [...documents]
        .filter(([kind]) => kind !== 'newer')
        .flatMap(([kind, entries]) =>
          [...entries].map(([key, { definition }]) => ({ kind, key, definition: asJson(definition) })),
        )
      return {
        action: 'test.write',
        edits: new Map([[environment, [...gone, ...put]]]),
        warnings: [],
        result: undefined,
      }
    },
  })
  return committed.heads.get(environment)?.revision ?? 0
}

it('what is explained is what is evaluated, of the present and of the past', async () => {
  const seen: { at: number; context: Json; flag: string; decision: unknown }[] = []
  await fc.assert(
    fc.asyncProperty(state, sent, async (held, attributes) => {
      const at = await write(held.entries)
      const { status, body } = await service.ask('POST', `${EXPLAIN}?steps=true`, {
        body: { context: attributes },
      })
      expect(status).toBe(200)
      for (const { flag, decision } of body.items) {
        const expected = asJson(service.live.evaluate(environment, flag, attributes as Context))
        expect(decision).toEqual(expected)
        seen.push({ at, context: attributes, flag, decision: expected })
      }
      for (const flag of KEYS.filter((key) => !held.entries.get('flag')?.has(key))) {
        expect((await service.ask('POST', EXPLAIN, { body: { flag, context: attributes } })).status).toBe(404)
      }
    }),
    { numRuns: 40 },
  )
  for (const { at, flag, context: attributes, decision } of seen) {
    const { body } = await service.ask('POST', EXPLAIN, { body: { flag, context: attributes, at } })
    expect([flag, body.decision]).toEqual([flag, decision])
  }
}, 60_000)

it('every decision and every step is as the contract describes it', () => {
  fc.assert(
    fc.property(state, sent, now, (held, attributes, at) => {
      const compiled = compile(held)
      for (const key of KEYS) {
        const { decision, steps } = explain(compiled, key, attributes as Context, at)
        expect(Decision.safeParse(asJson(decision)).error).toBeUndefined()
        for (const step of steps) expect(Step.safeParse(asJson(step)).error).toBeUndefined()
      }
    }),
    { numRuns: 500 },
  )
})

it('the last step is the one that decided', () => {
  fc.assert(
    fc.property(state, sent, now, (held, attributes, at) => {
      const compiled = compile(held)
      for (const key of KEYS) {
        const { decision, steps } = explain(compiled, key, attributes as Context, at)
        const last = steps.at(-1)
        if (last === undefined || last.step === 'kill' || last.step === 'compile' || last.step === 'enabled')
          continue
        if (last.step === 'prerequisite') {
          expect([last.satisfied, decision.metadata.prerequisite]).toEqual([false, last.flag])
        } else {
          expect(last.variant).toBe(decision.variant)
          if (last.step === 'rule') expect(decision.metadata.rule).toBe(last.rule)
        }
      }
    }),
    { numRuns: 500 },
  )
})

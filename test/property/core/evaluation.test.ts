import { type Context, compile, evaluate, explain, partOf, type State } from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rulesetWith } from '../../unit/core/rulesets.ts'
import { almostDefinition, anyContext, anyJson, context, now, state } from './arbitraries.ts'

const KEYS = ['a', 'b', 'c', 'd', '__proto__', 'unknown']
const REASONS = ['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT', 'DISABLED', 'ERROR']

function isDecision(decision: ReturnType<typeof evaluate>): void {
  expect(REASONS).toContain(decision.reason)
  expect(Object.isFrozen(decision)).toBe(true)
  expect(decision.value === undefined).toBe(decision.variant === undefined)
  expect(decision.errorCode === undefined).toBe(decision.reason !== 'ERROR')
}

describe('evaluation', () => {
  it('is total: any definitions and any context give a decision', () => {
    fc.assert(
      fc.property(state, anyContext, now, (held: State, anything, at) => {
        const compiled = compile(held)
        for (const key of KEYS) isDecision(evaluate(compiled, key, anything as Context, at))
      }),
      { numRuns: 400 },
    )
  })

  it('is total: any JSON as a flag gives a decision', () => {
    fc.assert(
      fc.property(fc.oneof(anyJson, almostDefinition), context, (definition, attributes) => {
        if (definition === null) return
        const compiled = compile(
          rulesetWith({
            flag: { f: definition },
            segment: { s: definition },
            members: { 's/00': definition },
          }),
        )
        isDecision(evaluate(compiled, 'f', attributes, 0))
      }),
      { numRuns: 1_000 },
    )
  })

  it('decides the same each time, and leaves the context as it was', () => {
    fc.assert(
      fc.property(state, context, now, (held, attributes, at) => {
        const compiled = compile(held)
        const before = fc.stringify(attributes)
        const decisions = KEYS.map((key) => evaluate(compiled, key, attributes, at))
        expect(KEYS.map((key) => evaluate(compiled, key, attributes, at))).toEqual(decisions)
        expect(fc.stringify(attributes)).toBe(before)
      }),
      { numRuns: 200 },
    )
  })

  it('is what an explanation explains', () => {
    fc.assert(
      fc.property(state, anyContext, now, (held, anything, at) => {
        const compiled = compile(held)
        for (const key of KEYS) {
          const { decision } = explain(compiled, key, anything as Context, at)
          expect(decision).toEqual(evaluate(compiled, key, anything as Context, at))
        }
      }),
      { numRuns: 400 },
    )
  })

  it('of a flag needs no more of a state than its part', () => {
    fc.assert(
      fc.property(state, anyContext, now, (held, anything, at) => {
        const whole = compile(held)
        for (const key of KEYS) {
          const part = compile(partOf(held, [key]))
          expect(explain(part, key, anything as Context, at)).toEqual(
            explain(whole, key, anything as Context, at),
          )
        }
      }),
      { numRuns: 400 },
    )
  })

  it('reads no attribute but those named in `reads`', () => {
    fc.assert(
      fc.property(state, context, now, (held, attributes, at) => {
        const compiled = compile(held)
        const names = new Set(compiled.reads.flatMap((path) => [path, path.split('.')[0]]))
        const projected = Object.fromEntries(Object.entries(attributes).filter(([name]) => names.has(name)))
        for (const key of KEYS) {
          expect(evaluate(compiled, key, projected, at)).toEqual(evaluate(compiled, key, attributes, at))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('answers the same throughout an interval of `instants`', () => {
    fc.assert(
      fc.property(
        state,
        context,
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 40 }),
        (held, attributes, one, other) => {
          const compiled = compile(held)
          const interval = (at: number): number => compiled.instants.filter((instant) => instant <= at).length
          for (const key of KEYS) {
            if (interval(one) !== interval(other) && compiled.flags.get(key)?.dated) continue
            expect(evaluate(compiled, key, attributes, one)).toEqual(
              evaluate(compiled, key, attributes, other),
            )
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

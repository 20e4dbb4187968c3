import {
  advance,
  apply,
  compile,
  diff,
  digestOf,
  evaluate,
  type Refusal,
  rulesetOf,
  type State,
  stateOf,
} from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { context, history, now } from './arbitraries.ts'

const pairs = (states: readonly State[]): readonly (readonly [State, State])[] =>
  states.slice(1).map((next, i) => [states[i] as State, next] as const)

/** Ended kills stand outside revision and digest: who follows the log remembers them, who starts at a state cannot. */
const inLog = (state: State | Refusal): unknown => ({ ...state, endedKills: new Set() })

describe('deltas', () => {
  it('applied to a state give the state that they were made for', () => {
    fc.assert(
      fc.property(history, (states) => {
        for (const [before, after] of pairs(states))
          expect(inLog(apply(before, diff(before, after)))).toEqual(after)
        const [first, last] = [states[0] as State, states.at(-1) as State]
        expect(inLog(apply(first, diff(first, last)))).toEqual(last)
      }),
      { numRuns: 300 },
    )
  })

  it('keep the digest that a recount gives', () => {
    fc.assert(
      fc.property(history, (states) => {
        for (const [before, after] of pairs(states)) {
          const state = apply(before, diff(before, after))
          if ('refused' in state) throw new Error(state.refused)
          expect(state.digest).toBe(digestOf(state.entries))
        }
      }),
      { numRuns: 200 },
    )
  })

  it('survive the wire, as states do', () => {
    fc.assert(
      fc.property(history, (states) => {
        for (const [before, after] of pairs(states)) {
          const received = stateOf(JSON.parse(JSON.stringify(rulesetOf(before))))
          const sent = JSON.parse(JSON.stringify(diff(before, after)))
          const wired = stateOf(JSON.parse(JSON.stringify(rulesetOf(after))))
          expect(inLog(apply(received, sent))).toEqual(wired)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('of any shape are refused or applied, never thrown at', () => {
    fc.assert(
      fc.property(
        history,
        fc.anything(),
        fc.dictionary(fc.constantFrom('epoch', 'base', 'revision', 'entries', 'digest'), fc.anything()),
        (states, anything, fields) => {
          const [first, last] = [states[0] as State, states.at(-1) as State]
          apply(first, anything as never)
          apply(first, { ...diff(first, last), ...fields } as never)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('advancing', () => {
  it('answers as a ruleset compiled from nothing, at every step', () => {
    fc.assert(
      fc.property(
        history,
        fc.array(context, { minLength: 1, maxLength: 3 }),
        now,
        fc.boolean(),
        (states, contexts, at, withDelta) => {
          let compiled = compile(states[0] as State)
          for (const [before, after] of pairs(states)) {
            const earlier = compiled
            const answers = contexts.map((one) => evaluate(earlier, 'a', one, at))
            compiled = advance(compiled, after, withDelta ? diff(before, after) : undefined)
            const fresh = compile(after)
            expect(compiled.reads).toEqual(fresh.reads)
            expect(compiled.instants).toEqual(fresh.instants)
            expect(new Set(compiled.flags.keys())).toEqual(new Set(fresh.flags.keys()))
            for (const [key, { error, skipped, dated, killed, version }] of fresh.flags) {
              expect(compiled.flags.get(key)).toMatchObject({ skipped, dated, killed, version })
              expect(compiled.flags.get(key)?.error === undefined).toBe(error === undefined)
              for (const one of contexts) {
                const { errorDetails: _, ...expected } = evaluate(fresh, key, one, at)
                expect(evaluate(compiled, key, one, at)).toMatchObject(expected)
              }
            }
            expect(contexts.map((one) => evaluate(earlier, 'a', one, at))).toEqual(answers)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

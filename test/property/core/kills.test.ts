/** The law of the kill switch: of a flag of any shape, in an evaluator in any state, it leaves the off variant. */
import {
  advance,
  type Compiled,
  type Context,
  compile,
  evaluate,
  type Json,
  type Kill,
  type State,
} from '@halyard/sdk/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stateWith } from '../../unit/core/rulesets.ts'
import { almostDefinition, anyContext, anyJson, flagDefinition, now } from './arbitraries.ts'
import { sabotaged } from './sabotage.ts'

const KILL: Kill = { id: 'k1', by: 'ann', at: '2026-01-01T00:00:00Z' }
const OFF = { reason: 'DISABLED', metadata: { version: 1, killed: true } }
/** What a kill may look at. */
const LOOKED_AT = ['type', 'visibility', 'variants', 'offVariant']

/** The flag `f` of this definition, `g` that requires it; `f` is killed by the log, or by a kill that waits for one. */
function stateOfBoth(definition: Json, killed: 'no' | 'entry' | 'pending'): State {
  const dependant = {
    ...{ type: 'boolean', enabled: true, visibility: 'server', variants: { on: true, off: false } },
    ...{ offVariant: 'off', targets: [], rules: [], fallthrough: { variant: 'on' } },
    prerequisites: [{ flag: 'f', variants: ['on', 'off', 'maybe'] }],
  }
  return stateWith(
    { flag: { f: definition, g: dependant }, ...(killed === 'entry' && { kill: { f: KILL } }) },
    killed === 'pending' ? { f: [KILL] } : {},
  )
}

const way = fc.constantFrom('entry', 'pending')
const value = fc.constantFrom<Json>('OFF', 7, false, { a: [1] })
const shape = fc.oneof(almostDefinition, flagDefinition, anyJson)

/** Any shape as the rest of a definition that has an off variant. */
function withOff(rest: Json, off: Json): { readonly [field: string]: Json } {
  const fields = typeof rest === 'object' && rest !== null && !Array.isArray(rest) ? rest : { rules: rest }
  return { ...fields, type: typeof off, offVariant: 'off', variants: { off, on: rest } } as {
    [field: string]: Json
  }
}

describe('a killed flag', () => {
  it('serves its off variant, whatever else is in its definition', () => {
    fc.assert(
      fc.property(shape, value, way, anyContext, now, (rest, off, killed, anything, at) => {
        const compiled = compile(stateOfBoth(withOff(rest, off), killed))
        expect(evaluate(compiled, 'f', anything as Context, at)).toEqual({
          value: off,
          variant: 'off',
          ...OFF,
        })
      }),
      { numRuns: 500 },
    )
  })

  it('serves an off variant of any depth', () => {
    const compiled = compile(stateOfBoth(withOff(null, deep(20_000)), 'entry'))
    expect(evaluate(compiled, 'f', {}, 0)).toMatchObject({ variant: 'off', ...OFF })
  })

  it('serves no value where its off variant cannot be used, and its callers’ defaults are served', () => {
    const unusable = fc.constantFrom<Json>(
      ...[{ offVariant: null }, { offVariant: 'gone' }, { offVariant: 7 }, { offVariant: '__proto__' }],
      ...[{ variants: null }, { variants: { off: [] } }, { variants: { off: null } }, { variants: 'off' }],
    )
    fc.assert(
      fc.property(shape, unusable, way, anyContext, (rest, change, killed, anything) => {
        const definition = { ...withOff(rest, false), ...(change as object) } as Json
        const compiled = compile(stateOfBoth(definition, killed))
        expect(evaluate(compiled, 'f', anything as Context, 0)).toEqual(OFF)
      }),
      { numRuns: 500 },
    )
  })

  it('is told by a definition of any JSON, with nothing but a value or none', () => {
    fc.assert(
      fc.property(shape, way, anyContext, (definition, killed, anything) => {
        const decision = evaluate(
          compile(stateOfBoth(definition ?? 'null', killed)),
          'f',
          anything as Context,
          0,
        )
        expect(decision).toMatchObject(OFF)
        expect(decision.variant === undefined).toBe(decision.value === undefined)
      }),
      { numRuns: 500 },
    )
  })

  it('is served though nothing of its rules can even be read', () => {
    const fields = ['enabled', 'prerequisites', 'targets', 'rules', 'fallthrough', 'valueSchema', 'anything']
    fc.assert(
      fc.property(value, way, fc.subarray(fields), (off, killed, unreadable) => {
        const definition = { type: typeof off, offVariant: 'off', variants: { off } }
        for (const field of unreadable) {
          Object.defineProperty(definition, field, {
            enumerable: true,
            get: () => {
              throw new Error(`${field} was looked at`)
            },
          })
        }
        expect(Object.keys(definition).filter((field) => !LOOKED_AT.includes(field))).toEqual(unreadable)
        const compiled = compile(stateOfBoth(definition as Json, killed))
        expect(evaluate(compiled, 'f', {}, 0)).toEqual({ value: off, variant: 'off', ...OFF })
      }),
    )
  })

  it('turns those off that require it', () => {
    fc.assert(
      fc.property(shape, value, way, anyContext, (rest, off, killed, anything) => {
        const compiled = compile(stateOfBoth(withOff(rest, off), killed))
        expect(evaluate(compiled, 'g', anything as Context, 0)).toMatchObject({
          variant: 'off',
          value: false,
          reason: 'DISABLED',
          metadata: { prerequisite: 'f' },
        })
      }),
      { numRuns: 300 },
    )
  })
})

describe('an evaluator whose rules throw', () => {
  it('answers an error, and after the kill the off variant, for a flag of any shape', () => {
    fc.assert(
      fc.property(shape, value, way, anyContext, now, (rest, off, killed, anything, at) => {
        const definition = withOff(rest, off)
        const faulty = sabotaged(compile(stateOfBoth(definition, 'no')))
        const ask = (compiled: Compiled, key: string) => evaluate(compiled, key, anything as Context, at)
        expect(ask(faulty, 'f')).toMatchObject({ reason: 'ERROR', errorCode: 'GENERAL' })

        // The kill arrives where the evaluator is already in that state, and where it is from the start.
        const next = { ...stateOfBoth(definition, killed), revision: 2 }
        for (const after of [
          advance(faulty, next),
          sabotaged(advance(faulty, next)),
          sabotaged(compile(next)),
        ]) {
          expect(ask(after, 'f')).toEqual({ value: off, variant: 'off', ...OFF })
        }
      }),
      { numRuns: 500 },
    )
  })
})

/** An object, so deep that whoever walks it by recursion runs out of stack. */
function deep(levels: number): Json {
  let inner: Json = {}
  for (let level = 0; level < levels; level += 1) inner = { inner }
  return inner
}

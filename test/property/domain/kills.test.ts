/** The kill of a flag of any shape, as the service makes it: done, and told as apps will be served. */
import { advance, compile, entryOf, evaluate, type Json } from '@halyard/sdk/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createFlag, kill, killFlags, killOf, unkill } from '../../../server/domain/index.ts'
import { World } from '../../unit/domain/world.ts'
import { sabotaged } from '../core/sabotage.ts'
import { anything, configuration, stored } from './documents.ts'

const shape = stored(fc.oneof(configuration, anything))

it('is taken for any definition, and says what apps are served from then on', () => {
  const world = World.started()
  const environment = world.environment()
  const base = { type: 'boolean', variants: { on: true, off: false }, offVariant: 'off' } as const
  for (const key of ['a', 'b']) world.commit(createFlag(world.project, { key, ...base }))
  const off = fc.constantFrom<Json>('off', 'on', 'gone', null, 7)
  fc.assert(
    fc.property(shape, off, (rest, offVariant) => {
      const isObject = typeof rest === 'object' && rest !== null && !Array.isArray(rest)
      const definition = isObject ? { ...base, ...rest, offVariant } : (rest ?? 'null')
      // Past every check, as by SQL.
      world.apply(environment, [{ kind: 'flag', key: 'a', definition }])
      const { serves, already } = world.commit(kill(environment, 'a', { comment: 'now' })).result
      expect(already).toBe(false)
      const { variant, value, ...decision } = evaluate(compile(world.state(environment)), 'a', {}, 0)
      expect(decision).toMatchObject({ reason: 'DISABLED', metadata: { killed: true } })
      expect(serves).toEqual(variant === undefined ? { codeDefault: true } : { variant, value })
      world.commit(unkill(environment, 'a'))
      expect(entryOf(world.state(environment), 'flag', 'a')?.definition).toEqual(definition)
    }),
    { numRuns: 500 },
  )
})

it('is taken of a whole group of flags, whichever of them are broken, and where the evaluator is', () => {
  const world = World.started()
  const environment = world.environment()
  const base = { type: 'boolean', variants: { on: true, off: false }, offVariant: 'off' } as const
  const keys = ['a', 'b', 'c', 'd']
  for (const key of keys) world.commit(createFlag(world.project, { key, ...base }))
  const shapes = fc.array(shape, {
    minLength: keys.length,
    maxLength: keys.length,
  })
  fc.assert(
    fc.property(shapes, fc.subarray(keys), fc.subarray(keys, { minLength: 1 }), (all, before, group) => {
      // Past every check, as by SQL.
      world.apply(
        environment,
        keys.flatMap((key, index) => [
          { kind: 'kill', key, definition: null },
          { kind: 'flag', key, definition: all[index] ?? 'null' },
        ]),
      )
      for (const key of before) world.commit(kill(environment, key))
      const faulty = sabotaged(compile(world.state(environment)))
      const { kills, alsoOff } = world.commit(
        killFlags(environment, group, { comment: 'now', expect: group.length }),
      ).result

      const state = world.state(environment)
      expect([...kills.keys()]).toEqual(group)
      expect(alsoOff.filter((flag) => group.includes(flag))).toEqual([])
      for (const compiled of [compile(state), advance(faulty, state), sabotaged(compile(state))]) {
        for (const [key, { serves, already, kill: one }] of kills) {
          const { variant, value, ...decision } = evaluate(compiled, key, {}, 0)
          expect(decision).toMatchObject({ reason: 'DISABLED', metadata: { killed: true } })
          expect(serves).toEqual(variant === undefined ? { codeDefault: true } : { variant, value })
          expect(already).toBe(before.includes(key))
          expect(killOf(state, key)).toEqual(one)
        }
      }
      const others = keys.filter((key) => !group.includes(key) && !before.includes(key))
      for (const key of others) expect(killOf(state, key)).toBeUndefined()
    }),
    { numRuns: 300 },
  )
})

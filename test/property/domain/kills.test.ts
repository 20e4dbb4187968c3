/** The kill of a flag of any shape, as the service makes it: done, and told as apps will be served. */
import { compile, entryOf, evaluate, type Json } from '@halyard/sdk/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createFlag, kill, unkill } from '../../../server/domain/index.ts'
import { World } from '../../unit/domain/world.ts'
import { anything, configuration } from './documents.ts'

it('is taken for any definition, and says what apps are served from then on', () => {
  const world = World.started()
  const environment = world.environment()
  const base = { type: 'boolean', variants: { on: true, off: false }, offVariant: 'off' } as const
  for (const key of ['a', 'b']) world.commit(createFlag(world.project, { key, ...base }))
  const off = fc.constantFrom<Json>('off', 'on', 'gone', null, 7)
  fc.assert(
    fc.property(fc.oneof(configuration, anything), off, (shape, offVariant) => {
      const isObject = typeof shape === 'object' && shape !== null && !Array.isArray(shape)
      const definition = isObject ? { ...base, ...shape, offVariant } : (shape ?? 'null')
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

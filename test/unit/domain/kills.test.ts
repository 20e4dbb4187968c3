import type { Json } from '@halyard/sdk/core'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  archiveFlag,
  createFlag,
  kill,
  killOf,
  putConfiguration,
  setEnabled,
  unarchiveFlag,
  unkill,
} from '../../../server/domain/index.ts'
import { ANY, problemOf, World } from './world.ts'

let world: World
let env: string
const base = { variants: { on: true, off: false }, offVariant: 'off' } as const

beforeEach(() => {
  world = World.started()
  env = world.environment()
  world.commit(createFlag(world.project, { key: 'checkout', type: 'boolean' }))
})

describe('a kill', () => {
  it('is an entry of its own, and says what apps get', () => {
    const { result, action } = world.commit(kill(env, 'checkout', { comment: 'It burns' }))
    expect(action).toBe('flag.kill')
    expect(result).toEqual({
      kill: { id: expect.any(String), by: 'Anna', at: '2026-03-01T12:00:00.000Z', comment: 'It burns' },
      already: false,
      serves: { variant: 'off', value: false },
      alsoOff: [],
    })
    expect(killOf(world.state(env), 'checkout')).toEqual(result.kill)
  })

  it('is given only once: a second one answers the first', () => {
    const first = world.commit(kill(env, 'checkout')).result.kill
    world.now += 5_000
    const second = world.commit(kill(env, 'checkout', { comment: 'again' }))
    expect(second.result).toMatchObject({ kill: first, already: true })
    expect(second.edits.size).toBe(0)
  })

  it('takes the comment of the request, and mends what cannot be kept of it', () => {
    world.comment = `a\0b\ud800${'x'.repeat(3_000)}`
    const { comment } = world.commit(kill(env, 'checkout')).result.kill
    expect(comment).toBe(`a\ufffdb\ufffd${'x'.repeat(1_996)}`)
    expect(
      world.run(kill(world.environment('staging'), 'checkout', { comment: '' })).result.kill,
    ).not.toHaveProperty('comment')
  })

  it('serves the code default where there is no off variant', () => {
    world.commit(putConfiguration(env, 'checkout', { variants: base.variants }, ANY))
    expect(world.run(kill(env, 'checkout')).result.serves).toEqual({ codeDefault: true })
  })

  it('names the flags that are off with it, through others too', () => {
    const requires = (flag: string) => ({ ...base, prerequisites: [{ flag, variants: ['on'] }] })
    for (const key of ['z', 'b', 'other']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
    world.commit(putConfiguration(env, 'z', requires('checkout'), ANY))
    world.commit(putConfiguration(env, 'b', requires('z'), ANY))
    expect(world.run(kill(env, 'checkout')).result.alsoOff).toEqual(['b', 'z'])
    const cyclic = { kind: 'flag', key: 'checkout', definition: requires('b') as never }
    world.apply(env, [cyclic])
    expect(world.run(kill(env, 'checkout')).result.alsoOff).toEqual(['b', 'z'])
  })

  it('works on a flag of any shape', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (anything, off) => {
        for (const definition of [
          anything,
          { ...base, rules: anything, prerequisites: off, variants: anything, offVariant: off },
        ]) {
          world.apply(env, [
            { kind: 'kill', key: 'checkout', definition: null },
            { kind: 'flag', key: 'checkout', definition: (definition ?? 0) as Json },
          ])
          const { result } = world.commit(kill(env, 'checkout'))
          expect(result.already).toBe(false)
          world.commit(unkill(env, 'checkout'))
        }
      }),
    )
  })

  it('still gives the off variant of a flag whose rules are broken', () => {
    world.apply(env, [
      { kind: 'flag', key: 'checkout', definition: { ...base, type: 'boolean', rules: 7 } as never },
    ])
    expect(world.run(kill(env, 'checkout')).result.serves).toEqual({ variant: 'off', value: false })
  })

  it('stays through every edit of the flag, and its archiving', () => {
    world.commit(kill(env, 'checkout'))
    world.commit(setEnabled(env, 'checkout', true))
    world.commit(archiveFlag(world.project, 'checkout'))
    world.commit(unarchiveFlag(world.project, 'checkout'))
    expect(killOf(world.state(env), 'checkout')).toBeDefined()
  })

  it('is refused for a flag that is unknown or archived', () => {
    const problem = problemOf(() => world.run(kill(env, 'chekout')))
    expect([problem.type, problem.details.didYouMean]).toEqual(['flag-not-found', 'checkout'])
    world.commit(archiveFlag(world.project, 'checkout'))
    expect(problemOf(() => world.run(kill(env, 'checkout'))).type).toBe('flag-archived')
  })
})

describe('un-kill', () => {
  it('removes exactly that entry', () => {
    const { kill: first } = world.commit(kill(env, 'checkout')).result
    expect(world.commit(unkill(env, 'checkout')).result).toEqual({ ended: first })
    expect(killOf(world.state(env), 'checkout')).toBeUndefined()
    expect(world.flag('checkout')).toBeDefined()
  })

  it('of what is not killed is a conflict', () => {
    expect(problemOf(() => world.run(unkill(env, 'checkout'))).type).toBe('not-killed')
    expect(problemOf(() => world.run(unkill(env, 'nope'))).type).toBe('flag-not-found')
  })

  it('works for a flag that is archived by now', () => {
    world.commit(kill(env, 'checkout'))
    world.commit(archiveFlag(world.project, 'checkout'))
    expect(world.commit(unkill(env, 'checkout')).result.ended.by).toBe('Anna')
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { createFlag, kill, killOf, settleKills, unkill } from '../../../server/domain/index.ts'
import { problemOf, World } from './world.ts'

const LATE = { id: 'late', by: 'Bob', at: '2026-02-28T03:12:00.000Z', comment: 'INC-481' }

let world: World
let env: string
beforeEach(() => {
  world = World.started()
  env = world.environment()
  for (const key of ['checkout', 'search']) world.commit(createFlag(world.project, { key, type: 'boolean' }))
})

describe('kills that come late', () => {
  it('are written as they were accepted, all at once', () => {
    const { action, result } = world.commit(settleKills(env, { checkout: LATE, search: LATE }))
    expect([action, result]).toEqual(['flag.kill', { absent: [] }])
    for (const flag of ['checkout', 'search']) expect(killOf(world.state(env), flag)).toEqual(LATE)
  })

  it('change nothing when they come again', () => {
    world.commit(settleKills(env, { checkout: LATE }))
    expect(world.commit(settleKills(env, { checkout: LATE })).edits.size).toBe(0)
  })

  it('are taken up by the kill that the flag has, once, and end with it', () => {
    const { kill: first } = world.commit(kill(env, 'checkout')).result
    world.commit(settleKills(env, { checkout: LATE }))
    const another = { ...LATE, id: 'later' }
    world.commit(settleKills(env, { checkout: another }))
    expect(killOf(world.state(env), 'checkout')).toEqual({ ...first, also: [LATE, another] })
    expect(world.commit(settleKills(env, { checkout: LATE })).edits.size).toBe(0)
    expect(world.commit(unkill(env, 'checkout')).result.ended).toEqual({ ...first, also: [LATE, another] })
  })

  it('leave out flags that are not there any more, and say which', () => {
    const { result, edits } = world.commit(settleKills(env, { gone: LATE }))
    expect([result, edits.size]).toEqual([{ absent: ['gone'] }, 0])
  })

  it('need their environment', () => {
    expect(problemOf(() => world.run(settleKills('env_gone', { checkout: LATE }))).type).toBe(
      'environment-not-found',
    )
  })
})

describe('a flag whose kill has no revision yet', () => {
  it('is killed already', () => {
    const view = world.logs.get(env)!
    world.logs.set(env, { ...view, state: { ...view.state, pending: new Map([['checkout', [LATE]]]) } })
    const { result, edits } = world.run(kill(env, 'checkout'))
    expect([result.already, result.kill, edits.size]).toEqual([true, LATE, 0])
  })

  describe('is killed by the very request that made it, which the database takes late', () => {
    const again = () => kill(env, 'checkout', { ids: () => LATE.id })
    const pend = () => {
      const view = world.logs.get(env)!
      world.logs.set(env, { ...view, state: { ...view.state, pending: new Map([['checkout', [LATE]]]) } })
    }

    it('as it was accepted', () => {
      pend()
      expect(world.commit(again()).result).toMatchObject({ kill: LATE, already: false })
      expect(killOf(world.state(env), 'checkout')).toEqual(LATE)
    })

    it('beside the kill that the flag has got meanwhile', () => {
      const { kill: first } = world.commit(kill(env, 'checkout')).result
      pend()
      for (let time = 0; time < 2; time += 1) {
        world.commit(again())
        expect(killOf(world.state(env), 'checkout')).toEqual({ ...first, also: [LATE] })
      }
    })
  })
})
